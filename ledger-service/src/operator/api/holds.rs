//! Holds that are not settled.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual, limit},
    error::ErrorBody,
};
use crate::{
    net::error::ApiError,
    operator::work::{HoldPlace, view},
};

/// Which holds.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of this client only: a subject, or a client id
    #[param(pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$")]
    client: Option<String>,
    /// After these: `next` of an answer
    #[param(pattern = "^[0-9]{1,16}\\.[0-9a-f]{32}$")]
    cursor: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The holds that are not settled
///
/// The earliest end first. A hold sets aside the most that a request may cost, until its price is known.
#[utoipa::path(get, path = "/admin/v1/holds", tag = "money", operation_id = "holds",
    params(Which), responses((status = 200, body = view::Holds), (status = 404, body = ErrorBody, description = "There is no such client"), Usual))]
pub(super) async fn list(
    State(operators): State<Operators>,
    Asked(which): Asked<Which>,
) -> Result<Json<view::Holds>, ApiError> {
    let limit = limit(which.limit)?;
    let after = which.cursor.map(|cursor| cursor.parse::<HoldPlace>()).transpose();
    let after = after.map_err(|problem| ApiError::bad_request(format!("cursor: {problem}")))?;
    let operations = &operators.0.operations;
    Ok(Json(operations.holds(which.client.as_deref(), after, limit).await?))
}
