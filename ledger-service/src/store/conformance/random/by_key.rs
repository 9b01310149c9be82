//! What keys do, among the random commands.

use std::time::Duration;

use stripe402_protocol::{
    Units,
    message::{Capture, Void},
};

use super::{
    super::{cases::new_key, fixture::now_ms},
    world::World,
};
use crate::{
    accounting::{self, Book as _, Key, KeyStep, Window, standing},
    store::Store,
};

impl World {
    /// Makes a key, changes one, or has one do something; some with a key that was read too early.
    pub(super) async fn by_key(&mut self, store: &dyn Store, at: &str) {
        if self.by_hash.len() < 3 {
            let of = *self.dice.pick(&self.keys);
            let (hash, key) = new_key(of, 1 << 50);
            self.by_hash.push(hash);
            accounting::change_key(&mut self.books, &hash, &key).unwrap();
            assert!(store.change_key(hash, key).await.unwrap(), "{at}");
            return;
        }
        let hash = *self.dice.pick(&self.by_hash);
        let key = self.books.key(&hash).unwrap().unwrap();
        assert_eq!(store.key(hash).await.unwrap().as_ref(), Some(&key), "{at}");
        if self.dice.throw(10) == 0 {
            let after = Key { label: at.to_owned(), ..key }.changed();
            let expected = accounting::change_key(&mut self.books, &hash, &after).unwrap();
            assert_eq!(store.change_key(hash, after).await.unwrap(), expected, "{at}");
            return;
        }
        let (after, step) = self.step_of(key);
        let revision = after.revision.saturating_sub(u64::from(self.dice.throw(12) == 0));
        let after = Key { revision, ..after };
        let window = Window::at(now_ms(), Duration::from_secs(7 * 86_400), Duration::from_secs(60));
        let expected =
            accounting::apply_key_step(&mut self.books, &hash, &after, &step, &window).unwrap();
        let outcome = store.step_by_key(hash, after, step.clone()).await.unwrap();
        assert_eq!(outcome, expected, "{at}: {step:?}");
    }

    fn step_of(&mut self, key: Key) -> (Key, KeyStep) {
        let minted = self.minted();
        let known = self.books.deduction(&minted.id).unwrap();
        let is_for_other = minted.for_card || minted.client != key.owner;
        match self.dice.throw(4) {
            0 if !is_for_other => {
                let back = known.as_ref().map_or(Units::ZERO, standing);
                let step = KeyStep::Void(Void { id: minted.id, client_id: Some(key.owner) });
                (key.without(&minted.id, back).changed(), step)
            }
            1 if !is_for_other => {
                let (amount, count) = (self.amount(), 1);
                let capture = Capture { id: minted.id, client_id: key.owner, amount, count };
                let taken = key.held(&minted.id).unwrap_or_default().min(amount);
                (key.settled(&minted.id, taken).changed(), KeyStep::Capture(capture, taken))
            }
            _ => {
                let again = !is_for_other && self.dice.throw(3) == 0;
                let minted = if again { minted } else { self.minted_for(key.owner) };
                let mut deduction = self.deduction(minted);
                if let Some(terms) = &mut deduction.hold {
                    terms.lease = None;
                }
                (key.with(&deduction).changed(), KeyStep::Deduct(deduction))
            }
        }
    }
}
