//! Clients: all, one, and its movements.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::keyring::Operators,
    ask::{Asked, Named, Usual, currency_named, limit},
    error::ErrorBody,
};
use crate::{net::error::ApiError, operator::work::view};

/// As far as JSON's numbers go exactly.
const LAST_CURSOR: usize = 9_007_199_254_740_991;

/// Which clients.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The beginning of a client id, or a whole subject
    #[param(pattern = "^[0-9a-f]{0,64}$")]
    search: Option<String>,
    /// After these: `next` of an answer
    #[param(pattern = "^[0-9a-f]{16}$")]
    cursor: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Clients
///
/// In the order of their ids.
#[utoipa::path(get, path = "/admin/v1/clients", tag = "clients", operation_id = "clients",
    params(Which), responses((status = 200, body = view::Clients), (status = 404, body = ErrorBody, description = "No client is known by this cursor"), Usual))]
pub(super) async fn list(
    State(operators): State<Operators>,
    Asked(which): Asked<Which>,
) -> Result<Json<view::Clients>, ApiError> {
    let (search, cursor) = (which.search.as_deref(), which.cursor.as_deref());
    Ok(Json(operators.0.operations.clients(search, cursor, limit(which.limit)?).await?))
}

/// One client
#[utoipa::path(get, path = "/admin/v1/clients/{client}", tag = "clients", operation_id = "client",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")),
    responses((status = 200, body = view::ClientDetails), (status = 404, body = ErrorBody, description = "There is no such client"), Usual))]
pub(super) async fn show(
    State(operators): State<Operators>,
    Named(client): Named,
) -> Result<Json<view::ClientDetails>, ApiError> {
    Ok(Json(operators.0.operations.client_details(&client).await?))
}

/// Which movements.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichMovements {
    /// Of which account; of the client's first one without
    #[param(pattern = "^[a-z]{3}$")]
    currency: Option<String>,
    /// After these: `next` of an answer
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    cursor: Option<usize>,
    /// At most so many
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The movements of an account, newest first
#[utoipa::path(get, path = "/admin/v1/clients/{client}/movements", tag = "clients", operation_id = "client_movements",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id"), WhichMovements),
    responses((status = 200, body = view::Movements), (status = 404, body = ErrorBody, description = "There is no such account"), Usual))]
pub(super) async fn movements(
    State(operators): State<Operators>,
    Named(client): Named,
    Asked(which): Asked<WhichMovements>,
) -> Result<Json<view::Movements>, ApiError> {
    let limit = limit(which.limit)?;
    let currency = which.currency.as_deref().map(currency_named).transpose()?;
    if which.cursor.is_some_and(|cursor| cursor > LAST_CURSOR) {
        return Err(ApiError::bad_request("cursor: must be `next` of an earlier answer"));
    }
    let operations = &operators.0.operations;
    Ok(Json(operations.movements_of(&client, currency, which.cursor, limit).await?))
}
