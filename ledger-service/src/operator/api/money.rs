//! Money in sums: what was earned, and a month's statement.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual},
};
use crate::net::error::ApiError;
use crate::operator::work::{DAYS, view};

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
