//! One attempt to pay a PaymentIntent: what the issuer's answer does to it.
//!
//! Source: docs.stripe.com/payments/paymentintents/lifecycle, docs.stripe.com/declines.

use serde_json::{Value, json};

use crate::api::payment_intents::WRONG_STATE;
use crate::api::{disputes, granted_tokens, payment_methods};
use crate::cards::{self, Outcome};
use crate::context::Context;
use crate::declines::{self, Decline};
use crate::error::{ApiError, ErrorBody};
use crate::ids;
use crate::issuer::{self, Purpose, Verdict};
use crate::objects::charge::{Charge, Failure};
use crate::objects::payment_intent::{PaymentIntent, Status};
use crate::objects::payment_method::{CvcCheck, PaymentMethod, Use};

/// Charges the PaymentMethod, and stores the outcome whatever it is. `authenticated`: the holder has just
/// gone through 3D Secure.
pub(crate) fn attempt(
    cx: &mut Context<'_>,
    mut intent: PaymentIntent,
    method: PaymentMethod,
    authenticated: bool,
) -> Result<PaymentIntent, ApiError> {
    match issuer::ask(cx, &method, Purpose::Charge, authenticated) {
        Verdict::Approved => Ok(approve(cx, intent, method, authenticated)),
        Verdict::Declined(decline) => {
            Err(decline_with(cx, intent, method, (decline, false), authenticated))
        }
        Verdict::Blocked => {
            Err(decline_with(cx, intent, method, (&declines::FRAUDULENT, true), authenticated))
        }
        Verdict::NeedsHolder => {
            intent.status = Status::RequiresAction;
            intent.next_action = Some(next_action(&intent.id));
            cx.world.payment_intents.put(intent.clone());
            cx.emit("payment_intent.requires_action", intent.view());
            Ok(intent)
        }
    }
}

/// The same while the holder is not there: a card that was set up for that is not asked about again, where its
/// bank allows it. Source: docs.stripe.com/testing#authentication-and-setup.
pub(crate) fn attempt_off_session(
    cx: &mut Context<'_>,
    intent: PaymentIntent,
    method: PaymentMethod,
) -> Result<PaymentIntent, ApiError> {
    let is_set_up = method.usage == Use::Attached
        && method.card().is_some_and(|card| cards::OFF_SESSION.contains(&card.number));
    if issuer::ask(cx, &method, Purpose::Charge, is_set_up) == Verdict::NeedsHolder {
        let decline = (&declines::AUTHENTICATION_REQUIRED, false);
        return Err(decline_with(cx, intent, method, decline, false));
    }
    attempt(cx, intent, method, is_set_up)
}

/// `next_action` of an intent whose holder has to authenticate (docs.stripe.com/payments/3d-secure).
pub(crate) fn next_action(intent: &str) -> Value {
    json!({
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {
            "type": "three_d_secure_redirect",
            "stripe_js": format!(
                "https://hooks.stripe.com/3d_secure_2/hosted?merchant=acct_stripesim0000000&intent={intent}"
            ),
            "source": ids::new("src"),
        },
    })
}

fn approve(
    cx: &mut Context<'_>,
    mut intent: PaymentIntent,
    method: PaymentMethod,
    authenticated: bool,
) -> PaymentIntent {
    let method = keep_or_consume(cx, &intent, method);
    if let Some(token) = &intent.granted_token {
        granted_tokens::consume(cx, token, intent.amount);
    }
    let charge = charge(cx, &intent, &method, None, authenticated);
    intent.latest_charge = Some(charge.id.clone());
    intent.last_payment_error = None;
    intent.next_action = None;
    intent.status = Status::Succeeded;
    cx.world.charges.put(charge.clone());
    cx.world.payment_intents.put(intent.clone());
    cx.emit("charge.succeeded", charge.view());
    cx.emit("payment_intent.succeeded", intent.view());
    match method.card().map(|card| card.outcome) {
        Some(Outcome::Disputed(reason)) => drop(disputes::open(cx, charge, reason, false)),
        Some(Outcome::Inquired) => drop(disputes::open(cx, charge, "general", true)),
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
    authenticated: bool,
) -> Charge {
    Charge {
        id: ids::new("ch"),
        amount: intent.amount,
        amount_refunded: 0,
        balance_transaction: failure.is_none().then(|| ids::new("txn")),
        created: cx.now(),
        currency: intent.currency.clone(),
        customer: intent.customer.clone(),
        description: intent.description.clone(),
        disputed: false,
        failure,
        metadata: intent.metadata.clone(),
        payment_intent: intent.id.clone(),
        payment_method: method.clone(),
        authenticated,
    }
}

fn decline_with(
    cx: &mut Context<'_>,
    mut intent: PaymentIntent,
    mut method: PaymentMethod,
    (decline, blocked): (&Decline, bool),
    authenticated: bool,
) -> ApiError {
    if *decline == declines::INCORRECT_CVC {
        method.cvc_check = CvcCheck::Fail;
        cx.world.payment_methods.put(method.clone());
    }
    let failure = Failure::new(decline, blocked);
    let charge = charge(cx, &intent, &method, Some(failure), authenticated);
    let mut error = ApiError::declined(decline);
    error.body.charge = Some(charge.id.clone());
    error.body.payment_method = Some(method.view());
    intent.latest_charge = Some(charge.id.clone());
    cx.emit("charge.failed", charge.view());
    cx.world.charges.put(charge);
    let intent = fail(cx, intent, (*error.body).clone());
    error.with_payment_intent(intent.view())
}

/// Sends the intent back for another PaymentMethod.
fn fail(cx: &mut Context<'_>, mut intent: PaymentIntent, error: ErrorBody) -> PaymentIntent {
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.next_action = None;
    intent.last_payment_error = Some(error);
    cx.world.payment_intents.put(intent.clone());
    cx.emit("payment_intent.payment_failed", intent.view());
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
    let intent = found.ok_or_else(|| ApiError::no_such("payment_intent", id, "payment_intent"))?;
    let method = match &intent.payment_method {
        Some(method) if intent.status == Status::RequiresAction => {
            payment_methods::named(cx, &method.clone())?
        }
        _ => {
            let message = format!(
                "Nobody can authenticate a PaymentIntent that is {}.",
                intent.status.as_str()
            );
            return Err(ApiError::refused(WRONG_STATE, message));
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
    match attempt(cx, intent, method, true) {
        Ok(intent) => Ok(intent),
        Err(error) => cx.world.payment_intents.get(id).cloned().ok_or(error),
    }
}
