//! The parts that move money between cards and the books, put together.

use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use crate::{
    clock::{Clock, Ids},
    keys::{Keys, RunsLow},
    options::PaymentOptions,
    payments::CardPayments,
    postings::Postings,
    refunds::Refunds,
    store::Store,
    stripe::Provider,
    sync::StripeSync,
    topups::TopUps,
};

/// What card payments touch of the world outside.
#[derive(Clone)]
pub struct Edges {
    /// The books.
    pub store: Arc<dyn Store>,
    /// Stripe.
    pub provider: Arc<dyn Provider>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names of top-ups and of attempts.
    pub ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Edges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Edges")
    }
}

/// The parts of one ledger that move money. Each uses only those after it.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Requests that offer a card.
    pub payments: Arc<CardPayments>,
    /// Spending by key.
    pub keys: Arc<Keys>,
    /// What Stripe tells of, and reconciling.
    pub sync: Arc<StripeSync>,
    /// The saga of a card's charge.
    pub topups: Arc<TopUps>,
    /// Money back.
    pub refunds: Arc<Refunds>,
    /// What is posted to the books.
    pub postings: Arc<Postings>,
}

impl Parts {
    /// Puts them together. The first of `secrets` derives new ids; cards are known by any.
    #[must_use]
    pub fn new(edges: Edges, secrets: Vec<SecretString>, options: PaymentOptions) -> Self {
        let Edges { store, provider, clock, ids } = edges;
        let (secrets, options) = (Arc::<[_]>::from(secrets), Arc::new(options));
        let postings = Arc::new(Postings {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
        });
        let refunds = Arc::new(Refunds {
            postings: Arc::clone(&postings),
            provider: Arc::clone(&provider),
            store: Arc::clone(&store),
            ids: Arc::clone(&ids),
            options: Arc::clone(&options),
        });
        let topups = Arc::new(TopUps {
            store: Arc::clone(&store),
            provider: Arc::clone(&provider),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            options: Arc::clone(&options),
            postings: Arc::clone(&postings),
            refunds: Arc::clone(&refunds),
            under_way: Mutex::default(),
            running_low: Mutex::default(),
            tasks: TaskTracker::new(),
            books: OnceCell::new(),
        });
        let low: Arc<dyn RunsLow> = Arc::<TopUps>::clone(&topups);
        let keys = Keys::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&ids),
            Arc::clone(&secrets),
            Arc::clone(&options),
        );
        let keys = Arc::new(keys.topped_up_by(low));
        let sync = Arc::new(StripeSync {
            store,
            provider,
            options: Arc::clone(&options),
            secrets: Arc::clone(&secrets),
            postings: Arc::clone(&postings),
            refunds: Arc::clone(&refunds),
            topups: Arc::clone(&topups),
        });
        let payments = Arc::new(CardPayments::new(Arc::clone(&topups), secrets, options));
        Self { payments, keys, sync, topups, refunds, postings }
    }
}

#[cfg(test)]
mod tests;
