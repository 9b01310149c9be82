//! A request that offers a card.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::CardHold;
use crate::{ClientId, Currency, DeductionId, Instrument, PaymentIntentId, Reason, Refusal, Units};

/// `POST /v1/payments`: deduct the price from the balance of the card's client, topping it up
/// from the card if need be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CardPayment {
    /// [`super::VERSION`] of the sender.
    pub version: u16,
    /// Minted by the gateway: the deduction's id.
    #[serde(rename = "chargeId")]
    pub deduction_id: DeductionId,
    /// What is charged if the balance does not suffice. A Shared Payment Token since version 5.
    #[serde(rename = "paymentMethodId")]
    pub instrument: Instrument,
    /// What the request costs.
    pub price: Units,
    /// The currency of every amount here.
    pub currency: Currency,
    /// The route's least top-up.
    pub min_top_up: Units,
    /// The route's most.
    pub max_top_up: Units,
    /// The name of the priced route, for the books.
    pub route: String,
    /// What the client asked to be charged, unchecked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_up_amount: Option<i64>,
    /// The PaymentIntent that the cardholder has confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<PaymentIntentId>,
    /// Names one top-up of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Where the request came from, as the gateway sees it: an address, with or without a port.
    /// For limits on card attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether the publishable key in the gateway's challenges is one for real money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// Makes the deduction a hold. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<CardHold>,
    /// What the card gets without a charge if it never paid here. Sent only where the challenge says so: a ledger
    /// that does not know it answers 400, and charges nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<CardTrial>,
}

/// Trial credit, as a gateway offers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CardTrial {
    /// How much, in the payment's currency.
    pub units: Units,
    /// After how long what is left of it expires, in milliseconds; never without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_ms: Option<u64>,
}

/// The answer to a [`CardPayment`], with status 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum CardAnswer {
    /// The price is deducted: serve.
    Paid {
        /// Echoed.
        #[serde(rename = "chargeId")]
        deduction_id: DeductionId,
        /// The card's client.
        client_id: ClientId,
        /// What is left.
        credits_remaining: Units,
        /// Present if the card was charged for this request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment_intent_id: Option<String>,
    },
    /// Nothing deducted; a challenge is due. What the card was charged, if it was, stays credited.
    Insufficient {
        /// Echoed.
        #[serde(rename = "chargeId")]
        deduction_id: DeductionId,
    },
    /// Nothing deducted: a refused payment.
    Refused {
        /// Echoed.
        #[serde(rename = "chargeId")]
        deduction_id: DeductionId,
        /// The body for the client.
        refusal: Refusal,
        /// Seconds after which a retry makes sense, with [`Reason::RateLimited`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
}

impl CardAnswer {
    /// The deduction this answer is about.
    #[must_use]
    pub const fn deduction_id(&self) -> DeductionId {
        match self {
            Self::Paid { deduction_id, .. }
            | Self::Insufficient { deduction_id }
            | Self::Refused { deduction_id, .. } => *deduction_id,
        }
    }

    /// The finer cause of a refusal.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused { refusal, .. } => refusal.reason,
            Self::Paid { .. } | Self::Insufficient { .. } => None,
        }
    }
}
