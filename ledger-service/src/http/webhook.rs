//! `POST /webhooks/stripe`: events, signed by Stripe.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use secrecy::{ExposeSecret, SecretString};
use stripe_webhook::{Event, EventObject, Webhook, WebhookError};
use stripe402_protocol::PaymentIntentId;

use super::{App, error::ApiError};

/// What the handler needs.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) app: App,
    pub(super) secret: Arc<SecretString>,
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

/// Checks the signature and its age (docs.stripe.com/webhooks#verify-official-libraries), looks
/// where the event says, and answers 200 when what was found is in the books.
pub(super) async fn post(
    State(listener): State<Listener>,
    headers: HeaderMap,
    body: String,
) -> Result<StatusCode, ApiError> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let signature = signature.unwrap_or_default();
    let secret = listener.secret.expose_secret();
    let event = Webhook::construct_event(&body, signature, secret).map_err(refused)?;
    let id = event.id.to_string();
    let payments = &listener.app.payments;
    let prompt = prompt(event);
    let about = prompt.about();
    let looked = match prompt {
        Prompt::Intent(intent) => payments.look_at_intent(&parsed(&intent)?).await,
        Prompt::Refunds(intent) => payments.look_at_refunds(&parsed(&intent)?).await,
        Prompt::Dispute(dispute) => payments.look_at_dispute(&dispute).await,
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

fn prompt(event: Event) -> Prompt {
    use EventObject as Object;
    let of = |intent: Option<String>| intent.map_or(Prompt::Nothing, Prompt::Refunds);
    match event.data.object {
        Object::PaymentIntentSucceeded(intent)
        | Object::PaymentIntentPaymentFailed(intent)
        | Object::PaymentIntentCanceled(intent) => Prompt::Intent(intent.id.to_string()),
        Object::ChargeRefunded(charge) => {
            of(charge.payment_intent.map(|intent| intent.into_id().to_string()))
        }
        Object::RefundCreated(refund)
        | Object::RefundUpdated(refund)
        | Object::RefundFailed(refund)
        | Object::ChargeRefundUpdated(refund) => {
            of(refund.payment_intent.map(|intent| intent.into_id().to_string()))
        }
        Object::ChargeDisputeCreated(dispute)
        | Object::ChargeDisputeUpdated(dispute)
        | Object::ChargeDisputeFundsWithdrawn(dispute)
        | Object::ChargeDisputeFundsReinstated(dispute)
        | Object::ChargeDisputeClosed(dispute) => Prompt::Dispute(dispute.id.to_string()),
        _ => Prompt::Nothing,
    }
}

fn parsed(intent: &str) -> Result<PaymentIntentId, ApiError> {
    intent.parse().map_err(|_| ApiError::bad_request("the event names no PaymentIntent"))
}

fn refused(error: WebhookError) -> ApiError {
    tracing::warn!(%error, "an event was refused");
    metrics::counter!("stripe402_webhooks_total", "about" => "unknown", "result" => "refused")
        .increment(1);
    match error {
        WebhookError::BadParse(_) => {
            ApiError::bad_request("the event is not of the API version that the ledger speaks")
        }
        _ => ApiError::bad_request("the event's signature is missing, wrong or too old"),
    }
}
