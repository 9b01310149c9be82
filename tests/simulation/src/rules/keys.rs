//! What must hold of keys.

use stripe402_ledger::accounting::{Book as _, Key, KeyHash, standing};
use stripe402_protocol::{
    DeductionId, Units,
    message::{BatchAnswer, Deduction, DeductionOutcome},
};

use crate::world::World;

impl World {
    /// When a deduction by a key took effect: the key was not revoked.
    pub fn at_key(&self, hash: KeyHash, before: Option<&Key>, id: DeductionId) {
        self.truth().by_key.entry(hash).or_default().insert(id);
        if before.is_some_and(|key| key.revoked_ms.is_some()) {
            self.violated("revoked_keys_spend_nothing", format!("{hash:?} {id}"));
        }
    }

    /// What the books say that is taken, or held, by this deduction.
    pub fn standing_of(&self, id: &DeductionId) -> i64 {
        self.books.with_memory(|memory| {
            let Ok(record) = memory.deduction(id);
            record.as_ref().map_or(Units::ZERO, standing).get()
        })
    }

    /// When deductions by a client's own id took effect: the id was not rotated. What was captured before was
    /// served, and is paid for.
    pub fn at_own_id(&self, deduction: &Deduction, generation: u32, answer: &BatchAnswer) {
        let took_effect = answer.deductions.iter().any(|(id, outcome)| {
            *id == deduction.id && matches!(outcome, DeductionOutcome::Deducted(_))
        });
        let now = self.truth().rotated.get(&deduction.client_id).copied().unwrap_or(0);
        if took_effect && generation < now {
            let seen = format!("{deduction:?} by generation {generation} of {now}");
            self.violated("rotated_ids_spend_nothing", seen);
        }
    }

    /// Whether the books remember this id.
    pub fn is_known(&self, id: &DeductionId) -> bool {
        self.books.with_memory(|memory| {
            let Ok(record) = memory.deduction(id);
            record.is_some()
        })
    }

    /// At every moment: a key has spent what stands of its deductions, and no more than its budget.
    pub(super) fn keys_spend_within_their_budgets(&self) {
        let keys = self.books.with_memory(|memory| memory.keys().clone());
        // A generation of an own id counts nothing.
        for (hash, key) in keys.into_iter().filter(|(_, key)| key.generation.is_none()) {
            let ids = self.truth().by_key.get(&hash).cloned().unwrap_or_default();
            let stands: i64 = ids.iter().map(|id| self.standing_of(id)).sum();
            // Of holds that ended by themselves a key does not know yet.
            let open: i64 = key.open.iter().map(|open| open.amount.get()).sum();
            let known: i64 = key.open.iter().map(|open| self.standing_of(&open.id)).sum();
            if key.spent.get() - open + known != stands {
                let seen = format!("{hash:?}: {stands} stand, {key:?}");
                self.violated("keys_know_what_they_spend", seen);
            }
            if key.budget.total.is_some_and(|total| stands > total.get()) {
                let seen = format!("{hash:?}: {stands} stand, {:?}", key.budget);
                self.violated("keys_spend_within_their_budgets", seen);
            }
        }
    }
}
