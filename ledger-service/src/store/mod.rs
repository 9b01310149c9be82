//! Where the books are kept.

pub mod conformance;
mod difference;
mod embedded;
mod memory;
mod open;
mod postgres;
mod redis;
mod scan;
mod url;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{self, Batch, BatchAnswer, Deduction, DeductionOutcome},
};

use uuid::Uuid;

use crate::accounting::{
    Account, AccountKey, Advance, AuditEntry, AuditKey, Kind, Limit, Movement, NewTopUp, Opened,
    Posted, Posting, State, TopUp, TopUpId,
};

pub use self::url::{Address, StoreUrl};
pub(crate) use difference::difference;
pub use embedded::{Embedded, EmbeddedOptions};
pub use memory::InMemory;
pub use open::{StoreOptions, open};
pub use postgres::{Postgres, PostgresOptions};
pub use redis::{Redis, RedisOptions, RedisUrl, WaitOptions};

/// A store of the books: each method is one transaction, durable before it answers.
///
/// The accounting itself is [`crate::accounting`]; a store decides where its books lie and how
/// transactions become durable.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Carries out a batch as [`crate::accounting::apply_batch`] says.
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError>;

    /// Carries out a charge whose gateway does not know the client yet, as a card payment's: a
    /// void of it may come without a client. Stores that keep deductions by client write down whose
    /// it is first.
    async fn deduct_for_card(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError> {
        let id = deduction.id;
        let batch =
            Batch { version: message::VERSION, deductions: vec![deduction], voids: Vec::new() };
        match self.batch(batch).await?.deductions.first() {
            Some((of, outcome)) if *of == id => Ok(*outcome),
            _ => Err(StoreError::Damaged("the store did not answer for the charge".to_owned())),
        }
    }

    /// What an account holds; one that was never topped up is empty.
    async fn account(&self, key: AccountKey) -> Result<Account, StoreError>;

    /// Posts a movement as [`crate::accounting::post`] says.
    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError>;

    /// Posts a debit of at most what is available, as [`crate::accounting::post_up_to`] says.
    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError>;

    /// Posts movements together as [`crate::accounting::post_together`] says.
    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError>;

    /// Waits until a movement outlives the failover of a server, before Stripe is asked for what it
    /// plans. A store whose answers are final need not wait.
    async fn outlives_failover(
        &self,
        _key: AccountKey,
        _kind: Kind,
        _reference: &str,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// An account's movements, oldest first.
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError>;

    /// An account's movement of this kind and reference.
    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError>;

    /// The accounts of this client, or of all clients, after this one, by client id and currency;
    /// at most `most`.
    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError>;

    /// The sums of an account's deductions: how many, how much, by route and hour.
    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError>;

    /// An account's deductions that are still kept one by one, newest first; at most `most`.
    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError>;

    /// The Stripe customer of a client.
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError>;

    /// Remembers a client's Stripe customer; the first one stays, and is returned.
    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError>;

    /// Another Stripe customer in place of one that is gone, if that is still the one or none is
    /// remembered; answers which is.
    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError>;

    /// The account that the books know a PaymentIntent of: it was credited there, or waited there for
    /// its cardholder. What its metadata says anybody with a right to write at Stripe can change.
    async fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError>;

    /// Under which id a client is known: the first that was wanted for it. `anchor` is the least of its
    /// ids by all server secrets, which is the same for ledgers that have them in another order: while a
    /// secret is being replaced they would derive two ids from one card. Without a wish it is only
    /// looked up.
    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError>;

    /// The name of these books: `fresh`, unless they have one.
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError>;

    /// Whether there is room for one more event, by the store's clock; if so and `count`, it is
    /// counted. `None`, or after how long there may be room. All ledgers share the counts, which
    /// go by themselves when they do not count any more; see [`Limit`].
    async fn within(&self, limit: &Limit, count: bool) -> Result<Option<Duration>, StoreError>;

    /// Opens a top-up as [`crate::accounting::open`] says.
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError>;

    /// Moves a top-up on as [`crate::accounting::advance`] says; if `from` is given, only from there.
    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError>;

    /// One top-up.
    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError>;

    /// Every top-up that is not finished.
    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError>;

    /// The top-ups that were opened last, newest first; at most `most`.
    async fn recent_top_ups(&self, most: usize) -> Result<Vec<TopUp>, StoreError>;

    /// The movements of all accounts that are of these kinds, newest first; at most `most`. A store
    /// that keeps movements by account looks through all of them: for operators, not for requests.
    async fn latest_movements(
        &self,
        kinds: &[Kind],
        most: usize,
    ) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
        scan::latest_movements(self, kinds, most).await
    }

    /// The sums of all accounts' deductions from this hour on (hours since 1970), by currency,
    /// route and hour. A store that keeps them by account adds up all of them.
    async fn revenue(&self, since_hour: u64) -> Result<Vec<(Currency, Tally)>, StoreError> {
        scan::revenue(self, since_hour).await
    }

    /// Writes an entry of the audit record down, for ever. The same one again changes nothing.
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// Entries of the audit record, newest first, before this place; at most `most`.
    async fn audit(
        &self,
        before: Option<AuditKey>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, StoreError>;

    /// What a ledger that serves does now and then for its store, at `now_ms` by its own clock: make
    /// room ahead, drop what is forgotten. A store that needs none does nothing; one that is never
    /// asked forgets later, and is right all the same.
    async fn upkeep(&self, _now_ms: u64) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether transactions are possible now.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Writes a copy of the books, as they are at one moment, to a file in place of the one before.
    /// Only a store that is a file itself does that: servers have tools of their own.
    async fn back_up(&self, _to: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("this store is backed up with its server's tools".to_owned()))
    }
}

/// A client's use of one route in one hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tally {
    /// The priced route.
    pub route: String,
    /// Hours since 1970.
    pub hour: u64,
    /// How many deductions, less voids.
    pub count: i64,
    /// How many units, less voids.
    pub amount: i64,
}

/// A deduction that is still kept by itself. One that was voided is kept without its amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDeduction {
    /// Its id, which says when.
    pub id: DeductionId,
    /// The priced route.
    pub route: String,
    /// How much.
    pub amount: Units,
}

/// The store could not carry out a transaction. Over a network it may have happened all the same:
/// what is asked again takes effect once, and a deduction that nobody answered for is to be voided.
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
