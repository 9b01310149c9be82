//! Money: movements of all clients, what was earned, card charges.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Deserialize;
use stripe402_protocol::Currency;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual, limit},
    view,
};
use crate::net::error::ApiError;
use crate::{
    accounting::{Kind, State as TopUpState},
    operator::work::OperatorError,
};

const HOUR_MS: u64 = 3_600_000;

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
    let kinds = which.kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
    let store = operators.0.operations.store();
    let found = store.latest_movements(&kinds, limit(which.limit)?).await;
    let found = found.map_err(OperatorError::from)?.into_iter();
    let movements = found.map(|(key, movement)| view::Movement::of(&key, movement)).collect();
    Ok(Json(view::Movements { movements, next: None }))
}

/// How deductions are summed.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    Route,
    Day,
    Hour,
}

/// Which deductions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichRevenue {
    /// A line for each; times are UTC
    #[param(inline)]
    by: Option<By>,
    /// Of the last so many days, by the gateways' clocks
    #[param(minimum = 1, maximum = 36500, default = 30)]
    days: Option<u64>,
}

/// What one line is about: an hour, a route, and a currency.
type Line = (Option<u64>, Option<String>, Currency);

/// What deductions brought, less what was given back
#[utoipa::path(get, path = "/admin/v1/revenue", tag = "money", operation_id = "revenue",
    params(WhichRevenue), responses((status = 200, body = view::Revenue), Usual))]
pub(super) async fn revenue(
    State(operators): State<Operators>,
    Asked(which): Asked<WhichRevenue>,
) -> Result<Json<view::Revenue>, ApiError> {
    let days = which.days.unwrap_or(crate::operator::work::DAYS);
    if !(1..=36_500).contains(&days) {
        return Err(ApiError::bad_request("days: must be a number from 1 to 36500"));
    }
    let by = which.by.unwrap_or(By::Route);
    let now = operators.0.clock.now_ms() / HOUR_MS;
    let since = now.saturating_sub(days.saturating_mul(24));
    let tallies =
        operators.0.operations.store().revenue(since).await.map_err(OperatorError::from)?;
    let mut sums: BTreeMap<Line, (i64, i64)> = BTreeMap::new();
    for (currency, tally) in tallies {
        let line = match by {
            By::Route => (None, Some(tally.route), currency),
            By::Day => (Some((tally.hour / 24).saturating_mul(24)), None, currency),
            By::Hour => (Some(tally.hour), None, currency),
        };
        let sum = sums.entry(line).or_default();
        *sum = (sum.0.saturating_add(tally.count), sum.1.saturating_add(tally.amount));
    }
    let lines = sums.into_iter().map(|((hour, route, currency), (requests, units))| {
        let from_ms = hour.map(|hour| hour.saturating_mul(HOUR_MS));
        view::RevenueLine { from_ms, route, currency: currency.to_string(), requests, units }
    });
    Ok(Json(view::Revenue { lines: lines.collect() }))
}

/// How far card charges are.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// Stripe's answer or the cardholder's is awaited
    InFlight,
    Credited,
    Refused,
}

/// Which card charges.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichTopUps {
    /// Only those that are so far; `in_flight` has all there are
    #[param(inline)]
    state: Option<Stage>,
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
    let store = operators.0.operations.store();
    let limit = limit(which.limit)?;
    let found = match which.state {
        Some(Stage::InFlight) => store.unfinished_top_ups().await,
        _ => store.recent_top_ups(limit).await,
    };
    let wanted = found.map_err(OperatorError::from)?.into_iter().filter(|of| match which.state {
        None => true,
        Some(Stage::InFlight) => !of.state.is_finished(),
        Some(Stage::Credited) => matches!(of.state, TopUpState::Credited { .. }),
        Some(Stage::Refused) => matches!(of.state, TopUpState::Refused { .. }),
    });
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort_by_key(|of| std::cmp::Reverse(of.created_ms));
    Ok(Json(view::TopUps { top_ups: wanted.iter().map(Into::into).collect() }))
}
