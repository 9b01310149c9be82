//! What must hold of credit that was given.

use stripe402_ledger::accounting::{AccountKey, Posted, Posting, balance};

use crate::world::{BEGINNING_MS, World};

impl World {
    /// When a refund is planned: what is left of grants is still there.
    pub fn at_refund_plan(&self, key: AccountKey, postings: &[Posting], posted: Posted) {
        let holds = postings.iter().any(|posting| !posting.amount.is_zero());
        if !holds || !matches!(posted, Posted::Done(_)) {
            return;
        }
        let (of, open) = self.books.with_memory(|memory| {
            let own = memory.holds().values().filter(|hold| hold.account == key);
            let open: i64 = own.map(|hold| hold.amount.get()).sum();
            let Ok(of) = balance(memory, &key);
            (of, open)
        });
        if of.grants.total().get() > of.account.available.get() + open {
            self.violated("grants_are_not_paid_out", format!("{postings:?}, {of:?}"));
        }
    }

    /// Whether a grant has expired that is not taken back.
    #[must_use]
    pub fn has_expired_grants(&self) -> bool {
        let now_ms = BEGINNING_MS + self.now_ms();
        self.books.with_memory(|memory| {
            memory.accounts().keys().any(|key| {
                let Ok(of) = balance(memory, key);
                let mut lots = of.grants.lots().into_iter();
                lots.any(|lot| lot.expires_ms.is_some_and(|expires| expires <= now_ms))
            })
        })
    }
}
