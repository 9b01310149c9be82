//! One attempt to pay a PaymentIntent: what the issuer's answer does to it.
//!
//! Source: docs.stripe.com/payments/paymentintents/lifecycle, docs.stripe.com/declines.

use serde_json::Value;

use crate::api::confirm::Manner;
use crate::api::{disputes, payment_methods};
use crate::cards::Outcome;
use crate::context::Context;
use crate::declines::{self, Decline};
use crate::error::{ApiError, ErrorBody};
use crate::ids;
use crate::issuer::{self, Purpose, Question, Verdict};
use crate::objects::charge::{Charge, Failure};
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method::{CvcCheck, PaymentMethod, Use};

/// Charges the intent's PaymentMethod, and stores the outcome whatever it is.
pub(crate) fn attempt(
    cx: &mut Context<'_>,
    intent: PaymentIntent,
    method: PaymentMethod,
    manner: &Manner,
) -> Result<PaymentIntent, ApiError> {
    let question = Question {
        purpose: Purpose::Charge { off_session: manner.off_session },
        authenticated: intent.authenticated,
        three_d_secure_requested: intent.request_three_d_secure != "automatic",
    };
    match issuer::ask(cx, &method, question) {
        Verdict::Approved => Ok(approve(cx, intent, method)),
        Verdict::Declined(decline) => Err(decline_with(cx, intent, method, decline, false)),
        Verdict::Blocked => Err(decline_with(cx, intent, method, &declines::FRAUDULENT, true)),
        Verdict::NeedsHolder if manner.error_on_requires_action => {
            Err(decline_with(cx, intent, method, &declines::AUTHENTICATION_NOT_HANDLED, false))
        }
        Verdict::NeedsHolder => Ok(wait_for_holder(cx, intent, &method, manner)),
    }
}

fn approve(
    cx: &mut Context<'_>,
    mut intent: PaymentIntent,
    method: PaymentMethod,
) -> PaymentIntent {
    let captured = intent.capture_method != "manual";
    let method = keep_or_consume(cx, &intent, method);
    let mut charge = charge(cx, &intent, &method, None);
    intent.latest_charge = Some(charge.id.clone());
    intent.last_payment_error = None;
    intent.next_action = None;
    intent.authenticated = false;
    if captured {
        charge.captured = true;
        charge.amount_captured = charge.amount;
        charge.balance_transaction = Some(ids::new("txn"));
        intent.status = Status::Succeeded;
        intent.amount_received = intent.amount;
    } else {
        intent.status = Status::RequiresCapture;
        intent.amount_capturable = intent.amount;
    }
    cx.world.charges.put(charge.clone());
    cx.world.payment_intents.put(intent.clone());
    cx.emit("charge.succeeded", charge.view());
    let kind = if captured {
        "payment_intent.succeeded"
    } else {
        "payment_intent.amount_capturable_updated"
    };
    cx.emit(kind, intent.view());
    match method.card().map(|card| card.outcome) {
        Some(Outcome::Disputed(reason)) if captured => {
            disputes::open(cx, charge, reason, None, false)
        }
        Some(Outcome::Inquired) if captured => disputes::open(cx, charge, "general", None, true),
        _ => {}
    }
    intent
}

/// Attaches a PaymentMethod that is to be used again; one that is not can never be.
fn keep_or_consume(
    cx: &mut Context<'_>,
    intent: &PaymentIntent,
    mut method: PaymentMethod,
) -> PaymentMethod {
    method.cvc_check = CvcCheck::Pass;
    if intent.setup_future_usage.as_deref() == Some("off_session") && intent.authenticated {
        method.set_up = true;
    }
    let attaches = match (&intent.customer, &intent.setup_future_usage, method.usage) {
        (Some(customer), Some(_), Use::Fresh) => Some(customer.clone()),
        _ => None,
    };
    if let Some(customer) = attaches {
        method.customer = Some(customer);
        method.usage = Use::Attached;
        cx.emit("payment_method.attached", method.view());
    } else if method.usage == Use::Fresh {
        method.usage = Use::Consumed;
    }
    cx.world.payment_methods.put(method.clone());
    method
}

fn charge(
    cx: &Context<'_>,
    intent: &PaymentIntent,
    method: &PaymentMethod,
    failure: Option<Failure>,
) -> Charge {
    Charge {
        id: ids::new("ch"),
        amount: intent.amount,
        amount_captured: 0,
        amount_refunded: 0,
        balance_transaction: None,
        captured: false,
        created: cx.now(),
        currency: intent.currency.clone(),
        customer: intent.customer.clone(),
        description: intent.description.clone(),
        disputed: false,
        failure,
        metadata: intent.metadata.clone(),
        payment_intent: intent.id.clone(),
        payment_method: method.clone(),
        receipt_email: intent.receipt_email.clone(),
        released: false,
        statement_descriptor: intent.statement_descriptor.clone(),
        statement_descriptor_suffix: intent.statement_descriptor_suffix.clone(),
        authenticated: intent.authenticated,
    }
}

fn decline_with(
    cx: &mut Context<'_>,
    mut intent: PaymentIntent,
    mut method: PaymentMethod,
    decline: &Decline,
    blocked: bool,
) -> ApiError {
    if *decline == declines::INCORRECT_CVC {
        method.cvc_check = CvcCheck::Fail;
        cx.world.payment_methods.put(method.clone());
    }
    let charge = charge(cx, &intent, &method, Some(Failure::new(decline, blocked)));
    let mut error =
        ApiError::card(decline.code, Some(decline.decline_code), decline.message, decline.param);
    error.body.charge = Some(charge.id.clone());
    error.body.payment_method = Some(visible(cx, &method));
    intent.latest_charge = Some(charge.id.clone());
    cx.world.charges.put(charge.clone());
    cx.emit("charge.failed", charge.view());
    let intent = fail(cx, intent, (*error.body).clone());
    let view = if cx.is_public() { intent.public_view() } else { intent.view() };
    error.with_payment_intent(view)
}

fn visible(cx: &Context<'_>, method: &PaymentMethod) -> Value {
    if cx.is_public() { method.public_view() } else { method.view() }
}

/// Sends the intent back for another PaymentMethod.
fn fail(cx: &mut Context<'_>, mut intent: PaymentIntent, error: ErrorBody) -> PaymentIntent {
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.next_action = None;
    intent.authenticated = false;
    intent.last_payment_error = Some(error);
    cx.world.payment_intents.put(intent.clone());
    cx.emit("payment_intent.payment_failed", intent.view());
    intent
}

fn wait_for_holder(
    cx: &mut Context<'_>,
    mut intent: PaymentIntent,
    method: &PaymentMethod,
    manner: &Manner,
) -> PaymentIntent {
    intent.status = Status::RequiresAction;
    intent.payment_method = Some(method.id.clone());
    intent.next_action = Some(manner.next_action(&intent.id));
    cx.world.payment_intents.put(intent.clone());
    cx.emit("payment_intent.requires_action", intent.view());
    intent
}

/// Plays the holder, who completes or fails 3D Secure. A charge that is then refused shows in
/// the intent, as Stripe.js finds it.
pub(crate) fn authenticate(
    cx: &mut Context<'_>,
    id: &str,
    succeeds: bool,
) -> Result<PaymentIntent, ApiError> {
    let found = cx.world.payment_intents.get(id).cloned();
    let mut intent =
        found.ok_or_else(|| ApiError::no_such("payment_intent", id, "payment_intent"))?;
    let method = match &intent.payment_method {
        Some(method) if intent.status == Status::RequiresAction => {
            payment_methods::named(cx, &method.clone())?
        }
        _ => {
            let message = format!(
                "Nobody can authenticate a PaymentIntent that is {}.",
                intent.status.as_str()
            );
            return Err(ApiError::refused(Some("payment_intent_unexpected_state"), message));
        }
    };
    if !succeeds {
        let mut error = ApiError::refused(
            Some("payment_intent_authentication_failure"),
            "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        );
        error.body.payment_method = Some(method.view());
        return Ok(fail(cx, intent, *error.body));
    }
    intent.authenticated = true;
    if intent.confirmation_method == "manual" {
        intent.status = Status::RequiresConfirmation;
        intent.next_action = None;
        cx.world.payment_intents.put(intent.clone());
        return Ok(intent);
    }
    match attempt(cx, intent, method, &Manner::default()) {
        Ok(intent) => Ok(intent),
        Err(error) => cx.world.payment_intents.get(id).cloned().ok_or(error),
    }
}
