//! Keeping the books in step with Stripe: events, disputes, reconciling.

mod changed;
mod compare;
mod disputes;
mod events;
mod reconcile;

use std::sync::Arc;

use secrecy::SecretString;

pub use self::compare::{Difference, DifferenceKind};
use crate::{
    options::PaymentOptions, postings::Postings, refunds::Refunds, store::Store, stripe::Provider,
    topups::TopUps,
};

/// Posts what Stripe says.
pub struct StripeSync {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) options: Arc<PaymentOptions>,
    pub(crate) secrets: Arc<[SecretString]>,
    pub(crate) postings: Arc<Postings>,
    pub(crate) refunds: Arc<Refunds>,
    pub(crate) topups: Arc<TopUps>,
}

impl std::fmt::Debug for StripeSync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StripeSync")
    }
}
