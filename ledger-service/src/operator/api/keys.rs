//! Keys of a client's.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use stripe402_protocol::Units;
use utoipa::{
    ToSchema,
    openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type},
};

use super::{
    super::keyring::{OperatorContext, Operators},
    actions::Reason,
    ask::{Named, Sent, Usual, currency_named, whole_or_none},
    error::ErrorBody,
};
use crate::{
    accounting::Budget,
    keys::Terms,
    net::error::ApiError,
    operator::work::{Actor, KeyEnd, KeyOrder, view},
};

/// The keys of a client
///
/// The first one first; those that were revoked, too.
#[utoipa::path(get, path = "/admin/v1/clients/{client}/keys", tag = "clients", operation_id = "keys",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")),
    responses((status = 200, body = view::Keys), (status = 404, body = ErrorBody, description = "There is no such client"), Usual))]
pub(super) async fn list(
    State(operators): State<Operators>,
    Named(client): Named,
) -> Result<Json<view::Keys>, ApiError> {
    Ok(Json(operators.0.operations.keys_of(&client).await?))
}

/// A key to be made
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedKey {
    /// What it shall be called
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    label: String,
    #[schema(pattern = "^[a-z]{3}$", example = "usd")]
    currency: String,
    /// What it may spend ever, in units; without a limit if absent
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    total: Option<i64>,
    /// In a day, UTC
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    per_day: Option<i64>,
    /// In a month, UTC
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    per_month: Option<i64>,
    /// When it expires; never without
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    expires_ms: Option<i64>,
    /// Names of routes, or beginnings with a `*` behind; all if there are none
    #[serde(default)]
    #[schema(schema_with = patterns)]
    routes: Vec<String>,
    /// Whether it may manage its owner's keys
    #[serde(default)]
    manage: bool,
    /// For the record
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    reason: String,
}

/// The schema of routes: names, or beginnings with a `*` behind.
fn patterns() -> Schema {
    let one = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^(\\*|[^*\\x00-\\x1f\\x7f-\\x9f]{1,60}\\*?)$"));
    Schema::Array(ArrayBuilder::new().items(one).max_items(Some(32)).build())
}

/// Make a key
///
/// An alias of the client, with limits of its own. The key is in this answer, and nowhere else.
#[utoipa::path(post, path = "/admin/v1/clients/{client}/keys", tag = "actions", operation_id = "make_key",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")), request_body = WantedKey,
    responses((status = 201, body = view::MadeKey), (status = 404, body = ErrorBody, description = "There is no such client"),
    (status = 409, body = ErrorBody, description = "Refused: too_many_keys (the client has as many as it may have), expired"), Usual))]
pub(super) async fn make(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Named(client): Named,
    Sent(wanted): Sent<WantedKey>,
) -> Result<(StatusCode, Json<view::MadeKey>), ApiError> {
    let order = wanted.order()?;
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.make_key(&actor, &client, order).await
    };
    Ok((StatusCode::CREATED, Json(operators.carry_out(work).await?)))
}

impl WantedKey {
    fn order(self) -> Result<KeyOrder, ApiError> {
        let units = |name: &str, units: Option<i64>| {
            let wrong = |_| ApiError::bad_request(format!("{name}: must be from 1 to 2^53 - 1"));
            units.map(|units| Units::new(units).map_err(wrong)).transpose()
        };
        let budget = Budget {
            total: units("total", self.total)?,
            per_day: units("per_day", self.per_day)?,
            per_month: units("per_month", self.per_month)?,
        };
        let wrong = |_| ApiError::bad_request("expires_ms: must be in the future");
        let expires_ms = self.expires_ms.map(u64::try_from).transpose().map_err(wrong)?;
        let terms = Terms {
            label: self.label,
            currency: currency_named(&self.currency)?,
            budget,
            expires_ms,
            routes: self.routes,
            manage: self.manage,
            auto_top_up: None,
        };
        Ok(KeyOrder { terms, reason: self.reason })
    }
}

/// Let a key charge its card no more
///
/// Only the card can agree to it again. What is under way is carried out.
#[utoipa::path(post, path = "/admin/v1/clients/{client}/keys/{key}/stop-auto-top-up", tag = "actions", operation_id = "stop_auto_top_up",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id"),
    ("key" = String, Path, pattern = "^[0-9a-f]{16}$", description = "The id of a key")), request_body = Reason,
    responses((status = 200, body = view::Key), (status = 404, body = ErrorBody, description = "There is no such client, or it has no such key"),
    (status = 409, body = ErrorBody, description = "Refused: no_auto_top_up (the key does not top up by itself)"), Usual))]
pub(super) async fn stop_auto_top_up(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    Sent(Reason { reason }): Sent<Reason>,
) -> Result<Json<view::Key>, ApiError> {
    let Path((client, key)) = path.map_err(|_| ApiError::bad_request("the path is not UTF-8"))?;
    let work = async move |context: Arc<OperatorContext>| {
        let end = (KeyEnd::StopAutoTopUp, reason.as_str());
        context.operations.end_key(&actor, &client, &key, end).await
    };
    Ok(Json(operators.carry_out(work).await?))
}

/// Revoke a key
///
/// For good. Revoked already, it stays so.
#[utoipa::path(post, path = "/admin/v1/clients/{client}/keys/{key}/revoke", tag = "actions", operation_id = "revoke_key",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id"),
    ("key" = String, Path, pattern = "^[0-9a-f]{16}$", description = "The id of a key")), request_body = Reason,
    responses((status = 200, body = view::Key), (status = 404, body = ErrorBody, description = "There is no such client, or it has no such key"), Usual))]
pub(super) async fn revoke(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    Sent(Reason { reason }): Sent<Reason>,
) -> Result<Json<view::Key>, ApiError> {
    let Path((client, key)) = path.map_err(|_| ApiError::bad_request("the path is not UTF-8"))?;
    let work = async move |context: Arc<OperatorContext>| {
        let end = (KeyEnd::Revoke, reason.as_str());
        context.operations.end_key(&actor, &client, &key, end).await
    };
    Ok(Json(operators.carry_out(work).await?))
}

/// Rotate a client's id
///
/// The ids so far spend nothing more. The card's next payment tells its holder the new one, and is not charged if the
/// balance suffices. The subject stays.
#[utoipa::path(post, path = "/admin/v1/clients/{client}/rotate", tag = "actions", operation_id = "rotate",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")), request_body = Reason,
    responses((status = 200, body = view::Rotated), (status = 404, body = ErrorBody, description = "There is no such client"),
    (status = 409, body = ErrorBody, description = "Refused: rotated_meanwhile (another rotation came first)"), Usual))]
pub(super) async fn rotate(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Named(client): Named,
    Sent(Reason { reason }): Sent<Reason>,
) -> Result<Json<view::Rotated>, ApiError> {
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.rotate(&actor, &client, &reason).await
    };
    Ok(Json(operators.carry_out(work).await?))
}
