//! What operators did.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual, limit},
};
use crate::net::error::ApiError;
use crate::{accounting::AuditKey, operator::work::view};

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// After these: `next` of an answer
    #[param(pattern = "^[0-9]{15}\\.[0-9a-f]{32}\\.[01]$")]
    cursor: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The audit record, newest first
///
/// Every action of an operator, by this API, the page or the command line, has two entries: one
/// before anything happens, one when its outcome is known.
#[utoipa::path(get, path = "/admin/v1/audit", tag = "audit", operation_id = "audit",
    params(Which), responses((status = 200, body = view::Entries), Usual))]
pub(super) async fn list(
    State(operators): State<Operators>,
    Asked(which): Asked<Which>,
) -> Result<Json<view::Entries>, ApiError> {
    let before = which.cursor.map(|cursor| cursor.parse::<AuditKey>()).transpose();
    let before = before.map_err(|error| ApiError::bad_request(format!("cursor: {error}")))?;
    let limit = limit(which.limit)?;
    Ok(Json(operators.0.operations.audit(before, limit).await?))
}
