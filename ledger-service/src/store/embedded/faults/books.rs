//! What the books should be: the pure accounting, and the little that is kept beside it.

use std::{collections::BTreeMap, time::Duration};

use stripe402_protocol::ClientId;

use super::calls::Call;
use crate::{
    accounting::{self, Book as _, DeductionRecord, Limit, Memory, Window},
    store::{StoredDeduction, Tally},
};

/// For how long deductions are remembered, and how far clocks may be ahead.
pub(super) const MEMORY: Duration = Duration::from_secs(4 * 3600);
pub(super) const SKEW: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) memory: Memory,
    pub(super) customers: BTreeMap<ClientId, String>,
    pub(super) agreed: BTreeMap<ClientId, ClientId>,
    counts: BTreeMap<(u64, String), u64>,
}

fn known<T>(result: Result<T, core::convert::Infallible>) -> T {
    let Ok(value) = result;
    value
}

impl Books {
    /// Carries out a call, and says what it must be answered.
    pub(super) fn apply(&mut self, call: &Call, now_ms: u64) -> String {
        let memory = &mut self.memory;
        match call.clone() {
            Call::Batch(batch) => {
                let window = Window::at(now_ms, MEMORY, SKEW);
                memory.forget_charges_before(&window.first_remembered());
                format!("{:?}", known(accounting::apply_batch(memory, &batch, &window)))
            }
            Call::Post(key, posting) => {
                format!("{:?}", known(accounting::post(memory, &key, &posting, now_ms)))
            }
            Call::PostTogether(key, postings) => {
                format!("{:?}", known(accounting::post_together(memory, &key, &postings, now_ms)))
            }
            Call::Open(wanted) => format!("{:?}", known(accounting::open(memory, wanted))),
            Call::Advance(id, to) => {
                format!("{:?}", known(accounting::advance(memory, &id, None, to, now_ms)))
            }
            Call::Customer(client, customer) => {
                format!("{:?}", self.customers.entry(client).or_insert(customer))
            }
            Call::Agree(anchor, wanted) => {
                format!("{:?}", Some(*self.agreed.entry(anchor).or_insert(wanted)))
            }
            Call::Count(limit) => format!("{:?}", self.count(&limit, now_ms)),
        }
    }

    pub(super) fn wait(&self, limit: &Limit, now_ms: u64) -> Option<Duration> {
        let own = self.counts.iter().filter(|((_, name), _)| *name == limit.name);
        let own: Vec<_> = own.map(|((piece, _), count)| (*piece, *count)).collect();
        limit.wait(&own, now_ms)
    }

    fn count(&mut self, limit: &Limit, now_ms: u64) -> Option<Duration> {
        let wait = self.wait(limit, now_ms);
        if wait.is_none() {
            *self.counts.entry((limit.piece_at(now_ms), limit.name.clone())).or_default() += 1;
        }
        wait
    }

    pub(super) fn tallies(&self, key: &accounting::AccountKey) -> Vec<Tally> {
        let own = self.memory.tallies().iter().filter(|(of, _)| of.account == *key);
        own.map(|(of, &(count, amount))| Tally {
            route: of.route.clone(),
            hour: of.hour,
            count,
            amount,
        })
        .collect()
    }

    pub(super) fn deductions(
        &self,
        key: &accounting::AccountKey,
        now_ms: u64,
    ) -> Vec<StoredDeduction> {
        let first = Window::at(now_ms, MEMORY, SKEW).first_remembered();
        let kept = self.memory.deductions().range(first..).rev();
        kept.filter_map(|(id, record)| match record {
            DeductionRecord::Deducted { account, amount, route, .. } if account == key => {
                Some(StoredDeduction { id: *id, route: route.clone(), amount: *amount })
            }
            _ => None,
        })
        .collect()
    }

    pub(super) fn account(&self, key: &accounting::AccountKey) -> accounting::Account {
        known(self.memory.account(key))
    }

    pub(super) fn top_up(&self, id: &accounting::TopUpId) -> Option<accounting::TopUp> {
        known(self.memory.top_up(id))
    }
}
