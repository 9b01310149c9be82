//! What must hold where leases pay.

use std::collections::BTreeMap;

use stripe402_ledger::accounting::AccountKey;
use stripe402_protocol::{ClientId, Currency, message::Deduction};

use crate::{agent::fingerprint, world::World};

impl World {
    /// Where leases pay: as many requests are in the books as were served. Fewer only where gateways say
    /// so, or something broke, and at most as many as leases paid for.
    pub(super) fn served_is_counted(&self) {
        let (counted, open) = self.books.with_memory(|memory| {
            let mut counted = BTreeMap::<AccountKey, i64>::new();
            for (tally, (count, _)) in memory.tallies() {
                *counted.entry(tally.account).or_default() += count;
            }
            let open = memory.top_ups().values().filter(|top_up| !top_up.state.is_finished());
            (counted, open.count() + memory.holds().len())
        });
        if open > 0 {
            self.violated("nothing_unfinished", format!("{open} top-ups and holds"));
        }
        let unbroken = self.plan.faults.is_empty() && self.plan.skews.iter().all(|of| *of == 0);
        let said = self.truth().lost / i64::from(self.plan.price);
        for (card, requests) in self.truth().requests.clone() {
            let client = ClientId::derive(b"older", &fingerprint(card));
            let key = AccountKey { client, currency: Currency::USD };
            let counted = counted.get(&key).copied().unwrap_or(0);
            // A store can be slower than a lease lasts: then the gateway says so.
            let lost = if unbroken { said } else { requests.leased };
            let seen = format!("card {}: {counted} in the books, {requests:?}", card + 1);
            if counted > requests.served + requests.unknown {
                self.violated("no_charge_without_service", seen);
            } else if counted < requests.served - lost {
                self.violated("no_service_without_charge", seen);
            }
        }
    }

    /// When a deduction was refused: leases could not have brought back what it needs.
    pub fn at_refusal(&self, deduction: &Deduction) {
        let key = AccountKey { client: deduction.client_id, currency: deduction.currency };
        let account = self
            .books
            .with_memory(|memory| memory.accounts().get(&key).copied().unwrap_or_default());
        if account.is_leased(deduction.amount) {
            let seen = format!("{} units of {account:?}", deduction.amount);
            self.violated("nothing_is_refused_that_is_leased", seen);
        }
    }
}
