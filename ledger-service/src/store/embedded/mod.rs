//! The default store: one file, one process, ACID (redb).
//!
//! One thread writes. It takes every transaction that waits, runs them in order in one redb
//! transaction, makes that durable with one fsync, and only then answers them all: the price of
//! durability is shared by everything that arrives while the disk is busy. One that cannot be carried
//! out does not keep the others from it.

mod backup;
mod book;
mod commit;
mod damage;
mod disk;
mod encoding;
mod existing;
mod file;
mod keys;
mod look;
mod open;
mod read;
mod reports;
mod schema;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome},
};
use uuid::Uuid;

use self::{
    book::TableBook,
    file::File,
    open::Opener,
    read::Snapshot,
    writer::{Turns, Writer},
};
use super::{
    Accounts, Audit, AuditPage, Counters, Customers, Store, StoreError, TopUps,
    parts::{alone, outcome},
};
use crate::{
    accounting::{
        self, Account, AccountKey, Advance, AuditEntry, Balance, DeductionRecord, Expired, Kind,
        Limit, Movement, NewTopUp, Opened, Posted, Posting, Settled, Spender, State, TopUp,
        TopUpId, UNCHARGED_KEPT, Window,
    },
    clock::Clock,
};

/// How the embedded store is kept.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The file; made if it is not there.
    pub path: PathBuf,
    /// For how long deduction ids are remembered.
    pub charge_memory: Duration,
    /// How far a gateway's clock may be ahead.
    pub clock_skew: Duration,
    /// How many transactions may wait for the disk.
    pub queue: usize,
}

/// The embedded store.
#[derive(Debug)]
pub struct Embedded {
    file: Arc<File>,
    writer: Writer,
    options: EmbeddedOptions,
    uncharged_kept: Duration,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Embedded {
    /// Opens the file, or makes it. Every page of it is read and held against its checksum.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if another process has it open, or it cannot be read or
    /// written; [`StoreError::Damaged`] if it is not a store of ours, or not as it was written.
    pub fn open(options: EmbeddedOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let opener = Opener::of(options.path.clone());
        let (store, turns) = Self::open_by(opener, file::CLOSED, options, clock)?;
        turns.in_a_thread()?;
        Ok(store)
    }

    /// With a way of opening that may be used again, how long the file stays closed after an error,
    /// and nobody who takes the writer's turns yet.
    fn open_by(
        opener: Opener,
        closed: Duration,
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Turns), StoreError> {
        let file = Arc::new(File::open(opener, closed)?);
        let (writer, turns) = Writer::new(Arc::clone(&file), options.queue);
        let uncharged_kept = UNCHARGED_KEPT;
        Ok((Self { file, writer, options, uncharged_kept, clock }, turns))
    }

    /// Keeps top-ups without a charge for so long instead.
    #[must_use]
    pub const fn keep_uncharged(mut self, kept: Duration) -> Self {
        self.uncharged_kept = kept;
        self
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnMut(&mut TableBook<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(job).await
    }

    fn window(&self) -> Window {
        let EmbeddedOptions { charge_memory, clock_skew, .. } = self.options;
        Window::at(self.clock.now_ms(), charge_memory, clock_skew)
    }

    /// Until when a top-up must have ended to be forgotten if there was no deduction.
    fn uncharged_until(&self) -> u64 {
        let kept = u64::try_from(self.uncharged_kept.as_millis()).unwrap_or(u64::MAX);
        self.clock.now_ms().saturating_sub(kept)
    }

    /// A commit that does nothing but sweep.
    async fn sweep(&self) -> Result<(), StoreError> {
        let (first, uncharged_until) = (self.window().first_remembered(), self.uncharged_until());
        self.write(move |book| {
            book.remember_from(first);
            book.remember_uncharged_after(uncharged_until);
            Ok(())
        })
        .await
    }

    async fn batch_by(&self, spender: Spender, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let (window, uncharged_until) = (self.window(), self.uncharged_until());
        self.write(move |book| {
            book.remember_from(window.first_remembered());
            book.remember_uncharged_after(uncharged_until);
            accounting::apply_batch_by(book, &batch, spender, &window)
        })
        .await
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(self.file.begin_read()?))
    }
}

#[async_trait]
impl Accounts for Embedded {
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        self.batch_by(Spender::FIRST, batch).await
    }

    async fn deduct_for_card(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError> {
        outcome(&self.batch_by(Spender::Other, alone(deduction)).await?)
    }

    async fn settle_ended_holds(&self, most: usize) -> Result<Vec<Settled>, StoreError> {
        let window = self.window();
        if !self.snapshot()?.has_ended_hold(window.now_ms())? {
            return Ok(Vec::new());
        }
        self.write(move |book| accounting::settle_ended(book, &window, most)).await
    }

    async fn deduction(
        &self,
        client: ClientId,
        id: DeductionId,
    ) -> Result<Option<DeductionRecord>, StoreError> {
        self.snapshot()?.deduction(&client, &id, &self.window().first_remembered())
    }

    async fn account(&self, key: AccountKey) -> Result<Account, StoreError> {
        self.snapshot()?.account(&key)
    }

    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        let now_ms = self.clock.now_ms();
        self.write(move |book| accounting::post(book, &key, &posting, now_ms)).await
    }

    async fn grant(
        &self,
        key: AccountKey,
        posting: Posting,
        expires_ms: Option<u64>,
    ) -> Result<Posted, StoreError> {
        let now_ms = self.clock.now_ms();
        let post = move |book: &mut TableBook<'_>| {
            accounting::post_expiring(book, &key, &posting, expires_ms, now_ms)
        };
        self.write(post).await
    }

    async fn balance(&self, key: AccountKey) -> Result<Balance, StoreError> {
        self.snapshot()?.balance(&key)
    }

    async fn expire_grants(&self, most: usize) -> Result<Vec<Expired>, StoreError> {
        let now_ms = self.clock.now_ms();
        if !self.snapshot()?.has_due_grant(now_ms)? {
            return Ok(Vec::new());
        }
        self.write(move |book| accounting::expire_due_grants(book, now_ms, most)).await
    }

    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        let now_ms = self.clock.now_ms();
        self.write(move |book| accounting::post_up_to(book, &key, &posting, now_ms)).await
    }

    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        let now_ms = self.clock.now_ms();
        self.write(move |book| accounting::post_together(book, &key, &postings, now_ms)).await
    }

    async fn recall_leases(&self, key: AccountKey) -> Result<Account, StoreError> {
        self.write(move |book| accounting::recall_leases(book, &key)).await
    }

    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        self.snapshot()?.movement(&key, kind, reference)
    }
}

#[async_trait]
impl TopUps for Embedded {
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        self.write(move |book| accounting::open(book, wanted.clone())).await
    }

    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        let now_ms = self.clock.now_ms();
        self.write(move |book| accounting::advance(book, &id, from.as_ref(), to.clone(), now_ms))
            .await
    }

    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        self.snapshot()?.top_up(&id)
    }

    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        self.snapshot()?.unfinished_top_ups()
    }
}

#[async_trait]
impl Customers for Embedded {
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError> {
        self.snapshot()?.customer(&client)
    }

    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError> {
        self.write(move |book| book.remember_customer(&client, &customer)).await
    }

    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError> {
        let gone = gone.to_owned();
        self.write(move |book| book.replace_customer(&client, &gone, &customer)).await
    }

    async fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError> {
        self.snapshot()?.payer(payment_intent)
    }

    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        match wanted {
            None => self.snapshot()?.agreed(&anchor),
            Some(wanted) => self.write(move |book| book.agree(&anchor, wanted)).await,
        }
    }
}

#[async_trait]
impl Counters for Embedded {
    async fn check_and_count(
        &self,
        limit: &Limit,
        count: bool,
    ) -> Result<Option<Duration>, StoreError> {
        let (limit, now_ms) = (limit.clone(), self.clock.now_ms());
        if !count {
            // A look needs no commit, and no fsync.
            return self.snapshot()?.within(&limit, now_ms);
        }
        self.write(move |book| book.count_within(&limit, now_ms)).await
    }
}

#[async_trait]
impl Audit for Embedded {
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.write(move |book| book.record_action(&entry)).await
    }

    async fn audit(&self, page: AuditPage) -> Result<Vec<AuditEntry>, StoreError> {
        self.snapshot()?.audit(&page)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        self.write(move |book| book.identity(fresh)).await
    }

    async fn upkeep(&self, _now_ms: u64) -> Result<(), StoreError> {
        self.sweep().await
    }

    /// Also sweeps: where nobody pays, what is forgotten goes all the same.
    async fn ping(&self) -> Result<(), StoreError> {
        self.sweep().await
    }

    async fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        let (books, to) = (self.file.begin_read()?, to.to_owned());
        let copying = tokio::task::spawn_blocking(move || backup::write(&books, &to));
        copying.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
