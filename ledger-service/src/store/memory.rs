//! A store in memory: for tests and as the shortest example of a store. It forgets everything
//! when it is dropped.

mod keys;

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome},
};

use uuid::Uuid;

use super::{
    Accounts, Audit, AuditPage, Counters, Customers, Reports, Store, StoreError, StoredDeduction,
    Tally, TopUpPage, TopUps, scan,
};
use crate::{
    accounting::{
        self, Account, AccountKey, Advance, AuditEntry, AuditKey, Balance, Book as _,
        DeductionRecord, Expired, Kind, Limit, Memory, Movement, NewTopUp, OpenHold, Opened,
        Posted, Posting, Settled, Spender, State, TopUp, TopUpId, UNCHARGED_KEPT, Window,
    },
    clock::Clock,
};

/// The books in memory, behind the trait of stores.
pub struct InMemory {
    books: Mutex<Books>,
    clock: Box<dyn Clock>,
    charge_memory: Duration,
    uncharged_kept: Duration,
}

#[derive(Default)]
struct Books {
    memory: Memory,
    customers: BTreeMap<ClientId, String>,
    counts: BTreeMap<(String, u64), u64>,
    audit: BTreeMap<AuditKey, AuditEntry>,
    identity: Option<Uuid>,
    agreed: BTreeMap<ClientId, ClientId>,
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InMemory")
    }
}

impl InMemory {
    /// Empty books that remember deduction ids for `charge_memory`.
    #[must_use]
    pub fn new(clock: impl Clock, charge_memory: Duration) -> Self {
        let (books, clock) = (Mutex::default(), Box::new(clock));
        Self { books, clock, charge_memory, uncharged_kept: UNCHARGED_KEPT }
    }

    /// Keeps top-ups without a charge for so long instead.
    #[must_use]
    pub const fn keep_uncharged(mut self, kept: Duration) -> Self {
        self.uncharged_kept = kept;
        self
    }

    /// A look at all of the books at one moment.
    pub fn with_memory<T>(&self, look: impl FnOnce(&Memory) -> T) -> T {
        let books = self.books.lock();
        look(&books.unwrap_or_else(PoisonError::into_inner).memory)
    }

    fn window(&self) -> Window {
        Window::at(self.clock.now_ms(), self.charge_memory, Duration::from_secs(60))
    }

    fn books(&self) -> Result<MutexGuard<'_, Books>, StoreError> {
        self.books.lock().map_err(|_| StoreError::Unavailable("a transaction panicked".to_owned()))
    }
}

/// The books' own error is that there is none.
fn known<T>(result: Result<T, core::convert::Infallible>) -> T {
    let Ok(value) = result;
    value
}

#[async_trait]
impl Accounts for InMemory {
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let window = self.window();
        let mut books = self.books()?;
        books.memory.forget_charges_before(&window.first_remembered());
        Ok(known(accounting::apply_batch(&mut books.memory, &batch, &window)))
    }

    async fn deduct_for_card(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError> {
        let window = self.window();
        let memory = &mut self.books()?.memory;
        memory.forget_charges_before(&window.first_remembered());
        Ok(known(accounting::apply_deduction(memory, &deduction, Spender::Other, &window)))
    }

    async fn settle_ended_holds(&self, most: usize) -> Result<Vec<Settled>, StoreError> {
        let window = self.window();
        Ok(known(accounting::settle_ended(&mut self.books()?.memory, &window, most)))
    }

    async fn deduction(
        &self,
        client: ClientId,
        id: DeductionId,
    ) -> Result<Option<DeductionRecord>, StoreError> {
        let first = self.window().first_remembered();
        let books = self.books()?;
        let record = books.memory.deductions().get(&id).filter(|_| id >= first).cloned();
        Ok(DeductionRecord::shown_to(&client, known(books.memory.hold(&id)), record))
    }

    async fn account(&self, key: AccountKey) -> Result<Account, StoreError> {
        Ok(known(self.books()?.memory.account(&key)))
    }

    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        let now_ms = self.clock.now_ms();
        Ok(known(accounting::post(&mut self.books()?.memory, &key, &posting, now_ms)))
    }

    async fn grant(
        &self,
        key: AccountKey,
        posting: Posting,
        expires_ms: Option<u64>,
    ) -> Result<Posted, StoreError> {
        let (now_ms, memory) = (self.clock.now_ms(), &mut self.books()?.memory);
        Ok(known(accounting::post_expiring(memory, &key, &posting, expires_ms, now_ms)))
    }

    async fn balance(&self, key: AccountKey) -> Result<Balance, StoreError> {
        Ok(known(accounting::balance(&self.books()?.memory, &key)))
    }

    async fn expire_grants(&self, most: usize) -> Result<Vec<Expired>, StoreError> {
        let now_ms = self.clock.now_ms();
        Ok(known(accounting::expire_due_grants(&mut self.books()?.memory, now_ms, most)))
    }

    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        let now_ms = self.clock.now_ms();
        Ok(known(accounting::post_up_to(&mut self.books()?.memory, &key, &posting, now_ms)))
    }

    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        let now_ms = self.clock.now_ms();
        let memory = &mut self.books()?.memory;
        Ok(known(accounting::post_together(memory, &key, &postings, now_ms)))
    }

    async fn recall_leases(&self, key: AccountKey) -> Result<Account, StoreError> {
        Ok(known(accounting::recall_leases(&mut self.books()?.memory, &key)))
    }

    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        Ok(known(accounting::Book::movement(&self.books()?.memory, &key, kind, reference)))
    }
}

#[async_trait]
impl TopUps for InMemory {
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        Ok(known(accounting::open(&mut self.books()?.memory, wanted)))
    }

    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        let now_ms = self.clock.now_ms();
        Ok(known(accounting::advance(&mut self.books()?.memory, &id, from.as_ref(), to, now_ms)))
    }

    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        Ok(known(self.books()?.memory.top_up(&id)))
    }

    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        let books = self.books()?;
        let open = books.memory.top_ups().values().filter(|top_up| !top_up.state.is_finished());
        Ok(open.cloned().collect())
    }
}

#[async_trait]
impl Customers for InMemory {
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError> {
        Ok(self.books()?.customers.get(&client).cloned())
    }

    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError> {
        Ok(self.books()?.customers.entry(client).or_insert(customer).clone())
    }

    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError> {
        let mut books = self.books()?;
        let known = books.customers.entry(client).or_insert_with(|| customer.clone());
        if known == gone {
            *known = customer;
        }
        Ok(known.clone())
    }

    async fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError> {
        Ok(self.books()?.memory.payer(payment_intent))
    }

    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        let mut books = self.books()?;
        if let Some(wanted) = wanted {
            books.agreed.entry(anchor).or_insert(wanted);
        }
        Ok(books.agreed.get(&anchor).copied())
    }
}

#[async_trait]
impl Counters for InMemory {
    async fn check_and_count(
        &self,
        limit: &Limit,
        count: bool,
    ) -> Result<Option<Duration>, StoreError> {
        let now_ms = self.clock.now_ms();
        let counts = &mut self.books()?.counts;
        let own = counts.iter().filter(|((name, _), _)| *name == limit.name);
        let own: Vec<_> = own.map(|((_, piece), count)| (*piece, *count)).collect();
        let wait = limit.wait(&own, now_ms);
        if wait.is_none() && count {
            counts.retain(|(name, piece), _| *name != limit.name || *piece >= limit.since(now_ms));
            let current = (limit.name.clone(), limit.piece_at(now_ms));
            let entry = counts.entry(current).or_default();
            *entry = entry.saturating_add(1);
        }
        Ok(wait)
    }
}

#[async_trait]
impl Audit for InMemory {
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.books()?.audit.entry(entry.key()).or_insert(entry);
        Ok(())
    }

    async fn audit(&self, page: AuditPage) -> Result<Vec<AuditEntry>, StoreError> {
        let books = self.books()?;
        let own = books.audit.iter().rev().filter(|(key, _)| page.has(key.at_ms, key));
        Ok(own.take(page.most).map(|(_, entry)| entry.clone()).collect())
    }
}

#[async_trait]
impl Reports for InMemory {
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError> {
        let books = self.books()?;
        Ok(books.memory.movements_of(&key).cloned().collect())
    }

    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        let books = self.books()?;
        // A client's accounts lie together; no currency of Stripe's comes before this one.
        let first = client.zip("aed".parse().ok());
        let first = first.map(|(client, currency)| AccountKey { client, currency });
        let from = match (first, after) {
            (Some(first), Some(after)) if first > after => Bound::Included(first),
            (_, Some(after)) => Bound::Excluded(after),
            (Some(first), None) => Bound::Included(first),
            (None, None) => Bound::Unbounded,
        };
        let own = |key: &&AccountKey| client.is_none_or(|client| client == key.client);
        let keys = books.memory.accounts().range((from, Bound::Unbounded)).map(|(key, _)| key);
        Ok(keys.take_while(own).take(most).copied().collect())
    }

    async fn open_holds(
        &self,
        client: Option<ClientId>,
        most: usize,
    ) -> Result<Vec<(DeductionId, OpenHold)>, StoreError> {
        let books = self.books()?;
        let own = books.memory.holds().iter();
        let own = own.filter(|(_, hold)| client.is_none_or(|of| of == hold.account.client));
        let mut own: Vec<_> = own.map(|(id, hold)| (*id, hold.clone())).collect();
        own.sort_by_key(|(id, hold)| (hold.terms.ends_ms, *id));
        own.truncate(most);
        Ok(own)
    }

    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        let books = self.books()?;
        let own = books.memory.tallies().iter().filter(|(tally, _)| tally.account == key);
        Ok(own
            .map(|(tally, (count, amount))| Tally {
                route: tally.route.clone(),
                hour: tally.hour,
                count: *count,
                amount: *amount,
            })
            .collect())
    }

    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        let books = self.books()?;
        let own = books.memory.deductions().iter().rev().filter_map(|(id, record)| {
            let (_, amount, route) = record.taken().filter(|(account, ..)| **account == key)?;
            Some(StoredDeduction { id: *id, route: route.to_owned(), amount })
        });
        Ok(own.take(most).collect())
    }

    async fn recent_top_ups(&self, page: TopUpPage) -> Result<Vec<TopUp>, StoreError> {
        Ok(scan::top_ups(self.books()?.memory.top_ups().values().cloned(), &page))
    }
}

#[async_trait]
impl Store for InMemory {
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        Ok(*self.books()?.identity.get_or_insert(fresh))
    }

    async fn upkeep(&self, _now_ms: u64) -> Result<(), StoreError> {
        let kept = u64::try_from(self.uncharged_kept.as_millis()).unwrap_or(u64::MAX);
        let until = self.clock.now_ms().checked_sub(kept);
        let mut books = self.books()?;
        for client in
            until.map(|until| books.memory.forget_uncharged_until(until)).into_iter().flatten()
        {
            if let Some(customer) = books.customers.remove(&client) {
                books.agreed.remove(&accounting::name_of_customer(&customer));
            }
            if books.agreed.get(&client) == Some(&client) {
                books.agreed.remove(&client);
            }
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.books().map(drop)
    }
}
