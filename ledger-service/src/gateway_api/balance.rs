//! `POST /v1/balance`: what a client has left.

use axum::{Json, body::Bytes, extract::State};
use stripe402_protocol::message::{Balance, BalanceAnswer};

use crate::{
    app::App,
    keys::Shown,
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
    let shown = app.parts.keys.shown_to(&client_id, currency).await.map_err(unavailable)?;
    Ok(Json(match shown {
        Shown::Left(credits_remaining) => BalanceAnswer { credits_remaining, amount_owed: None },
        Shown::All(account) => {
            let amount_owed = Some(account.debt).filter(|owed| !owed.is_zero());
            BalanceAnswer { credits_remaining: account.with_leases(), amount_owed }
        }
    }))
}
