//! One attempt to set a PaymentMethod up: what the issuer's answer does to its SetupIntent.
//!
//! Source: docs.stripe.com/payments/setupintents/lifecycle.

use crate::api::payment_methods;
use crate::api::setup_intents::WRONG_STATE;
use crate::context::Context;
use crate::declines::{self, Decline};
use crate::error::{ApiError, ErrorBody};
use crate::ids;
use crate::issuer::{self, Purpose, Verdict};
use crate::objects::payment_method::{CvcCheck, PaymentMethod, Use};
use crate::objects::setup_intent::{SetupIntent, SetupStatus};
use crate::payment;

/// Sets the PaymentMethod up, and stores the outcome whatever it is.
pub(crate) fn attempt(
    cx: &mut Context<'_>,
    mut intent: SetupIntent,
    mut method: PaymentMethod,
    authenticated: bool,
) -> Result<SetupIntent, ApiError> {
    intent.payment_method = Some(method.id.clone());
    intent.latest_attempt = Some(ids::new("setatt"));
    match issuer::ask(cx, &method, Purpose::SetUp, authenticated) {
        Verdict::Approved => {}
        Verdict::NeedsHolder => {
            intent.status = SetupStatus::RequiresAction;
            intent.next_action = Some(payment::next_action(&intent.id));
            cx.world.setup_intents.put(intent.clone());
            cx.emit("setup_intent.requires_action", intent.view());
            return Ok(intent);
        }
        Verdict::Declined(decline) => return Err(decline_with(cx, intent, method, decline)),
        Verdict::Blocked => return Err(decline_with(cx, intent, method, &declines::FRAUDULENT)),
    }
    method.cvc_check = CvcCheck::Pass;
    if let (Some(customer), Use::Fresh) = (&intent.customer, method.usage) {
        method.customer = Some(customer.clone());
        method.usage = Use::Attached;
        cx.emit("payment_method.attached", method.view());
    }
    cx.world.payment_methods.put(method);
    intent.status = SetupStatus::Succeeded;
    intent.next_action = None;
    intent.last_setup_error = None;
    cx.world.setup_intents.put(intent.clone());
    cx.emit("setup_intent.succeeded", intent.view());
    Ok(intent)
}

fn decline_with(
    cx: &mut Context<'_>,
    intent: SetupIntent,
    mut method: PaymentMethod,
    decline: &Decline,
) -> ApiError {
    if *decline == declines::INCORRECT_CVC {
        method.cvc_check = CvcCheck::Fail;
        cx.world.payment_methods.put(method.clone());
    }
    let mut error = ApiError::declined(decline);
    error.body.payment_method = Some(method.view());
    let intent = fail(cx, intent, (*error.body).clone());
    error.body.setup_intent = Some(intent.view());
    error
}

/// Sends the intent back for another PaymentMethod.
fn fail(cx: &mut Context<'_>, mut intent: SetupIntent, error: ErrorBody) -> SetupIntent {
    intent.status = SetupStatus::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.next_action = None;
    intent.last_setup_error = Some(error);
    cx.world.setup_intents.put(intent.clone());
    cx.emit("setup_intent.setup_failed", intent.view());
    intent
}

/// Plays the holder, who completes or fails 3D Secure.
pub(crate) fn authenticate(
    cx: &mut Context<'_>,
    id: &str,
    succeeds: bool,
) -> Result<SetupIntent, ApiError> {
    let found = cx.world.setup_intents.get(id).cloned();
    let intent = found.ok_or_else(|| ApiError::no_such("setupintent", id, "setup_intent"))?;
    let method = match &intent.payment_method {
        Some(method) if intent.status == SetupStatus::RequiresAction => {
            payment_methods::named(cx, &method.clone())?
        }
        _ => {
            let message = format!(
                "Nobody can authenticate a SetupIntent that is {}.",
                intent.status.as_str()
            );
            return Err(ApiError::refused(WRONG_STATE, message));
        }
    };
    if !succeeds {
        let mut error = ApiError::refused(
            Some("setup_intent_authentication_failure"),
            "The latest attempt to set up the payment method has failed because authentication failed.",
        );
        error.body.payment_method = Some(method.view());
        return Ok(fail(cx, intent, *error.body));
    }
    match attempt(cx, intent, method, true) {
        Ok(intent) => Ok(intent),
        Err(error) => cx.world.setup_intents.get(id).cloned().ok_or(error),
    }
}
