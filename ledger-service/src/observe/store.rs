//! A store whose transactions are measured, and their outcomes counted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{Counter, Histogram, counter, histogram};
use stripe402_protocol::{
    Currency,
    message::{Batch, BatchAnswer, CaptureOutcome, Deduction, DeductionOutcome, VoidOutcome},
};
use tracing::Span;

use super::{
    call::{Call, Kinds},
    trace::TARGET,
};
use crate::{
    accounting::{KeyHash, Kind, Posted},
    store::{Store, StoreError},
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
            // A ledger that serves makes its books: it never meets an absent store.
            Self::Unavailable(_) | Self::Absent(_) => 1,
            Self::Damaged(_) => 2,
        }
    }
}

const CHARGES: [&str; 9] = [
    "charged",
    "insufficient",
    "frozen",
    "voided",
    "conflict",
    "stale",
    "in_debt",
    "leased",
    "lease_refused",
];
const CAPTURES: [&str; 5] = ["captured", "marked", "voided", "conflict", "stale"];
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
    batch, deduct_for_card, settle_ended_holds, open_holds, deduction, account, post, grant, balance,
    expire_grants, post_up_to, post_together, recall_leases,
    outlives_failover,
    key, keys_of, change_key, rotate, batch_by_key, movement, movements, accounts, tallies, deductions, customer,
    remember_customer, replace_customer, payer, agreed, identity, check_and_count, open_top_up, advance_top_up, top_up,
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
    deductions: [Counter; 9],
    captures: [Counter; 5],
    settled: Counter,
    units: Units,
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
            captures: CAPTURES.map(|outcome| {
                from_zero(counter!("stripe402_captures_total", "outcome" => outcome))
            }),
            settled: from_zero(counter!("stripe402_holds_ended_total")),
            units: Units::default(),
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
        let [
            charged,
            insufficient,
            frozen,
            voided,
            conflict,
            stale,
            in_debt,
            leased,
            lease_refused,
        ] = &self.deductions;
        match outcome {
            DeductionOutcome::Deducted(_) | DeductionOutcome::DeductedUntopped(..) => charged,
            DeductionOutcome::Insufficient => insufficient,
            DeductionOutcome::Frozen => frozen,
            DeductionOutcome::Voided => voided,
            DeductionOutcome::Conflict => conflict,
            DeductionOutcome::Stale => stale,
            DeductionOutcome::InDebt(_) => in_debt,
            DeductionOutcome::Leased => leased,
            DeductionOutcome::LeaseRefused => lease_refused,
            DeductionOutcome::KeyRefused(refusal) => {
                let reason = refusal.reason().as_str();
                counter!("stripe402_key_refusals_total", "reason" => reason).increment(1);
                return;
            }
        }
        .increment(1);
    }

    fn count_capture(&self, outcome: CaptureOutcome) {
        let [captured, marked, voided, conflict, stale] = &self.captures;
        match outcome {
            CaptureOutcome::Captured { .. } => captured,
            CaptureOutcome::Marked => marked,
            CaptureOutcome::Voided => voided,
            CaptureOutcome::Conflict => conflict,
            CaptureOutcome::Stale => stale,
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

/// Units that were charged, by currency; each counter is looked up when its currency is first met.
#[derive(Default)]
struct Units(Mutex<BTreeMap<Currency, Counter>>);

impl Units {
    /// Adds what was earned, as it is answered.
    fn count(&self, charged: impl Iterator<Item = (Currency, u64)>) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (currency, units) in charged {
            let new = || counter!("stripe402_charged_units_total", "currency" => currency.as_str().to_owned());
            counters.entry(currency).or_insert_with(new).increment(units);
        }
    }
}

/// What a deduction earns at once; a hold earns nothing before it is captured.
fn units(deduction: &Deduction) -> (Currency, u64) {
    let earned = if deduction.hold.is_some() { 0 } else { deduction.amount.get() };
    (deduction.currency, u64::try_from(earned).unwrap_or_default())
}

/// Forwards a method, measured.
macro_rules! measured {
    ($self:ident $method:ident($($argument:expr),*)) => {
        $self
            .transactions
            .$method
            .measure(
                $self.span(concat!("store.", stringify!($method))),
                $self.inner.$method($($argument),*),
            )
            .await
    };
}

impl ObservedStore {
    async fn observe_batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let charged: Vec<_> = batch.deductions.iter().map(units).collect();
        let size = batch.deductions.len().saturating_add(batch.voids.len());
        let size = size.saturating_add(batch.captures.len());
        self.batch_size.record(u32::try_from(size).unwrap_or(u32::MAX));
        let answer = measured!(self batch(batch))?;
        Ok(self.counted(charged, answer))
    }

    /// What a key does counts as a batch does.
    async fn observe_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let charged: Vec<_> = batch.deductions.iter().map(units).collect();
        let answer = measured!(self batch_by_key(hash, batch))?;
        Ok(self.counted(charged, answer))
    }

    fn counted(&self, mut charged: Vec<(Currency, u64)>, answer: BatchAnswer) -> BatchAnswer {
        let mut outcomes = answer.deductions.iter().map(|(_, outcome)| *outcome);
        charged.retain(|_| matches!(outcomes.next(), Some(DeductionOutcome::Deducted(_))));
        self.units.count(charged.into_iter());
        answer.deductions.iter().for_each(|(_, outcome)| self.count_charge(*outcome));
        answer.captures.iter().for_each(|(_, outcome)| self.count_capture(*outcome));
        answer.voids.iter().for_each(|(_, outcome)| self.count_void(*outcome));
        answer
    }

    async fn observe_deduction(
        &self,
        deduction: Deduction,
    ) -> Result<DeductionOutcome, StoreError> {
        let amount = units(&deduction);
        let outcome = measured!(self deduct_for_card(deduction))?;
        self.count_charge(outcome);
        if let DeductionOutcome::Deducted(_) = outcome {
            self.units.count(std::iter::once(amount));
        }
        Ok(outcome)
    }
}

/// Forwards a method, measured, and counts what became of it.
macro_rules! observed {
    ($self:ident settle_ended_holds($most:ident)) => {{
        let settled = measured!($self settle_ended_holds($most))?;
        $self.settled.increment(u64::try_from(settled.len()).unwrap_or(u64::MAX));
        Ok(settled)
    }};
    ($self:ident batch($batch:ident)) => { $self.observe_batch($batch).await };
    ($self:ident batch_by_key($hash:ident, $batch:ident)) => { $self.observe_key($hash, $batch).await };
    ($self:ident deduct_for_card($deduction:ident)) => { $self.observe_deduction($deduction).await };
    ($self:ident post($key:ident, $posting:ident)) => {{
        let kind = $posting.kind;
        let posted = measured!($self post($key, $posting))?;
        count(kind, posted);
        Ok(posted)
    }};
    ($self:ident grant($key:ident, $posting:ident, $expires_ms:ident)) => {{
        let kind = $posting.kind;
        let posted = measured!($self grant($key, $posting, $expires_ms))?;
        count(kind, posted);
        Ok(posted)
    }};
    ($self:ident expire_grants($most:ident)) => {{
        let expired = measured!($self expire_grants($most))?;
        for Expired { account, amount, .. } in &expired {
            count(Kind::GrantExpired, Posted::Done(Account::default()));
            let subject = account.client.subject();
            tracing::info!(subject, units = amount.get(), "a grant has expired");
        }
        Ok(expired)
    }};
    ($self:ident post_up_to($key:ident, $posting:ident)) => {{
        let kind = $posting.kind;
        let posted = measured!($self post_up_to($key, $posting))?;
        count(kind, posted);
        Ok(posted)
    }};
    ($self:ident $method:ident($($argument:ident),*)) => { measured!($self $method($($argument),*)) };
}

crate::forward_store!(ObservedStore, observed);
