//! Refunds to cards: held, ordered, and posted as Stripe tells of them.

pub(crate) mod hold_name;
pub(crate) mod holds;
mod ordered;
mod plan;
mod told;

use std::sync::Arc;

use stripe402_protocol::{Currency, PaymentIntentId, Units};

use crate::{
    clock::Ids,
    options::PaymentOptions,
    postings::{Postings, Unavailable},
    store::{Store, StoreError},
    stripe::Provider,
};

/// Refunds cards.
pub struct Refunds {
    pub(crate) postings: Arc<Postings>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) options: Arc<PaymentOptions>,
}

impl std::fmt::Debug for Refunds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refunds")
    }
}

/// One part of a refund: what was refunded to one card charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// The PaymentIntent.
    pub payment_intent: String,
    /// How much, in units.
    pub amount: Units,
}

impl Refunded {
    fn to(intent: &PaymentIntentId, amount: Units) -> Self {
        Self { payment_intent: intent.as_str().to_owned(), amount }
    }
}

/// Why nothing, or not everything, was refunded.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefundError {
    /// An operator has frozen the account. Retry when it is unfrozen.
    #[error("an operator has frozen the account; nothing was refunded: unfreeze it first")]
    Frozen,
    /// A dispute of the client's is open. Retry when it has ended.
    #[error(
        "a dispute is open, and a refund could pay the cardholder twice; nothing was refunded: wait \
         until the dispute ends"
    )]
    Disputed,
    /// More than was paid for and is not spent. Do not retry: ask for less.
    #[error(
        "only {0} units are available that were paid for; nothing was refunded: ask for at most that"
    )]
    Insufficient(Units),
    /// Nothing that was paid for is left, or no card charge can take any of it. Do not retry.
    #[error(
        "nothing can be refunded: nothing is left that was paid for, or no card charge can take it; what \
         was granted is never refunded"
    )]
    Nothing,
    /// The books, or what Stripe can refund, changed since these parts were agreed to. Do not retry: look at
    /// the new ones.
    #[error(
        "what would be refunded has changed since it was shown; nothing was refunded: look at it again"
    )]
    Changed,
    /// The name was used for a refund of another amount. Do not retry: choose another name.
    #[error(
        "reference {name:?} was already used for a refund of another amount; choose another reference"
    )]
    Conflict {
        /// The name.
        name: String,
        /// What it was used for, in units: all that was paid for if there is no number.
        asked: Option<Units>,
        /// Of the account.
        currency: Currency,
    },
    /// What Stripe says of the client's card charges cannot be added up. Do not retry: look at Stripe.
    #[error(
        "the amounts of the client's refunds at Stripe are too large to be added up; nothing was \
         refunded: check its PaymentIntents in Stripe's dashboard"
    )]
    TooLarge,
    /// Stripe's answer is not known yet; the amount stays held. Retry under the same name.
    #[error(
        "{0}; the outcome is unknown and the amount stays held: run this again with the same --reference"
    )]
    Unknown(#[from] Unavailable),
}

impl From<StoreError> for RefundError {
    fn from(error: StoreError) -> Self {
        Unavailable::from(error).into()
    }
}
