//! Where the books are kept.

mod embedded;

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId, Units,
    message::{Batch, BatchAnswer},
};

use crate::ledger::{AccountKey, Advance, NewTopUp, Opened, State, TopUp, TopUpId};

pub use embedded::{Embedded, EmbeddedOptions};

/// A store of the books: each method is one transaction, durable before it answers.
///
/// The accounting itself is [`crate::ledger`]; a store decides where its books lie and how
/// transactions become durable.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Carries out a batch as [`crate::ledger::apply_batch`] says.
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError>;

    /// What an account can spend.
    async fn balance(&self, account: AccountKey) -> Result<Units, StoreError>;

    /// The Stripe customer of a client.
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError>;

    /// Remembers a client's Stripe customer; the first one stays, and is returned.
    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError>;

    /// Opens a top-up as [`crate::ledger::open`] says.
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError>;

    /// Moves a top-up on as [`crate::ledger::advance`] says.
    async fn advance_top_up(&self, id: TopUpId, to: State) -> Result<Advance, StoreError>;

    /// One top-up.
    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError>;

    /// Every top-up that is not finished.
    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError>;

    /// Whether transactions are possible now.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The store could not carry out a transaction. Whether it happened is known to be: not.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting to be written.
    #[error("the store is overloaded")]
    Overloaded,
    /// The store cannot be read or written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A record cannot be read; it is never guessed.
    #[error("a stored record is damaged: {0}")]
    Damaged(String),
}
