//! Money that goes back to cards: held, ordered, and posted as Stripe tells of it.

pub(crate) mod hold_name;
pub(crate) mod holds;
mod ordered;
mod plan;
mod told;

use std::sync::Arc;

use stripe402_protocol::Units;

use crate::{
    clock::Ids,
    options::PaymentOptions,
    postings::{Postings, Unavailable},
    store::{Store, StoreError},
    stripe::Provider,
};

/// Gives money back.
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

/// One part of a refund: what went back to one card charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// The PaymentIntent.
    pub payment_intent: String,
    /// How much, in units.
    pub amount: Units,
}

/// Why nothing, or not everything, was refunded.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefundError {
    /// A dispute is open, or an operator has frozen the account. Retry when that has ended.
    #[error("the account is frozen: while a dispute is open a refund would be paid twice")]
    Frozen,
    /// More than is available. Do not retry: ask for less.
    #[error("only {0} units are available")]
    Insufficient(Units),
    /// The name was used for a refund of another amount. Do not retry: choose another name.
    #[error("this reference was used for a refund of another amount: choose another reference")]
    Conflict,
    /// Stripe's answer is not known yet; the amount stays held. Retry under the same name.
    #[error("{0}; what is held stays held: run this again, with the same --reference")]
    Unknown(#[from] Unavailable),
}

impl From<StoreError> for RefundError {
    fn from(error: StoreError) -> Self {
        Unavailable::from(error).into()
    }
}
