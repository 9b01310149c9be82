//! `POST /v1/balance`: what a client has left.

use axum::{Json, body::Bytes, extract::State};
use stripe402_protocol::message::{Balance, BalanceAnswer};

use crate::{
    accounting::AccountKey,
    app::App,
    net::error::{ApiError, read},
    store::StoreError,
};

pub(super) async fn post(
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<BalanceAnswer>, ApiError> {
    let question = read(&body, |question: &Balance| question.version)?;
    let unavailable = |error: StoreError| ApiError::unavailable(error.to_string());
    let (client_id, currency) = (question.client_id, question.currency);
    if let Some(credits_remaining) =
        app.parts.keys.left(&client_id, currency).await.map_err(unavailable)?
    {
        return Ok(Json(BalanceAnswer { credits_remaining, amount_owed: None }));
    }
    let key = AccountKey { client: client_id, currency };
    let account = app.store.account(key).await.map_err(unavailable)?;
    let amount_owed = Some(account.debt).filter(|owed| !owed.is_zero());
    Ok(Json(BalanceAnswer { credits_remaining: account.with_leases(), amount_owed }))
}
