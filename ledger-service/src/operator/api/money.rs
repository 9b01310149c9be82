//! Money: movements of all clients, what was earned, card charges.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual, limit},
};
use crate::net::error::ApiError;
use crate::{
    accounting::Kind,
    operator::work::{DAYS, view},
};

/// The kinds of movements, by their names.
struct KindName;

impl utoipa::PartialSchema for KindName {
    fn schema() -> RefOr<Schema> {
        let names = Kind::ALL.map(Kind::as_str);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for KindName {}

/// Which movements.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichTransfers {
    /// Of this kind only
    #[param(value_type = Option<KindName>, inline)]
    kind: Option<Kind>,
    /// At most so many
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The latest movements of all clients, newest first
#[utoipa::path(get, path = "/admin/v1/transfers", tag = "money", operation_id = "transfers",
    params(WhichTransfers), responses((status = 200, body = view::Movements), Usual))]
pub(super) async fn transfers(
    State(operators): State<Operators>,
    Asked(which): Asked<WhichTransfers>,
) -> Result<Json<view::Movements>, ApiError> {
    let limit = limit(which.limit)?;
    Ok(Json(operators.0.operations.latest_movements(which.kind, limit).await?))
}

/// Which deductions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichRevenue {
    /// A line for each; times are UTC
    #[param(inline)]
    by: Option<view::SumBy>,
    /// Of the last so many days, by the gateways' clocks
    #[param(minimum = 1, maximum = 36500, default = 30)]
    days: Option<u64>,
}

/// What deductions brought, less voids
#[utoipa::path(get, path = "/admin/v1/revenue", tag = "money", operation_id = "revenue",
    params(WhichRevenue), responses((status = 200, body = view::Revenue), Usual))]
pub(super) async fn revenue(
    State(operators): State<Operators>,
    Asked(which): Asked<WhichRevenue>,
) -> Result<Json<view::Revenue>, ApiError> {
    let days = which.days.unwrap_or(DAYS);
    if !(1..=36_500).contains(&days) {
        return Err(ApiError::bad_request("days: must be a number from 1 to 36500"));
    }
    let by = which.by.unwrap_or(view::SumBy::Route);
    Ok(Json(operators.0.operations.revenue(by, Some(days)).await?))
}

/// Which month.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichMonth {
    /// The month, UTC, such as 2026-11
    #[param(pattern = "^(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])$")]
    month: String,
}

/// What a month brought, and what clients still have
///
/// It reads the movements of every client: it takes long on many.
#[utoipa::path(get, path = "/admin/v1/statement", tag = "money", operation_id = "statement",
    params(WhichMonth), responses((status = 200, body = view::Statement), Usual))]
pub(super) async fn statement(
    State(operators): State<Operators>,
    Asked(which): Asked<WhichMonth>,
) -> Result<Json<view::Statement>, ApiError> {
    Ok(Json(operators.0.operations.statement(which.month.parse()?).await?))
}

/// Which card charges.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichTopUps {
    /// Only those that are so far; `in_flight` has all there are
    #[param(inline)]
    state: Option<view::Stage>,
    /// Out of the latest so many
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The latest card charges, newest first
#[utoipa::path(get, path = "/admin/v1/top-ups", tag = "money", operation_id = "top_ups",
    params(WhichTopUps), responses((status = 200, body = view::TopUps), Usual))]
pub(super) async fn top_ups(
    State(operators): State<Operators>,
    Asked(which): Asked<WhichTopUps>,
) -> Result<Json<view::TopUps>, ApiError> {
    let limit = limit(which.limit)?;
    Ok(Json(operators.0.operations.top_ups(which.state, limit).await?))
}
