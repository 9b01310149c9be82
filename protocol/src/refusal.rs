//! Why a payment was refused: a closed set of codes for machines, a text for people.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::Units;

/// Declares a closed set of words: an enum, its spelling on the wire, and all of it.
macro_rules! words {
    ($(#[doc = $docs:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+
    }) => {
        $(#[doc = $docs])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The spelling on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// The six codes of version 1. Finer causes are a [`Reason`].
    Code {
        /// Reserved for the first challenge, where version 1 leaves it out.
        PaymentRequired = "payment_required",
        /// A client id whose balance is below the price, and no card in the payload.
        InsufficientCredits = "insufficient_credits",
        /// Stripe refused the card.
        CardDeclined = "card_declined",
        /// Anything else went wrong at Stripe, or the PaymentIntent did not end `succeeded`.
        PaymentFailed = "payment_failed",
        /// The `payment` header cannot be decoded, or contradicts itself or an earlier one.
        InvalidPayment = "invalid_payment",
        /// The top-up is below the route's least, or balance and top-up together are below the price.
        TopUpBelowMinimum = "top_up_below_minimum",
    }
}

words! {
    /// The finer cause of a refusal (extension). Its [`Code`] is `invalid_payment` where the payload is at
    /// fault (`top_up_above_maximum`, `idempotency_mismatch`), else mostly `payment_failed`.
    Reason {
        /// The cardholder must confirm (3D Secure): confirm with `clientSecret`, then retry.
        AuthenticationRequired = "authentication_required",
        /// Too many attempts; retry later.
        RateLimited = "rate_limited",
        /// `topUpAmount` is above the route's most.
        TopUpAboveMaximum = "top_up_above_maximum",
        /// The account is frozen: it is neither deducted from nor charged.
        Frozen = "frozen",
        /// The PaymentMethod belongs to another customer.
        PaymentMethodNotYours = "payment_method_not_yours",
        /// The idempotency key was used with another card or amount.
        IdempotencyMismatch = "idempotency_mismatch",
        /// The account owes more than the top-up would leave for the price: `amountOwed`.
        Debt = "debt",
        /// The key's budget, in all or of the day or month, is below the price, or is in another currency.
        KeyBudget = "key_budget",
        /// The key has expired.
        KeyExpired = "key_expired",
        /// The key was revoked.
        KeyRevoked = "key_revoked",
        /// The key is not for this route.
        KeyRoute = "key_route",
        /// The card has another client id now: pay with the card to learn it.
        IdRotated = "id_rotated",
    }
}

impl Reason {
    /// Reads a word that is no reason of this version as none: the code beside it says enough to act on.
    /// For fields with `serde(default, deserialize_with)`.
    ///
    /// # Errors
    /// The format's, also if the field is neither text nor null.
    pub(crate) fn deserialize_known<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let word = Option::<String>::deserialize(deserializer)?;
        let is_it = |reason: &&Self| word.as_deref() == Some(reason.as_str());
        Ok(Self::ALL.iter().find(is_it).copied())
    }
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
    /// Finer than the code (extension). One that this version does not know reads as none.
    #[serde(
        default,
        deserialize_with = "Reason::deserialize_known",
        skip_serializing_if = "Option::is_none"
    )]
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

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use serde_json::{Value, json};

    use super::*;

    fn with_reason(reason: &Value) -> serde_json::Result<Refusal> {
        let mut body = serde_json::to_value(Refusal::new(Code::PaymentFailed, "no")).unwrap();
        body["reason"] = reason.clone();
        serde_json::from_str(&body.to_string())
    }

    #[test]
    fn every_reason_and_code_is_read_as_it_is_written() {
        for reason in Reason::ALL {
            let written = serde_json::to_value(reason).unwrap();
            assert_eq!(written, reason.as_str());
            assert_eq!(with_reason(&written).unwrap().reason, Some(*reason));
        }
        for code in Code::ALL {
            let written = serde_json::to_value(code).unwrap();
            assert_eq!(written, code.as_str());
            assert_eq!(serde_json::from_value::<Code>(written).unwrap(), *code);
        }
        assert_eq!((Reason::ALL.len(), Code::ALL.len()), (12, 6));
    }

    #[test]
    fn a_reason_of_a_later_version_reads_as_none() {
        for reason in [json!("moon_phase"), json!(""), json!("Frozen"), Value::Null] {
            let refusal = with_reason(&reason).unwrap();
            assert_eq!(refusal, Refusal::new(Code::PaymentFailed, "no"), "{reason}");
        }
        assert!(with_reason(&json!(7)).is_err());
    }
}
