//! How a negotiation ends early.

use stripe402_protocol::{Code, Reason, Refusal, Units};

use crate::{
    postings::Unavailable,
    store::StoreError,
    stripe::{Decline, Failure},
};

/// Why a negotiation ends without a deduction.
#[derive(Debug)]
pub(crate) enum PaymentAbort {
    /// A definite answer for the client.
    Refuse { refusal: Box<Refusal>, retry_after: Option<u32> },
    /// No definite answer.
    Unavailable(Unavailable),
}

impl PaymentAbort {
    pub(crate) fn unavailable(cause: impl Into<String>) -> Self {
        Self::Unavailable(Unavailable::Other(cause.into()))
    }
}

impl From<StoreError> for PaymentAbort {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<Unavailable> for PaymentAbort {
    fn from(cause: Unavailable) -> Self {
        Self::Unavailable(cause)
    }
}

/// Where the store gives no word in the middle of asking Stripe, what came of it is not known.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// For what nobody waits for who could be refused: a definite refusal will not get better.
impl From<PaymentAbort> for Unavailable {
    fn from(abort: PaymentAbort) -> Self {
        match abort {
            PaymentAbort::Unavailable(cause) => cause,
            PaymentAbort::Refuse { refusal, .. } => Self::Other(refusal.error),
        }
    }
}

pub(crate) fn refuse(refusal: Refusal) -> PaymentAbort {
    PaymentAbort::Refuse { refusal: Box::new(refusal), retry_after: None }
}

/// One text for every decline, unless the operator wants the bank's word passed on: it would help a
/// thief to sort stolen cards.
pub(crate) fn declined(told: Option<&Decline>) -> Refusal {
    let text = match told {
        Some(decline) => format!("the card was declined ({decline})"),
        None => "the card was declined".to_owned(),
    };
    Refusal::new(Code::CardDeclined, text)
}

/// Cancelled before the cardholder confirmed it: too late, or another card came.
pub(crate) fn given_up() -> Refusal {
    let text = "the cardholder did not confirm this payment, and nothing was charged: \
                pay again with another idempotencyKey";
    Refusal::new(Code::PaymentFailed, text)
}

/// Neither deducted from nor charged.
pub(crate) fn frozen() -> Refusal {
    let text = "this account is frozen, by a dispute or by the seller; nothing was deducted or charged: \
                ask the seller to unfreeze it";
    Refusal::new(Code::PaymentFailed, text).because(Reason::Frozen)
}

/// Stripe takes the PaymentMethod for nothing that can be charged.
pub(crate) fn unaccepted() -> Refusal {
    let text = "Stripe does not accept this PaymentMethod or token: it does not exist, is no card, or \
                cannot be used again; nothing was charged: send another one";
    Refusal::new(Code::PaymentFailed, text)
}

/// The account owes so much that a top-up of this amount would go into it: more has to be offered.
pub(crate) fn in_debt(owed: Units, price: Units) -> Refusal {
    let least = owed.checked_add(price).unwrap_or(Units::MAX);
    let text = format!(
        "this account owes {owed} units after a refund or dispute that was above its balance; nothing \
         was charged: send a topUpAmount of at least {least} units to settle that and pay"
    );
    let refusal = Refusal::new(Code::TopUpBelowMinimum, text).because(Reason::Debt);
    Refusal { amount_owed: Some(owed), ..refusal }
}

/// The cardholder must confirm; then the client retries.
pub(crate) fn unconfirmed(intent: Option<String>, client_secret: Option<String>) -> Refusal {
    let text = "the cardholder must confirm this payment (3D Secure): confirm it with \
                clientSecret in Stripe.js, then retry";
    let refusal = Refusal::new(Code::PaymentFailed, text).because(Reason::AuthenticationRequired);
    Refusal { payment_intent_id: intent, client_secret, ..refusal }
}

/// A definite failure as the client hears it; an indefinite one ends the negotiation.
pub(crate) fn unusable(failure: Failure) -> PaymentAbort {
    match failure {
        Failure::Card(decline) => {
            tracing::info!(%decline, "a card was declined");
            refuse(declined(None))
        }
        Failure::Invalid(code) => {
            tracing::info!(code, "Stripe does not take this PaymentMethod");
            refuse(unaccepted())
        }
        Failure::Account(cause) => {
            tracing::error!(
                cause,
                "Stripe refuses STRIPE_SECRET_KEY or its account: no card can be charged"
            );
            PaymentAbort::unavailable(cause)
        }
        Failure::Unknown(cause) | Failure::Broken { cause, .. } => PaymentAbort::unavailable(cause),
    }
}
