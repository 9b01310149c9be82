//! Where the books are kept.

pub mod conformance;
mod difference;
mod embedded;
mod forward;
mod memory;
mod open;
mod page;
mod parts;
mod postgres;
mod redis;
mod scan;
mod url;

use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stripe402_protocol::{DeductionId, Units};
use uuid::Uuid;

pub use self::url::{Address, StoreUrl};
pub(crate) use difference::{Difference, difference};
pub use embedded::{Embedded, EmbeddedOptions};
pub use memory::InMemory;
pub use open::{StoreOptions, open, open_existing};
pub use page::{AuditPage, MovementPage, MovementPlace, Page, Placed, TopUpPage, TopUpPlace};
#[cfg(test)]
pub(crate) use parts::deduct_alone;
pub use parts::{Accounts, Audit, Counters, Customers, Keys, Reports, TopUps};
pub use postgres::{Postgres, PostgresOptions};
pub use redis::{Redis, RedisOptions, RedisUrl, WaitOptions};

/// The types that [`forward_store`] names and that are not this crate's.
#[doc(hidden)]
pub mod forwarded {
    pub use stripe402_protocol::{
        ClientId, Currency, DeductionId,
        message::{Batch, BatchAnswer, Deduction, DeductionOutcome},
    };
    pub use uuid::Uuid;
}

/// A store of the books: its parts, and what concerns it as a whole.
///
/// The accounting itself is [`crate::accounting`]; a store decides where its books lie and how
/// transactions become durable. Each method is one transaction, durable before it answers.
#[async_trait]
pub trait Store: Accounts + Keys + TopUps + Customers + Counters + Audit + Reports {
    /// The name of these books: `fresh`, unless they have one.
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError>;

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
#[non_exhaustive]
pub enum StoreError {
    /// Too much is waiting to be written.
    #[error("the store is overloaded")]
    Overloaded,
    /// The store cannot be read or written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// There are no books at the store's address, and they were not to be made. Do not retry: the
    /// address is wrong, or no ledger has served there yet.
    #[error("{0}")]
    Absent(String),
    /// A record cannot be read; it is never guessed.
    #[error("a stored record is damaged: {0}")]
    Damaged(String),
}
