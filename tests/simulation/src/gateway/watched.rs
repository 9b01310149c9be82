//! What is watched at the gateway: that a request which goes on has a charge in the books.

use stripe402_filter::host::StreamId;
use stripe402_ledger::accounting::{Account, AccountKey, DeductionRecord};
use stripe402_protocol::{ClientId, Currency, Units, message::CardPayment};

use super::{Gateway, Orphan, random_of};
use crate::{
    agent::fingerprint,
    world::{End, Minted},
};

impl Gateway {
    /// A card payment leaves. Its charge may have been minted when another answer came, for a stream
    /// that only the VM knows.
    pub(super) fn card_leaves(&self, worker: usize, body: &[u8]) {
        let Ok(payment) = serde_json::from_slice::<CardPayment>(body) else { return };
        let random = random_of(&payment.deduction_id);
        let last = payment.source.as_deref().and_then(|source| source.rsplit('.').next());
        let card = last.and_then(|last| last.parse::<usize>().ok()).unwrap_or(1) - 1;
        let minted = Minted { card, gateway: self.number, sure: false, end: End::Unserved };
        let mut truth = self.world.truth();
        if let std::collections::btree_map::Entry::Vacant(place) = truth.charges.entry(random) {
            place.insert(minted);
            self.orphans.borrow_mut().push(Orphan { worker, card, random });
        }
    }

    /// A request that goes on has a charge in the books.
    pub(super) async fn check_paid(&self, stream: StreamId) {
        if self.streams.borrow().get(&stream).is_some_and(|live| live.leased) {
            return;
        }
        let random = {
            let streams = self.streams.borrow();
            streams.get(&stream).map(|live| live.random.clone()).unwrap_or_default()
        };
        let stands = self.world.books.with_memory(|memory| {
            memory.deductions().iter().any(|(id, record)| {
                matches!(
                    record,
                    DeductionRecord::Deducted { .. }
                        | DeductionRecord::Held { .. }
                        | DeductionRecord::Captured { .. }
                ) && random.contains(&random_of(id))
            })
        });
        if !stands && !self.adopts(stream) {
            self.world.violated("paid_before_served", format!("stream {stream}"));
        }
    }

    /// A priced request passes at once: a lease pays for it, which is out, and holds so much.
    pub(super) fn passes_at_once(&self, stream: StreamId, card: usize) {
        self.world.truth().requests.entry(card).or_default().leased += 1;
        let price = Units::from_u32(self.world.plan.price);
        let pays = self.account(card).is_some_and(|account| account.leased >= price);
        if !pays {
            self.world.violated("paid_before_served", format!("stream {stream} passes at once"));
        }
        if let Some(live) = self.streams.borrow_mut().get_mut(&stream) {
            live.leased = true;
        }
        self.decided(stream);
        let Some(me) = self.me.upgrade() else { return };
        tokio::task::spawn_local(async move { me.serve(stream).await });
    }

    fn account(&self, card: usize) -> Option<Account> {
        let client = ClientId::derive(b"older", &fingerprint(card));
        let key = AccountKey { client, currency: Currency::USD };
        self.world.books.with_memory(|memory| memory.accounts().get(&key).copied())
    }

    /// Whether a charge was made that was minted for some stream of this card: it is this one's, or as
    /// good as this one's.
    fn adopts(&self, stream: StreamId) -> bool {
        let mut streams = self.streams.borrow_mut();
        let Some(live) = streams.get_mut(&stream) else { return true };
        let mut orphans = self.orphans.borrow_mut();
        let found = orphans.iter().position(|orphan| {
            orphan.worker == live.worker
                && orphan.card == live.card
                && self.world.truth().deducted.contains(&orphan.random)
        });
        let Some(at) = found else { return false };
        live.random.push(orphans.remove(at).random);
        true
    }
}
