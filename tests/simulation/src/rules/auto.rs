//! What must hold of keys that top up by themselves.

use stripe402_ledger::accounting::{Account, Key, NewTopUp, State, TopUp};

use crate::world::World;

/// The key of a top-up's name: `auto→<id> …`.
fn key_of(name: Option<&str>) -> Option<String> {
    Some(name?.strip_prefix("auto\u{2192}")?.split(' ').next()?.to_owned())
}

/// Whether a key made it by itself.
pub(super) fn is_automatic(top_up: &TopUp) -> bool {
    key_of(top_up.idempotency_key.as_deref()).is_some()
}

impl World {
    /// When a key has opened a top-up: its owner was short. Answers whether it was a key.
    pub(super) fn at_automatic(&self, wanted: &NewTopUp, account: &Account) -> bool {
        let Some(id) = key_of(wanted.idempotency_key.as_deref()) else { return false };
        self.tell(format_args!("key {id}"), format_args!("tops up by {}", wanted.amount));
        let below = self.key_of_id(&id).and_then(|key| key.auto_top_up).map(|auto| auto.below);
        if below.is_none_or(|below| account.with_leases() >= below) {
            let seen = format!("{account:?} is not below {below:?}");
            self.violated("keys_top_up_only_when_short", seen);
        }
        true
    }

    fn key_of_id(&self, id: &str) -> Option<Key> {
        self.books.with_memory(|memory| {
            memory.keys().iter().find(|(hash, _)| hash.id() == id).map(|(_, key)| key.clone())
        })
    }

    /// At every moment: no key has charged more than the most of its month. All worlds end in the one they begin in.
    pub(super) fn keys_top_up_within_their_month(&self) {
        let (keys, top_ups) = self.books.with_memory(|memory| {
            let top_ups: Vec<_> = memory.top_ups().values().cloned().collect();
            (memory.keys().clone(), top_ups)
        });
        for (hash, key) in keys {
            let Some(auto) = key.auto_top_up else { continue };
            let own = |of: &&TopUp| key_of(of.idempotency_key.as_deref()) == Some(hash.id());
            let charged = top_ups.iter().filter(own).filter_map(|of| match of.state {
                State::Credited { amount, .. } => Some(amount.get()),
                _ => None,
            });
            let charged: i64 = charged.sum();
            if charged > auto.monthly_most.get() {
                let seen = format!("{hash:?} has charged {charged}: {auto:?}");
                self.violated("keys_top_up_within_their_month", seen);
            }
        }
    }
}
