//! A store whose transactions are measured, and their outcomes counted.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use metrics::{Counter, Histogram, counter, histogram};
use stripe402_protocol::{
    ClientId, Currency,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome, VoidOutcome},
};
use tracing::Span;
use uuid::Uuid;

use super::{
    call::{Call, Kinds},
    trace::TARGET,
};
use crate::{
    accounting::{
        Account, AccountKey, Advance, AuditEntry, AuditKey, Kind, Limit, Movement, NewTopUp,
        Opened, Posted, Posting, State, TopUp, TopUpId,
    },
    store::{Store, StoreError, StoredDeduction, Tally},
};

/// Counts a movement by what became of it.
fn count(kind: Kind, posted: Posted) {
    match posted {
        Posted::Done(_) => {
            counter!("stripe402_movements_total", "kind" => kind.as_str()).increment(1);
        }
        Posted::Refused(_) => {
            counter!("stripe402_movements_refused_total", "kind" => kind.as_str()).increment(1);
        }
        Posted::Repeated(_) => {}
    }
}

impl Kinds for StoreError {
    const NAMES: &'static [&'static str] = &["overloaded", "unavailable", "damaged"];

    fn kind(&self) -> usize {
        match self {
            Self::Overloaded => 0,
            Self::Unavailable(_) => 1,
            Self::Damaged(_) => 2,
        }
    }
}

const CHARGES: [&str; 6] = ["charged", "insufficient", "frozen", "voided", "conflict", "stale"];
const VOIDS: [&str; 5] = ["voided", "marked", "repeated", "stale", "conflict"];

/// Declares the numbers of every method once.
macro_rules! transactions {
    ($($name:ident),+ $(,)?) => {
        struct Transactions { $($name: Call,)+ }

        impl Transactions {
            fn new(store: &'static str) -> Self {
                Self { $($name: transaction(store, stringify!($name)),)+ }
            }
        }
    };
}

transactions! {
    batch, deduct_for_card, account, post, post_up_to, post_together, outlives_failover,
    movement, movements, accounts, tallies, deductions, customer,
    remember_customer, replace_customer, payer, agreed, identity, within, open_top_up, advance_top_up, top_up,
    unfinished_top_ups, recent_top_ups, latest_movements, revenue, record_action, audit, ping,
    back_up, upkeep,
}

fn transaction(store: &'static str, operation: &'static str) -> Call {
    let seconds = histogram!("stripe402_store_seconds", "store" => store, "operation" => operation);
    Call::new::<StoreError>(seconds, |result| {
        counter!("stripe402_store_transactions_total", "store" => store, "operation" => operation,
            "result" => result)
    })
}

/// Measures another store.
pub struct ObservedStore {
    inner: Arc<dyn Store>,
    name: &'static str,
    transactions: Transactions,
    deductions: [Counter; 6],
    voids: [Counter; 5],
    batch_size: Histogram,
}

impl std::fmt::Debug for ObservedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObservedStore").field("store", &self.name).finish_non_exhaustive()
    }
}

impl ObservedStore {
    /// Measures this store, under this name.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, name: &'static str) -> Self {
        let from_zero = |counter: Counter| {
            counter.absolute(0);
            counter
        };
        Self {
            inner,
            name,
            transactions: Transactions::new(name),
            deductions: CHARGES.map(|outcome| {
                from_zero(counter!("stripe402_charges_total", "outcome" => outcome))
            }),
            voids: VOIDS
                .map(|outcome| from_zero(counter!("stripe402_voids_total", "outcome" => outcome))),
            batch_size: histogram!("stripe402_batch_size"),
        }
    }

    /// The span of one transaction.
    fn span(&self, operation: &'static str) -> Span {
        tracing::info_span!(
            target: TARGET,
            "store",
            otel.name = operation,
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            store = self.name,
        )
    }

    fn count_charge(&self, outcome: DeductionOutcome) {
        let [charged, insufficient, frozen, voided, conflict, stale] = &self.deductions;
        match outcome {
            DeductionOutcome::Deducted(_) => charged,
            DeductionOutcome::Insufficient => insufficient,
            DeductionOutcome::Frozen => frozen,
            DeductionOutcome::Voided => voided,
            DeductionOutcome::Conflict => conflict,
            DeductionOutcome::Stale => stale,
        }
        .increment(1);
    }

    fn count_void(&self, outcome: VoidOutcome) {
        let [voided, marked, repeated, stale, conflict] = &self.voids;
        match outcome {
            VoidOutcome::Voided => voided,
            VoidOutcome::Marked => marked,
            VoidOutcome::Repeated => repeated,
            VoidOutcome::Stale => stale,
            VoidOutcome::Conflict => conflict,
        }
        .increment(1);
    }
}

/// What was earned, as it is answered: one look-up for each currency of a batch.
fn count_units(mut charged: Vec<(Currency, u64)>) {
    charged.sort_unstable_by_key(|(currency, _)| *currency);
    for same in charged.chunk_by(|(one, _), (other, _)| one == other) {
        // A number to look at, not one that money is made of.
        let sum = same.iter().fold(0_u64, |sum, (_, units)| sum.saturating_add(*units));
        if let Some((currency, _)) = same.first() {
            counter!("stripe402_charged_units_total", "currency" => currency.as_str().to_owned())
                .increment(sum);
        }
    }
}

fn units(deduction: &Deduction) -> (Currency, u64) {
    (deduction.currency, u64::try_from(deduction.amount.get()).unwrap_or_default())
}

/// Forwards a method, measured.
macro_rules! measured {
    ($self:ident.$name:ident($($argument:expr),*)) => {
        $self
            .transactions
            .$name
            .measure($self.span(concat!("store.", stringify!($name))), $self.inner.$name($($argument),*))
            .await
    };
}

#[async_trait]
impl Store for ObservedStore {
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let mut charged: Vec<_> = batch.deductions.iter().map(units).collect();
        let size = batch.deductions.len().saturating_add(batch.voids.len());
        self.batch_size.record(u32::try_from(size).unwrap_or(u32::MAX));
        let answer = measured!(self.batch(batch))?;
        let mut outcomes = answer.deductions.iter().map(|(_, outcome)| *outcome);
        charged.retain(|_| matches!(outcomes.next(), Some(DeductionOutcome::Deducted(_))));
        count_units(charged);
        answer.deductions.iter().for_each(|(_, outcome)| self.count_charge(*outcome));
        answer.voids.iter().for_each(|(_, outcome)| self.count_void(*outcome));
        Ok(answer)
    }

    async fn deduct_for_card(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError> {
        let amount = units(&deduction);
        let outcome = measured!(self.deduct_for_card(deduction))?;
        self.count_charge(outcome);
        if let DeductionOutcome::Deducted(_) = outcome {
            count_units(vec![amount]);
        }
        Ok(outcome)
    }

    async fn account(&self, key: AccountKey) -> Result<Account, StoreError> {
        measured!(self.account(key))
    }

    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        let kind = posting.kind;
        let posted = measured!(self.post(key, posting))?;
        count(kind, posted);
        Ok(posted)
    }

    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        let kind = posting.kind;
        let posted = measured!(self.post_up_to(key, posting))?;
        count(kind, posted);
        Ok(posted)
    }

    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        measured!(self.post_together(key, postings))
    }

    async fn outlives_failover(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<(), StoreError> {
        measured!(self.outlives_failover(key, kind, reference))
    }

    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError> {
        measured!(self.movements(key))
    }

    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        measured!(self.movement(key, kind, reference))
    }

    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        measured!(self.accounts(client, after, most))
    }

    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        measured!(self.tallies(key))
    }

    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        measured!(self.deductions(key, most))
    }

    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError> {
        measured!(self.customer(client))
    }

    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError> {
        measured!(self.remember_customer(client, customer))
    }

    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError> {
        measured!(self.replace_customer(client, gone, customer))
    }

    async fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError> {
        measured!(self.payer(payment_intent))
    }

    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        measured!(self.agreed(anchor, wanted))
    }

    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        measured!(self.identity(fresh))
    }

    async fn within(&self, limit: &Limit, count: bool) -> Result<Option<Duration>, StoreError> {
        measured!(self.within(limit, count))
    }

    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        measured!(self.open_top_up(wanted))
    }

    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        measured!(self.advance_top_up(id, from, to))
    }

    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        measured!(self.top_up(id))
    }

    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        measured!(self.unfinished_top_ups())
    }

    async fn recent_top_ups(&self, most: usize) -> Result<Vec<TopUp>, StoreError> {
        measured!(self.recent_top_ups(most))
    }

    async fn latest_movements(
        &self,
        kinds: &[Kind],
        most: usize,
    ) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
        measured!(self.latest_movements(kinds, most))
    }

    async fn revenue(&self, since_hour: u64) -> Result<Vec<(Currency, Tally)>, StoreError> {
        measured!(self.revenue(since_hour))
    }

    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError> {
        measured!(self.record_action(entry))
    }

    async fn audit(
        &self,
        before: Option<AuditKey>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        measured!(self.audit(before, most))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        measured!(self.ping())
    }

    async fn upkeep(&self, now_ms: u64) -> Result<(), StoreError> {
        measured!(self.upkeep(now_ms))
    }

    async fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        measured!(self.back_up(to))
    }
}
