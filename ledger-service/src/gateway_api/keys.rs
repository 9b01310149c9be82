//! `POST /v1/keys`: a client manages its keys.

use std::time::Duration;

use axum::{Json, body::Bytes, extract::State};
use serde::Serialize;
use serde_json::json;
use stripe402_protocol::{
    ClientId, Currency, PaymentMethodId, is_idempotency_key,
    message::{
        KeyAction, KeyAnswer, KeyAutoTopUp, KeyBudget, KeyPayment, KeyRequest, KeyRight, KeyTerms,
        RotatedId, ShownAutoTopUp, ShownKey, ShownOff,
    },
};

use crate::{
    accounting::{Budget, Key, KeyHash, ShownCard},
    app::App,
    keys::{AutoTerms, Changes, KeyError, Terms},
    net::error::{ApiError, read},
    topups::PaymentAbort,
};

pub(super) async fn post(State(app): State<App>, body: Bytes) -> Result<Json<KeyAnswer>, ApiError> {
    let request = read(&body, |request: &KeyRequest| request.version)?;
    match answer(&app, &request).await {
        Ok(answer) => Ok(Json(answer)),
        Err(Refused::Told(answer)) => Ok(Json(answer)),
        Err(Refused::Unavailable(cause)) => {
            tracing::warn!(cause, "a request for keys has no outcome");
            Err(ApiError::unavailable("the outcome is not known; retry"))
        }
    }
}

/// Why nothing was done, or is not known to be.
enum Refused {
    /// What the client is told.
    Told(KeyAnswer),
    /// No answer.
    Unavailable(String),
}

async fn answer(app: &App, request: &KeyRequest) -> Result<KeyAnswer, Refused> {
    let payment = KeyPayment::decode(request.payment.as_bytes()).map_err(|_| {
        told(400, "invalid_payment", "the payment header must be base64 of a JSON object; `key` in it has label, currency, budget {total, perDay, perMonth}, expires, routes, rights and autoTopUp {below, amount, monthlyMost}")
    })?;
    if request.action == KeyAction::Rotate {
        return rotate(app, request, &payment).await;
    }
    let (owner, card) = owner(app, request, &payment).await?;
    let (keys, now_ms) = (&app.parts.keys, app.parts.postings.clock.now_ms());
    let id = request.key.as_deref().unwrap_or_default();
    let wanted = payment.key.clone().unwrap_or_default();
    if wanted.auto_top_up.is_some() && card.is_none() {
        return Err(KeyError::NeedsCard.into());
    }
    match request.action {
        KeyAction::List => {
            let listed = keys.list(owner).await.map_err(KeyError::from)?;
            let listed = listed.iter().filter(|(_, key)| key.generation.is_none());
            let all: Vec<_> = listed.map(|(hash, key)| shown(*hash, key, None, now_ms)).collect();
            Ok(told_body(200, &json!({"keys": all})))
        }
        KeyAction::Make => {
            let name = name(payment.idempotency_key.as_deref())?;
            let by_card = card.is_some();
            let made = keys.make(owner, terms(wanted, card)?, (name, by_card)).await?;
            let status = if made.repeated { 200 } else { 201 };
            Ok(told_body(status, &shown(made.hash, &made.key, Some(made.secret), now_ms)))
        }
        KeyAction::Change => {
            let (hash, key) = keys.change(owner, id, changes(wanted, card)?).await?;
            Ok(told_body(200, &shown(hash, &key, None, now_ms)))
        }
        KeyAction::Revoke | KeyAction::Rotate => {
            let (hash, key) = keys.revoke(owner, id).await?;
            Ok(told_body(200, &shown(hash, &key, None, now_ms)))
        }
    }
}

/// The name of what is asked for, if it has one.
fn name(given: Option<&str>) -> Result<Option<&str>, Refused> {
    let name = given.filter(|name| !name.is_empty());
    if !name.is_none_or(is_idempotency_key) {
        let text = "idempotencyKey must be 1 to 64 printable ASCII characters";
        return Err(told(400, "invalid_payment", text));
    }
    Ok(name)
}

/// Who asks: the owner of a card, or of a key that may manage keys. A client id of a card's spends; it does
/// not do this, so that whoever finds one cannot make themselves keys that outlive it. With the card, if it is one:
/// only that can agree to be charged.
async fn owner(
    app: &App,
    request: &KeyRequest,
    payment: &KeyPayment,
) -> Result<(ClientId, Option<AgreeingCard>), Refused> {
    if let Some(ByCard { owner, card, .. }) = by_card(app, request, payment).await? {
        return Ok((owner, Some(card)));
    }
    let named = payment.client_id.as_deref().and_then(|id| id.parse::<ClientId>().ok());
    let found = match &named {
        Some(client) => app.parts.keys.of(client).await.map_err(KeyError::from)?,
        None => None,
    };
    let now_ms = app.parts.postings.clock.now_ms();
    let may = |key: &Key| {
        key.manage
            && key.revoked_ms.is_none()
            && key.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms)
    };
    found.map(|(_, key)| key).filter(may).map(|key| (key.owner, None)).ok_or_else(|| {
        told(403, "not_allowed", "keys are managed with the paymentMethodId of a card, or with a key that has the right `manage` and is neither revoked nor expired")
    })
}

/// What a card shows.
struct ByCard {
    owner: ClientId,
    fingerprint: String,
    card: AgreeingCard,
}

/// A card that was proven, and can agree to be charged.
struct AgreeingCard {
    id: PaymentMethodId,
    shown: Option<ShownCard>,
}

/// Whose a card is, if one is offered.
async fn by_card(
    app: &App,
    request: &KeyRequest,
    payment: &KeyPayment,
) -> Result<Option<ByCard>, Refused> {
    let card = payment.payment_method_id.as_deref().filter(|card| !card.is_empty());
    let Some(card) = card else { return Ok(None) };
    let card: PaymentMethodId = card.parse().map_err(|_| {
        told(400, "invalid_payment", "paymentMethodId must be a Stripe PaymentMethod (pm_…)")
    })?;
    let (owner, found) = app.parts.payments.owner(request, card.clone()).await?;
    let card = AgreeingCard { id: card, shown: found.shown };
    Ok(Some(ByCard { owner, fingerprint: found.fingerprint, card }))
}

/// Another client id for a card: only a card can be told it, since it is derived from that.
async fn rotate(
    app: &App,
    request: &KeyRequest,
    payment: &KeyPayment,
) -> Result<KeyAnswer, Refused> {
    let name = name(payment.idempotency_key.as_deref())?;
    let Some(ByCard { owner, fingerprint, .. }) = by_card(app, request, payment).await? else {
        let text = "a client id is rotated with the paymentMethodId of its card";
        return Err(told(403, "not_allowed", text));
    };
    let keys = &app.parts.keys;
    let grace = Duration::from_secs(payment.grace_seconds.unwrap_or(0));
    let rotation = keys.rotate_on_record(owner, grace, name).await?.rotation;
    let id = keys.own_id(owner, &fingerprint, rotation).await.map_err(KeyError::from)?;
    let (generation, old_until) = (rotation.generation, rotation.until_ms);
    Ok(told_body(200, &RotatedId { client_id: id.to_hex(), generation, old_until }))
}

fn terms(wanted: KeyTerms, card: Option<AgreeingCard>) -> Result<Terms, Refused> {
    let currency = currency(wanted.currency.as_deref())?;
    Ok(Terms {
        label: wanted.label.unwrap_or_default(),
        currency: currency.unwrap_or(Currency::USD),
        budget: budget(wanted.budget.unwrap_or_default()),
        expires_ms: wanted.expires,
        routes: wanted.routes.unwrap_or_default(),
        manage: wanted.rights.contains(&KeyRight::Manage),
        auto_top_up: wanted.auto_top_up.zip(card).map(auto_terms),
    })
}

fn auto_terms((wanted, card): (KeyAutoTopUp, AgreeingCard)) -> AutoTerms {
    let KeyAutoTopUp { below, amount, monthly_most } = wanted;
    AutoTerms { below, amount, monthly_most, card: card.id, shown: card.shown }
}

fn changes(wanted: KeyTerms, card: Option<AgreeingCard>) -> Result<Changes, Refused> {
    if wanted.currency.is_some() || !wanted.rights.is_empty() {
        let text = "currency and rights of a key stay as they are: make another key";
        return Err(told(400, "invalid_key", text));
    }
    let by_card = card.is_some();
    let auto_top_up = wanted.auto_top_up.zip(card);
    Ok(Changes {
        label: wanted.label,
        budget: wanted.budget.map(budget),
        expires_ms: wanted.expires.map(|at_ms| Some(at_ms).filter(|at_ms| *at_ms != 0)),
        routes: wanted.routes,
        // As an end that is 0 is none.
        auto_top_up: auto_top_up.map(|of| (!of.0.below.is_zero()).then(|| auto_terms(of))),
        by_card,
    })
}

const fn budget(wanted: KeyBudget) -> Budget {
    let KeyBudget { total, per_day, per_month } = wanted;
    Budget { total, per_day, per_month }
}

fn currency(code: Option<&str>) -> Result<Option<Currency>, Refused> {
    let wrong = |_| {
        told(
            400,
            "invalid_key",
            "currency: must be a lowercase ISO 4217 code that Stripe charges in",
        )
    };
    code.map(|code| code.parse().map_err(wrong)).transpose()
}

fn shown(hash: KeyHash, key: &Key, secret: Option<ClientId>, now_ms: u64) -> ShownKey {
    let state = match (key.revoked_ms, key.expires_ms) {
        (Some(_), _) => "revoked",
        (None, Some(at_ms)) if at_ms <= now_ms => "expired",
        _ => "active",
    };
    let Budget { total, per_day, per_month } = key.budget;
    ShownKey {
        id: hash.id(),
        key: secret.map(|secret| secret.to_hex()),
        label: key.label.clone(),
        state: state.to_owned(),
        currency: key.currency.to_string(),
        budget: KeyBudget { total, per_day, per_month },
        spent: key.spent,
        left: key.left(now_ms),
        routes: key.routes.clone(),
        rights: key.manage.then_some(KeyRight::Manage).into_iter().collect(),
        created: key.created_ms,
        expires: key.expires_ms,
        revoked: key.revoked_ms,
        last_used: key.used_ms,
        auto_top_up: key.auto_top_up.as_ref().map(|auto| ShownAutoTopUp {
            terms: KeyAutoTopUp {
                below: auto.below,
                amount: auto.amount,
                monthly_most: auto.monthly_most,
            },
            this_month: auto.charged_in_month(now_ms),
            off: auto.off.map(|off| ShownOff { reason: off.reason, at: off.at_ms }),
        }),
    }
}

fn told_body(status: u16, body: &impl Serialize) -> KeyAnswer {
    let body = serde_json::to_string(body).unwrap_or_default();
    KeyAnswer { status, body, retry_after: None }
}

fn told(status: u16, code: &str, message: &str) -> Refused {
    Refused::Told(told_body(status, &json!({"error": {"code": code, "message": message}})))
}

impl From<KeyError> for Refused {
    fn from(error: KeyError) -> Self {
        let text = error.to_string();
        match error {
            KeyError::Invalid(_) | KeyError::Expired => told(400, "invalid_key", &text),
            KeyError::NeedsCard => told(403, "not_allowed", &text),
            KeyError::Unknown => told(404, "no_such_key", &text),
            KeyError::TooMany(_) => told(409, "too_many_keys", &text),
            KeyError::NoAccount => told(404, "no_account", &text),
            KeyError::Meanwhile => told(409, "rotated_meanwhile", &text),
            KeyError::Mismatch => told(409, "idempotency_mismatch", &text),
            KeyError::Store(_) => Self::Unavailable(text),
        }
    }
}

impl From<PaymentAbort> for Refused {
    fn from(abort: PaymentAbort) -> Self {
        match abort {
            PaymentAbort::Refuse { refusal, retry_after } => {
                let status = if retry_after.is_some() { 429 } else { 402 };
                Self::Told(KeyAnswer { retry_after, ..told_body(status, &refusal) })
            }
            PaymentAbort::Unavailable(cause) => Self::Unavailable(cause.to_string()),
        }
    }
}
