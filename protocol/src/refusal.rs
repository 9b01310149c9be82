//! Why a payment was refused: a closed set of codes for machines, a text for people.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::Units;

/// The six codes of version 1. Finer causes are a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Reserved for the first challenge, where version 1 leaves it out.
    PaymentRequired,
    /// A client id whose balance is below the price, and no card in the payload.
    InsufficientCredits,
    /// Stripe refused the card.
    CardDeclined,
    /// Anything else went wrong at Stripe, or the PaymentIntent did not end `succeeded`.
    PaymentFailed,
    /// The `payment` header cannot be decoded, or contradicts itself or an earlier one.
    InvalidPayment,
    /// The top-up is below the route's least, or balance and top-up together are below the price.
    TopUpBelowMinimum,
}

impl Code {
    /// The spelling on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentRequired => "payment_required",
            Self::InsufficientCredits => "insufficient_credits",
            Self::CardDeclined => "card_declined",
            Self::PaymentFailed => "payment_failed",
            Self::InvalidPayment => "invalid_payment",
            Self::TopUpBelowMinimum => "top_up_below_minimum",
        }
    }
}

/// The finer cause of a refusal (extension). Its [`Code`] is `invalid_payment` where the payload is at
/// fault (`top_up_above_maximum`, `idempotency_mismatch`), else mostly `payment_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The cardholder must confirm (3D Secure): confirm with `clientSecret`, then retry.
    AuthenticationRequired,
    /// Too many attempts; retry later.
    RateLimited,
    /// `topUpAmount` is above the route's most.
    TopUpAboveMaximum,
    /// The account is frozen: it is neither deducted from nor charged.
    Frozen,
    /// The PaymentMethod belongs to another customer.
    PaymentMethodNotYours,
    /// The idempotency key was used with another card or amount.
    IdempotencyMismatch,
    /// The account owes more than the top-up would leave for the price: `amountOwed`.
    Debt,
}

/// The body of a refused payment (status 402).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Always false.
    pub success: bool,
    /// Always 0: a refusal tells nothing of a balance.
    pub credits_remaining: u8,
    /// Always empty: a refusal tells nobody's id.
    pub client_id: String,
    /// For people.
    pub error: String,
    /// For machines.
    pub error_code: Code,
    /// Finer than the code (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The PaymentIntent to confirm, with `authentication_required` (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<String>,
    /// What Stripe.js confirms it with (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// What the account owes, in units, with `debt` (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_owed: Option<Units>,
}

impl Refusal {
    /// A refusal with a code and a text.
    #[must_use]
    pub fn new(error_code: Code, error: impl Into<String>) -> Self {
        Self {
            success: false,
            credits_remaining: 0,
            client_id: String::new(),
            error: error.into(),
            error_code,
            reason: None,
            payment_intent_id: None,
            client_secret: None,
            amount_owed: None,
        }
    }

    /// The same with a finer cause.
    #[must_use]
    pub fn because(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }
}
