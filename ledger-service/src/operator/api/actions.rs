//! What operators do to a client. Each is on record before and after, and can be asked for again.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::keyring::{OperatorContext, Operators},
    ask::{
        All, Asked, Named, Sent, SomeOrAll, Usual, Whole, currency_named, some_or_all, whole,
        whole_or_none,
    },
    error::ErrorBody,
};
use crate::net::error::ApiError;
use crate::operator::work::{Actor, Adjustment, GrantOrder, RefundOrder, view};

/// Why
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// For the record
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub(super) reason: String,
}

/// Freeze a client
///
/// No more deductions and card charges, in any currency. Frozen already, it stays so.
#[utoipa::path(post, path = "/admin/v1/clients/{client}/freeze", tag = "actions", operation_id = "freeze",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")), request_body = Reason,
    responses((status = 200, body = view::Client), (status = 404, body = ErrorBody, description = "There is no such client"), Usual))]
pub(super) async fn freeze(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Named(client): Named,
    Sent(Reason { reason }): Sent<Reason>,
) -> Result<Json<view::Client>, ApiError> {
    set_frozen(operators, actor, client, true, reason).await
}

/// Unfreeze a client
///
/// Deductions and card charges again.
#[utoipa::path(post, path = "/admin/v1/clients/{client}/unfreeze", tag = "actions", operation_id = "unfreeze",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")), request_body = Reason,
    responses((status = 200, body = view::Client), (status = 404, body = ErrorBody, description = "There is no such client"), Usual))]
pub(super) async fn unfreeze(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Named(client): Named,
    Sent(Reason { reason }): Sent<Reason>,
) -> Result<Json<view::Client>, ApiError> {
    set_frozen(operators, actor, client, false, reason).await
}

async fn set_frozen(
    operators: Operators,
    actor: Actor,
    client: String,
    frozen: bool,
    reason: String,
) -> Result<Json<view::Client>, ApiError> {
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.freeze(&actor, &client, frozen, &reason).await
    };
    Ok(Json(operators.carry_out(work).await?))
}

/// A correction
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedAdjustment {
    /// 10000 for 1.00; below zero to debit
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    units: i64,
    #[schema(pattern = "^[a-z]{3}$", example = "usd")]
    currency: String,
    /// Names it: sent again, it is made once
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    reference: String,
    /// For the record
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    reason: String,
}

/// Credit or debit by hand
#[utoipa::path(post, path = "/admin/v1/clients/{client}/adjustments", tag = "actions", operation_id = "adjust",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")), request_body = WantedAdjustment,
    responses((status = 200, body = view::Adjusted), (status = 404, body = ErrorBody, description = "There is no such client"),
    (status = 409, body = ErrorBody, description = "The books refuse it: conflict (the reference was used for another amount), insufficient, too_large, zero"), Usual))]
pub(super) async fn adjust(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Named(client): Named,
    Sent(wanted): Sent<WantedAdjustment>,
) -> Result<Json<view::Adjusted>, ApiError> {
    let WantedAdjustment { units, currency, reference, reason } = wanted;
    let currency = currency_named(&currency)?;
    let wanted = Adjustment { currency, units, reference, reason };
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.adjust(&actor, &client, wanted).await
    };
    Ok(Json(operators.carry_out(work).await?))
}

/// Credit to be given
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedGrant {
    /// 10000 for 1.00
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    units: i64,
    #[schema(pattern = "^[a-z]{3}$", example = "usd")]
    currency: String,
    /// When what is left of it expires; never without
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    expires_ms: Option<i64>,
    /// Names it: sent again, it is given once
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    reference: String,
    /// For the record
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    reason: String,
}

/// Give credit
///
/// It is spent before what was paid for, and never refunded to a card.
#[utoipa::path(post, path = "/admin/v1/clients/{client}/grants", tag = "actions", operation_id = "grant",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")), request_body = WantedGrant,
    responses((status = 200, body = view::Adjusted), (status = 404, body = ErrorBody, description = "There is no such client"),
    (status = 409, body = ErrorBody, description = "The books refuse it: conflict (the reference was used for another amount), expired, too_many_grants, too_large"), Usual))]
pub(super) async fn grant(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Named(client): Named,
    Sent(wanted): Sent<WantedGrant>,
) -> Result<Json<view::Adjusted>, ApiError> {
    let WantedGrant { units, currency, expires_ms, reference, reason } = wanted;
    let currency = currency_named(&currency)?;
    let expires_ms = expires_ms.map(|at_ms| {
        let wrong = "expires_ms: must be Unix milliseconds in the future";
        u64::try_from(at_ms).map_err(|_| ApiError::bad_request(wrong))
    });
    let expires_ms = expires_ms.transpose()?;
    let wanted = GrantOrder { currency, units, expires_ms, reference, reason };
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.grant(&actor, &client, wanted).await
    };
    Ok(Json(operators.carry_out(work).await?))
}

/// A refund
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedRefund {
    /// So many, or all that was paid for and is not spent
    #[schema(schema_with = some_or_all)]
    units: SomeOrAll,
    #[schema(pattern = "^[a-z]{3}$", example = "usd")]
    currency: String,
    /// Names it: sent again, what was cut off is finished, and nothing goes back twice
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    reference: String,
    /// For the record
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    reason: Option<String>,
    /// The `parts` of its plan: these are refunded or nothing
    parts: Option<Vec<view::RefundedPart>>,
}

/// A refund that is thought of
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ThoughtOf {
    /// So many units, or `all` that was paid for and is not spent
    #[param(pattern = "^([1-9][0-9]{0,15}|all)$", example = "all")]
    units: String,
    #[param(pattern = "^[a-z]{3}$", example = "usd")]
    currency: String,
    /// Names it. What was refunded under it before is what it gives back
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    reference: String,
}

/// Say what a refund would give back, and to which card charges
///
/// Nothing is refunded, and nothing is held for it.
#[utoipa::path(get, path = "/admin/v1/clients/{client}/refund-plan", tag = "actions", operation_id = "refund_plan",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id"), ThoughtOf),
    responses((status = 200, body = view::RefundPlan), (status = 404, body = ErrorBody, description = "There is no such account"),
    (status = 409, body = ErrorBody, description = "It would be refused: conflict, frozen, insufficient, nothing_to_refund"), Usual))]
pub(super) async fn refund_plan(
    State(operators): State<Operators>,
    Named(client): Named,
    Asked(thought): Asked<ThoughtOf>,
) -> Result<Json<view::RefundPlan>, ApiError> {
    let ThoughtOf { units, currency, reference } = thought;
    let units = match units.as_str() {
        "all" => None,
        number => Some(number.parse().map_err(|_| {
            ApiError::bad_request("units: must be a whole number, or all for all that was paid for")
        })?),
    };
    let currency = currency_named(&currency)?;
    let wanted = RefundOrder { currency, units, reference, reason: None, agreed: None };
    Ok(Json(operators.0.operations.refund_plan(&client, &wanted).await?))
}

/// Give unused credits back to the cards they came from
#[utoipa::path(post, path = "/admin/v1/clients/{client}/refunds", tag = "actions", operation_id = "refund",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")), request_body = WantedRefund,
    responses((status = 200, body = view::Refunded), (status = 404, body = ErrorBody, description = "There is no such account"),
    (status = 409, body = ErrorBody, description = "Refused: conflict, frozen, insufficient, nothing_to_refund; plan_changed if it would be other parts"), Usual))]
pub(super) async fn refund(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Named(client): Named,
    Sent(wanted): Sent<WantedRefund>,
) -> Result<Json<view::Refunded>, ApiError> {
    let WantedRefund { units, currency, reference, reason, parts } = wanted;
    let units = match units {
        SomeOrAll::Units(Whole(units)) => Some(units),
        SomeOrAll::All(All::All) => None,
    };
    let currency = currency_named(&currency)?;
    let wanted = RefundOrder { currency, units, reference, reason, agreed: parts };
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.refund(&actor, &client, wanted).await
    };
    Ok(Json(operators.carry_out(work).await?))
}
