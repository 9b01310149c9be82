//! Clients: all, one, and its movements.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use axum::{Json, extract::State};
use futures_util::future::try_join_all;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::keyring::Operators,
    ask::{Asked, MOST, Named, Usual, currency_named, limit},
    view,
};
use crate::net::error::ApiError;
use crate::{
    accounting::AccountKey,
    operator::work::{Operations, OperatorError},
};

/// How many deductions are shown one by one.
const RECENT: usize = 20;

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
    params(Which), responses((status = 200, body = view::Clients), (status = 404, body = view::ErrorBody, description = "No client is known by this cursor"), Usual))]
pub(super) async fn list(
    State(operators): State<Operators>,
    Asked(which): Asked<Which>,
) -> Result<Json<view::Clients>, ApiError> {
    let operations = &operators.0.operations;
    let search = which.search.as_deref();
    let page = operations.clients(search, which.cursor.as_deref(), limit(which.limit)?).await?;
    let clients = page.clients.iter().map(|keys| client(operations, keys));
    let clients = try_join_all(clients).await?;
    let next = clients.last().filter(|_| page.more).map(|last| last.subject.clone());
    Ok(Json(view::Clients { clients, next }))
}

/// A client with what its accounts hold.
pub(super) async fn client(
    operations: &Operations,
    keys: &[AccountKey],
) -> Result<view::Client, OperatorError> {
    let subject = keys.first().map(|key| key.client.subject()).unwrap_or_default();
    let mut accounts = Vec::new();
    for key in keys {
        accounts.push(view::Account::of(key, &operations.store().account(*key).await?));
    }
    Ok(view::Client { subject, accounts })
}

/// One client
#[utoipa::path(get, path = "/admin/v1/clients/{client}", tag = "clients", operation_id = "client",
    params(("client" = String, Path, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "A subject, or a client id")),
    responses((status = 200, body = view::ClientDetails), (status = 404, body = view::ErrorBody, description = "There is no such client"), Usual))]
pub(super) async fn show(
    State(operators): State<Operators>,
    Named(client): Named,
) -> Result<Json<view::ClientDetails>, ApiError> {
    let operations = &operators.0.operations;
    let store = operations.store();
    let keys = operations.accounts_of(&client).await?;
    let first = keys.first().ok_or_else(|| ApiError::unavailable("the client has just gone"))?;
    let customer = store.customer(first.client).await.map_err(OperatorError::from)?;
    let subject = first.client.subject();
    let mut accounts = Vec::new();
    for key in &keys {
        accounts.push(details(operations, key).await?);
    }
    Ok(Json(view::ClientDetails { subject, customer, accounts }))
}

async fn details(
    operations: &Operations,
    key: &AccountKey,
) -> Result<view::AccountDetails, OperatorError> {
    let store = operations.store();
    let account = view::Account::of(key, &store.account(*key).await?);
    let tallies = store.tallies(*key).await?;
    let recent = store.deductions(*key, RECENT).await?.into_iter().map(Into::into).collect();
    let (requests, spent) = tallies.iter().fold((0_i64, 0_i64), |(count, spent), tally| {
        (count.saturating_add(tally.count), spent.saturating_add(tally.amount))
    });
    Ok(view::AccountDetails { account, requests, spent, recent })
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
    responses((status = 200, body = view::Movements), (status = 404, body = view::ErrorBody, description = "There is no such account"), Usual))]
pub(super) async fn movements(
    State(operators): State<Operators>,
    Named(client): Named,
    Asked(which): Asked<WhichMovements>,
) -> Result<Json<view::Movements>, ApiError> {
    let limit = limit(which.limit)?.min(MOST);
    let operations = &operators.0.operations;
    let keys = operations.accounts_of(&client).await?;
    let currency = which.currency.as_deref().map(currency_named).transpose()?;
    let wanted = |key: &&AccountKey| currency.is_none_or(|wanted| key.currency == wanted);
    let key = *keys
        .iter()
        .find(wanted)
        .ok_or(OperatorError::NotFound("the client has no account in this currency"))?;
    let mut movements = operations.store().movements(key).await.map_err(OperatorError::from)?;
    if which.cursor.is_some_and(|cursor| cursor > LAST_CURSOR) {
        return Err(ApiError::bad_request("cursor: must be `next` of an answer"));
    }
    // Movements are only ever appended: how many are older is a place that stays.
    movements.truncate(which.cursor.unwrap_or(usize::MAX));
    let older = movements.len().saturating_sub(limit);
    let shown = movements.split_off(older);
    let shown = shown.into_iter().rev().map(|movement| view::Movement::of(&key, movement));
    let next = (older > 0).then(|| older.to_string());
    Ok(Json(view::Movements { movements: shown.collect(), next }))
}
