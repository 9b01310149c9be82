//! `POST /v1/settlement`: what became of a request that was paid for.

use axum::{Json, body::Bytes, extract::State, http::StatusCode};
use stripe402_protocol::{
    Currency, Units,
    message::{Settlement, SettlementQuery, SettlementState},
};

use crate::{
    accounting::DeductionRecord,
    app::App,
    keys::Shown,
    net::error::{ApiError, read},
};

/// Unknown ids, forgotten ones, marks and other clients' have one answer: nobody learns which ids there
/// are, or whose.
pub(super) async fn post(
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<Settlement>, ApiError> {
    let question = read(&body, |question: &SettlementQuery| question.version)?;
    let unavailable = |error: crate::store::StoreError| ApiError::unavailable(error.to_string());
    let key = app.parts.keys.of(&question.client_id).await.map_err(unavailable)?;
    let client = key.as_ref().map_or(question.client_id, |(_, key)| key.owner);
    let known = app.store.deduction(client, question.id).await.map_err(unavailable)?;
    let known = known.as_ref();
    let Some((account, became)) = known.and_then(|of| Some((of.payer()?, Became::of(of)?))) else {
        return Err(unknown());
    };
    let shown = app.parts.keys.shown_to(&question.client_id, account.currency).await;
    let credits_remaining = match shown.map_err(unavailable)? {
        Shown::Left(left) => left,
        Shown::All(account) => account.available,
    };
    let Became { state, held, captured } = became;
    let (id, currency): (_, Currency) = (question.id, account.currency);
    Ok(Json(Settlement { id, state, held, captured, currency, credits_remaining }))
}

fn unknown() -> ApiError {
    let message = "this client has no such deduction, or not any more: ids are remembered for LEDGER_CHARGE_MEMORY";
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message.to_owned())
}

/// How far a record says that its request's payment is.
struct Became {
    state: SettlementState,
    held: Option<Units>,
    captured: Option<Units>,
}

impl Became {
    /// `None` for a mark.
    const fn of(record: &DeductionRecord) -> Option<Self> {
        let (state, held, captured) = match record {
            DeductionRecord::Held { amount, .. } => (SettlementState::Held, Some(*amount), None),
            DeductionRecord::Captured { held, captured, .. } => {
                (SettlementState::Captured, Some(*held), Some(*captured))
            }
            DeductionRecord::Deducted { amount, .. } => {
                (SettlementState::Captured, None, Some(*amount))
            }
            DeductionRecord::Voided { .. } => (SettlementState::Released, None, Some(Units::ZERO)),
            DeductionRecord::RefusedInAdvance | DeductionRecord::CapturedInAdvance { .. } => {
                return None;
            }
        };
        Some(Self { state, held, captured })
    }
}
