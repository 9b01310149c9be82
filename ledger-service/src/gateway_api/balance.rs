//! `POST /v1/balance`: what a client has left.

use axum::{Json, body::Bytes, extract::State};
use stripe402_protocol::message::{Balance, BalanceAnswer};

use crate::accounting::AccountKey;
use crate::{
    app::App,
    net::error::{ApiError, read},
};

pub(super) async fn post(
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<BalanceAnswer>, ApiError> {
    let question = read(&body, |question: &Balance| question.version)?;
    let key = AccountKey { client: question.client_id, currency: question.currency };
    let account = app.store.account(key).await;
    let account = account.map_err(|error| ApiError::unavailable(error.to_string()))?;
    let amount_owed = Some(account.debt).filter(|owed| !owed.is_zero());
    Ok(Json(BalanceAnswer { credits_remaining: account.with_leases(), amount_owed }))
}
