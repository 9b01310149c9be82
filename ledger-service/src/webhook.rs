//! `POST /webhooks/stripe`: events, signed by Stripe.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    middleware, routing,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use stripe_webhook::{Webhook, WebhookError};
use stripe402_protocol::PaymentIntentId;

use crate::{
    app::App,
    net::{
        ListenerLimits,
        error::{self, ApiError},
        receive,
    },
    observe::measured,
};

/// The route for Stripe. It may be reached from outside: what is not signed is refused.
pub fn routes(app: App, secret: SecretString, limits: ListenerLimits) -> Router {
    let router = Router::new()
        .route("/webhooks/stripe", routing::post(post))
        .layer(middleware::from_fn_with_state(limits, receive::within))
        .fallback(error::not_found);
    measured(router, &["/webhooks/stripe"]).with_state(Listener { app, secret: Arc::new(secret) })
}

/// What the handler needs.
#[derive(Clone)]
struct Listener {
    app: App,
    secret: Arc<SecretString>,
}

/// Where an event says to look.
enum Prompt {
    Intent(String),
    Refunds(String),
    Dispute(String),
    Nothing,
}

impl Prompt {
    /// For a label.
    const fn about(&self) -> &'static str {
        match self {
            Self::Intent(_) => "payment_intent",
            Self::Refunds(_) => "refund",
            Self::Dispute(_) => "dispute",
            Self::Nothing => "other",
        }
    }
}

/// What the ledger reads of an event, of whatever API version: where to look. The rest it asks Stripe
/// for. A thin event has no data.
#[derive(Deserialize)]
struct Told {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    payment_intent: Option<Reference>,
}

/// An id, or the object, expanded.
#[derive(Deserialize)]
#[serde(untagged)]
enum Reference {
    Id(String),
    Expanded { id: String },
}

/// Checks the signature and its age (docs.stripe.com/webhooks#verify-official-libraries), looks
/// where the event says, and answers 200 when what was found is in the books.
async fn post(
    State(listener): State<Listener>,
    headers: HeaderMap,
    body: String,
) -> Result<StatusCode, ApiError> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let signature = signature.unwrap_or_default();
    let secret = listener.secret.expose_secret();
    match Webhook::construct_event(&body, signature, secret) {
        // The signature is checked first: what the library cannot read is signed all the same, and of
        // another API version than its own.
        Ok(_) | Err(WebhookError::BadParse(_)) => {}
        Err(error) => return Err(refused(&error)),
    }
    let told: Told = serde_json::from_str(&body)
        .map_err(|_| ApiError::bad_request("the body is not an event of Stripe"))?;
    let id = told.id.clone();
    let sync = &listener.app.parts.sync;
    let prompt = prompt(told);
    let about = prompt.about();
    let looked = match prompt {
        Prompt::Intent(intent) => sync.sync_intent(&parsed(&intent)?).await,
        Prompt::Refunds(intent) => sync.sync_refunds(&parsed(&intent)?).await,
        Prompt::Dispute(dispute) => sync.sync_dispute(&dispute).await,
        Prompt::Nothing => Ok(()),
    };
    let result = if looked.is_ok() { "done" } else { "again" };
    metrics::counter!("stripe402_webhooks_total", "about" => about, "result" => result)
        .increment(1);
    looked.map(|()| StatusCode::OK).map_err(|cause| {
        tracing::warn!(event = id, %cause, "an event is left for Stripe to deliver again");
        ApiError::unavailable("deliver again later")
    })
}

/// Where to look. Source: docs.stripe.com/api/events/types.
fn prompt(told: Told) -> Prompt {
    let Some(Data { object }) = told.data else { return Prompt::Nothing };
    let found = match told.kind.as_str() {
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.canceled" => object.id.map(Prompt::Intent),
        "charge.refunded"
        | "charge.refund.updated"
        | "refund.created"
        | "refund.updated"
        | "refund.failed" => object.payment_intent.map(|intent| {
            let (Reference::Id(id) | Reference::Expanded { id }) = intent;
            Prompt::Refunds(id)
        }),
        kind if kind.starts_with("charge.dispute.") => object.id.map(Prompt::Dispute),
        _ => None,
    };
    found.unwrap_or(Prompt::Nothing)
}

fn parsed(intent: &str) -> Result<PaymentIntentId, ApiError> {
    intent.parse().map_err(|_| ApiError::bad_request("the event has no PaymentIntent"))
}

fn refused(error: &WebhookError) -> ApiError {
    tracing::warn!(%error, "an event was refused: its signature is not of STRIPE_WEBHOOK_SECRET");
    metrics::counter!("stripe402_webhooks_total", "about" => "unknown", "result" => "refused")
        .increment(1);
    ApiError::bad_request(
        "the event's signature is missing, wrong or too old: check STRIPE_WEBHOOK_SECRET and the clock",
    )
}
