//! The books in Redis or in a Redis Cluster, together with the Express middleware if need be.
//!
//! Every transaction is one Lua script in the slot of its client. The scripts do what
//! [`crate::accounting`] says, and are tested against it; `lua/account.lua` says what is kept where.

mod accounts;
mod audit;
mod batch;
mod connection;
mod deductions;
mod durability;
mod grants;
mod holds;
mod key_steps;
mod keys;
mod latest;
mod part;
mod payers;
mod read;
mod replicated;
mod reply;
mod script;
mod top_ups;
mod uncharged;
mod url;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome},
};
use uuid::Uuid;

use self::{connection::Connection, replicated::Replicas};
pub use self::{replicated::WaitOptions, url::RedisUrl};
use super::{
    Accounts, Audit, AuditPage, Counters, Customers, Reports, Store, StoreError, StoredDeduction,
    Tally, TopUpPage, TopUps,
};
use crate::{
    accounting::{
        Account, AccountKey, Advance, AuditEntry, Balance, DeductionRecord, Expired, Kind, Limit,
        Movement, NewTopUp, OpenHold, Opened, Posted, Posting, Settled, Spender, State, TopUp,
        TopUpId, UNCHARGED_KEPT,
    },
    clock::Clock,
};

/// Where a Redis is and how it is used.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The server, or some of the cluster's.
    pub url: RedisUrl,
    /// For how long deduction ids are remembered.
    pub charge_memory: Duration,
    /// How far a gateway's clock may be ahead of the server's.
    pub clock_skew: Duration,
    /// How long a transaction may take, all told.
    pub timeout: Duration,
    /// How many replicas must have a record before Stripe is asked.
    pub wait: WaitOptions,
}

/// The books in Redis. Any number of ledgers share them.
pub struct Redis {
    connection: Connection,
    replicas: Replicas,
    clock: Arc<dyn Clock>,
    charge_memory: Duration,
    clock_skew: Duration,
    uncharged_kept: Duration,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// The books there. Must be called within a Tokio runtime. The server may be out of reach as
    /// yet; then transactions fail until it is not. Windows and movements go by the server's
    /// clock, so that replicas agree; `clock` is for listings only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the address cannot be one.
    pub fn open(options: &RedisOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let connection = Connection::new(&options.url, options.timeout)?;
        // Of its own: WAIT holds up all that comes after it on its connection.
        let waiting = Connection::new(&options.url, options.timeout)?;
        let replicas = Replicas::new(waiting, options.wait);
        tokio::spawn(durability::check(connection.clone()));
        let (charge_memory, clock_skew) = (options.charge_memory, options.clock_skew);
        let uncharged_kept = UNCHARGED_KEPT;
        Ok(Self { connection, replicas, clock, charge_memory, clock_skew, uncharged_kept })
    }

    /// Keeps top-ups without a charge for so long instead.
    #[must_use]
    pub const fn keep_uncharged(mut self, kept: Duration) -> Self {
        self.uncharged_kept = kept;
        self
    }

    fn charge_memory_ms(&self) -> u64 {
        u64::try_from(self.charge_memory.as_millis()).unwrap_or(u64::MAX)
    }

    fn clock_skew_ms(&self) -> u64 {
        u64::try_from(self.clock_skew.as_millis()).unwrap_or(u64::MAX)
    }
}

#[async_trait]
impl Accounts for Redis {
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        self.apply_batch(batch, Spender::FIRST).await
    }

    async fn deduct_for_card(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError> {
        self.apply_charge_for_card(deduction).await
    }

    async fn settle_ended_holds(&self, most: usize) -> Result<Vec<Settled>, StoreError> {
        self.settle_holds(most).await
    }

    async fn deduction(
        &self,
        client: ClientId,
        id: DeductionId,
    ) -> Result<Option<DeductionRecord>, StoreError> {
        self.read_deduction(client, id).await
    }

    async fn account(&self, key: AccountKey) -> Result<Account, StoreError> {
        self.read_account(key).await
    }

    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.post_movement(key, posting, false, None).await
    }

    async fn grant(
        &self,
        key: AccountKey,
        posting: Posting,
        expires_ms: Option<u64>,
    ) -> Result<Posted, StoreError> {
        self.post_grant(key, posting, expires_ms).await
    }

    async fn balance(&self, key: AccountKey) -> Result<Balance, StoreError> {
        self.read_balance(key).await
    }

    async fn expire_grants(&self, most: usize) -> Result<Vec<Expired>, StoreError> {
        self.expire_due(most).await
    }

    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.post_movement(key, posting, true, None).await
    }

    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        self.post_movements(key, postings).await
    }

    async fn recall_leases(&self, key: AccountKey) -> Result<Account, StoreError> {
        self.call_leases_back(key).await
    }

    async fn outlives_failover(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<(), StoreError> {
        self.movement_is_replicated(key, kind, reference).await
    }

    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        self.read_movement(key, kind, reference).await
    }
}

#[async_trait]
impl TopUps for Redis {
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        self.open_wanted(wanted).await
    }

    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        self.advance(id, from, to).await
    }

    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        self.read_top_up(id).await
    }

    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        self.list_unfinished().await
    }
}

#[async_trait]
impl Customers for Redis {
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError> {
        self.read_customer(client).await
    }

    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError> {
        self.write_customer(client, customer).await
    }

    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError> {
        self.replace_customer_of(client, gone, customer).await
    }

    async fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError> {
        self.read_payer(payment_intent).await
    }

    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        self.read_agreed(anchor, wanted).await
    }
}

#[async_trait]
impl Counters for Redis {
    async fn check_and_count(
        &self,
        limit: &Limit,
        count: bool,
    ) -> Result<Option<Duration>, StoreError> {
        self.within_limit(limit, count).await
    }
}

#[async_trait]
impl Audit for Redis {
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.append_to_audit(&entry).await
    }

    async fn audit(&self, page: AuditPage) -> Result<Vec<AuditEntry>, StoreError> {
        self.read_audit(&page).await
    }
}

#[async_trait]
impl Reports for Redis {
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError> {
        self.read_movements(key).await
    }

    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        self.list_accounts(client, after, most).await
    }

    async fn open_holds(
        &self,
        client: Option<ClientId>,
        most: usize,
    ) -> Result<Vec<(DeductionId, OpenHold)>, StoreError> {
        self.read_open_holds(client, most).await
    }

    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        self.read_tallies(key).await
    }

    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        self.read_charges(key, most).await
    }

    async fn recent_top_ups(&self, page: TopUpPage) -> Result<Vec<TopUp>, StoreError> {
        self.list_recent(&page).await
    }
}

#[async_trait]
impl Store for Redis {
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        self.read_identity(fresh).await
    }

    async fn upkeep(&self, now_ms: u64) -> Result<(), StoreError> {
        self.forget_uncharged(now_ms).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.connection.ping().await
    }
}
