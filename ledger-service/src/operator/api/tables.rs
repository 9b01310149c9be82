//! Tables: card charges, movements, refunds, disputes, and what operators did.

use axum::{Json, extract::State};

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual},
    error::ErrorBody,
    rows::{ActionName, KindName, Paged, Rows, StageName},
};
use crate::{
    net::error::ApiError,
    operator::work::{Table, view},
};

/// Card charges, newest first
///
/// One answer looks at 10,000 of them at most: with a filter it may have fewer than asked for, even none, and
/// still a `next`.
#[utoipa::path(get, path = "/admin/v1/top-ups", tag = "money", operation_id = "top_ups",
    params(Rows, Paged, ("state" = inline(Option<StageName>), Query, description = "Those that are so far"),
    ("card" = Option<String>, Query, pattern = "^[0-9]{4}$", description = "The last four digits of the card")),
    responses((status = 200, body = view::TopUps), (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn top_ups(
    State(operators): State<Operators>,
    Asked(rows): Asked<Rows>,
) -> Result<Json<view::TopUps>, ApiError> {
    let (filter, cursor, most) = rows.listed(Table::CardCharges)?;
    Ok(Json(operators.0.operations.top_ups(&filter, cursor.as_deref(), most).await?))
}

/// Movements of all clients or of one, newest first
///
/// Answers as `/admin/v1/top-ups` does.
#[utoipa::path(get, path = "/admin/v1/transfers", tag = "money", operation_id = "transfers",
    params(Rows, Paged, ("kind" = inline(Option<KindName>), Query, description = "Of this kind only")),
    responses((status = 200, body = view::Movements), (status = 404, body = ErrorBody, description = "There is no such client or currency, or no movement is known by this cursor"), Usual))]
pub(super) async fn transfers(
    State(operators): State<Operators>,
    Asked(rows): Asked<Rows>,
) -> Result<Json<view::Movements>, ApiError> {
    movements(&operators, rows, Table::Movements).await
}

/// Refunds, newest first: `capture` was ordered here, `refund` at Stripe, `refund_failed` did not arrive
///
/// Answers as `/admin/v1/transfers` does. The reference of one that was ordered here names its PaymentIntent
/// and the operator's reference, its note Stripe's refund.
#[utoipa::path(get, path = "/admin/v1/refunds", tag = "money", operation_id = "refunds", params(Rows, Paged),
    responses((status = 200, body = view::Movements), (status = 404, body = ErrorBody, description = "There is no such client or currency, or no movement is known by this cursor"), Usual))]
pub(super) async fn refunds(
    State(operators): State<Operators>,
    Asked(rows): Asked<Rows>,
) -> Result<Json<view::Movements>, ApiError> {
    movements(&operators, rows, Table::Refunds).await
}

/// Disputes, newest first: opened, won, lost
///
/// Answers as `/admin/v1/transfers` does.
#[utoipa::path(get, path = "/admin/v1/disputes", tag = "money", operation_id = "disputes", params(Rows, Paged),
    responses((status = 200, body = view::Movements), (status = 404, body = ErrorBody, description = "There is no such client or currency, or no movement is known by this cursor"), Usual))]
pub(super) async fn disputes(
    State(operators): State<Operators>,
    Asked(rows): Asked<Rows>,
) -> Result<Json<view::Movements>, ApiError> {
    movements(&operators, rows, Table::Disputes).await
}

async fn movements(
    operators: &Operators,
    rows: Rows,
    table: Table,
) -> Result<Json<view::Movements>, ApiError> {
    let (filter, cursor, most) = rows.listed(table)?;
    Ok(Json(operators.0.operations.movements(&filter, cursor.as_deref(), most).await?))
}

/// The audit record, newest first
///
/// Every action of an operator, by this API, the page or the command line, has two entries: one
/// before anything happens, one when its outcome is known. Answers as `/admin/v1/top-ups` does.
#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", operation_id = "audit",
    params(Rows, ("kind" = inline(Option<ActionName>), Query, description = "Of this kind only"),
    ("actor" = Option<String>, Query, description = "What the holder of this token did, or cli"),
    ("cursor" = Option<String>, Query, pattern = "^[0-9]{15}\\.[0-9a-f]{32}\\.[01]$", description = "After these: `next` of an answer"),
    ("limit" = Option<usize>, Query, minimum = 1, maximum = 500, description = "At most so many; 50 if nothing is said")),
    responses((status = 200, body = view::Entries), (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn audit(
    State(operators): State<Operators>,
    Asked(rows): Asked<Rows>,
) -> Result<Json<view::Entries>, ApiError> {
    let (filter, cursor, most) = rows.listed(Table::Audit)?;
    Ok(Json(operators.0.operations.audit(&filter, cursor.as_deref(), most).await?))
}
