//! What must hold of keys.

use stripe402_ledger::accounting::{Book as _, Key, KeyHash, standing};
use stripe402_protocol::{DeductionId, Units};

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

    /// At every moment: a key has spent what stands of its deductions, and no more than its budget.
    pub(super) fn keys_spend_within_their_budgets(&self) {
        let keys = self.books.with_memory(|memory| memory.keys().clone());
        for (hash, key) in keys {
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
