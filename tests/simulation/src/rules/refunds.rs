//! What must hold of refunds and disputes.

use std::collections::BTreeMap;

use stripe402_ledger::{
    accounting::{AccountKey, Posted, Posting, balance},
    stripe::DisputePhase,
};

use crate::world::World;

impl World {
    /// When a refund that nobody ordered is booked: it takes all that is asked for, or all there is that was paid
    /// for.
    pub fn at_goodwill(&self, key: AccountKey, posting: &Posting, posted: Posted) {
        let Posted::Done(account) = posted else { return };
        let (taken, paid) = self.books.with_memory(|memory| {
            let own = memory.movements().iter().map(|(of, movement)| (of, &movement.posting));
            let mut own = own.filter(|(of, own)| **of == key && own.reference == posting.reference);
            let Ok(of) = balance(memory, &key);
            (own.next().map(|(_, posting)| posting.amount), of.grants.paid(&of.account))
        });
        let all = taken == Some(posting.amount);
        if !all && !paid.is_zero() {
            self.violated("goodwill_takes_what_is_there", format!("{posting:?}, {account:?}"));
        }
    }

    /// Under one name no more goes back than was asked for.
    pub(super) fn refunds_are_as_ordered(&self) {
        let ordered = self.truth().refunds.clone();
        for (name, (_, most)) in ordered {
            let back: i64 = self.bank.with(|state| {
                let named = state.refunds.values().filter(|refund| {
                    let hold = refund.hold.as_deref().unwrap_or_default();
                    hold.split(':').any(|part| part == name)
                });
                named.filter(|refund| !refund.failed).map(|refund| refund.amount_minor * 100).sum()
            });
            if back > most {
                self.violated("no_more_refunded_than_asked", format!("{name}: {back} of {most}"));
            }
        }
    }

    pub(super) fn frozen_is_disputed(&self) {
        let (accounts, owners) = self.books.with_memory(|memory| {
            let owners: BTreeMap<String, AccountKey> = memory
                .top_ups()
                .iter()
                .map(|(id, top_up)| (id.to_string(), top_up.account))
                .collect();
            (memory.accounts().clone(), owners)
        });
        for (key, account) in accounts {
            let open = self.bank.with(|state| {
                state.disputes.values().any(|dispute| {
                    let intent = state.intents.get(&dispute.intent);
                    let owner = intent.and_then(|intent| owners.get(intent.really_for.as_ref()?));
                    dispute.phase == DisputePhase::Open && owner == Some(&key)
                })
            });
            if open != account.frozen {
                let seen =
                    format!("{}: frozen {}, disputed {open}", key.client.subject(), account.frozen);
                self.violated("frozen_is_disputed", seen);
            }
        }
    }
}
