//! What keys do, among the random commands.

use std::time::Duration;

use stripe402_protocol::message::{Batch, Capture, DeductionOutcome::Leased, Void};

use super::{
    super::{
        cases::new_key,
        fixture::{batch, now_ms},
    },
    world::World,
};
use crate::{
    accounting::{self, Book as _, Key, KeyHash, Window},
    store::Store,
};

/// As it is kept, but for how often it was changed: a store may count each entry of a batch.
pub(super) fn without_revision(key: Option<Key>) -> Option<Key> {
    key.map(|key| Key { revision: 0, ..key })
}

impl World {
    /// Makes a key, changes one, or has one do something.
    pub(super) async fn by_key(&mut self, store: &dyn Store, at: &str) {
        if self.by_hash.len() < 3 {
            let of = *self.dice.pick(&self.keys);
            let (hash, key) = new_key(of, 20_000);
            self.by_hash.push(hash);
            accounting::change_key(&mut self.books, &hash, &key).unwrap();
            assert!(store.change_key(hash, key).await.unwrap(), "{at}");
            return;
        }
        if self.dice.throw(20) == 0 {
            self.rotate(store, at).await;
        }
        let hash = *self.dice.pick(&self.by_hash);
        let (own, kept) = (self.books.key(&hash).unwrap(), store.key(hash).await.unwrap());
        assert_eq!(without_revision(kept.clone()), without_revision(own.clone()), "{at}");
        if self.dice.throw(10) == 0 {
            self.change(store, hash, [own.unwrap(), kept.unwrap()], at).await;
            return;
        }
        let batch = self.batch_of(&own.unwrap());
        let window = Window::at(now_ms(), Duration::from_secs(7 * 86_400), Duration::from_secs(60));
        let expected = accounting::apply_by_key(&mut self.books, &hash, &batch, &window).unwrap();
        let mut answer = store.batch_by_key(hash, batch.clone()).await.unwrap();
        // What a slow server has not begun in time is asked for again; it comes last.
        for _ in 0..20 {
            let pairs = answer.deductions.iter().zip(&expected.deductions);
            let begun = pairs.take_while(|(got, of)| got == of || got.1 != Leased).count();
            if begun == answer.deductions.len() {
                break;
            }
            let left = Batch { deductions: batch.deductions[begun..].to_vec(), ..Batch::default() };
            let left = Batch { version: batch.version, ..left };
            answer.deductions.truncate(begun);
            answer.deductions.extend(store.batch_by_key(hash, left).await.unwrap().deductions);
        }
        assert_eq!(answer, expected, "{at}: {batch:?}");
    }

    /// More budget, or another label; now and then of a key that was read too early.
    async fn change(&mut self, store: &dyn Store, hash: KeyHash, of: [Key; 2], at: &str) {
        let early = u64::from(self.dice.throw(4) == 0);
        let [own, kept] = of.map(|key| {
            let mut budget = key.budget;
            budget.total = budget.total.and_then(|total| total.checked_add(total));
            let revision = key.revision - early;
            Key { label: at.to_owned(), budget, revision, ..key }.changed()
        });
        let expected = accounting::change_key(&mut self.books, &hash, &own).unwrap();
        assert_eq!(store.change_key(hash, kept).await.unwrap(), expected, "{at}");
    }

    /// Rotates the client that has accounts in two currencies, once it has one: mostly its ids so far go on
    /// spending. Now and then as of what was read too early.
    async fn rotate(&mut self, store: &dyn Store, at: &str) {
        let of = self.keys[0];
        let is_known = !store.accounts(Some(of.client), None, 1).await.unwrap().is_empty();
        let before = self.books.account(&of).unwrap().rotation;
        if !is_known || before.generation > 8 {
            return;
        }
        let grace_ms = if self.dice.throw(8) == 0 { 0 } else { 3_600_000 };
        let after = before.next(grace_ms, now_ms(), self.dice.throw(1 << 53)).unwrap();
        let read = if self.dice.throw(4) == 0 { after } else { before };
        let expected = self.books.rotate(&of.client, read, after);
        assert_eq!(store.rotate(of.client, read, after).await.unwrap(), expected, "{at}");
        if expected {
            let (hash, key) = new_key(of, 1);
            let plain = Key::new(key.owner, key.label, of.currency, key.created_ms);
            let key = Key { generation: Some(after.generation), ..plain };
            self.by_hash.push(hash);
            accounting::change_key(&mut self.books, &hash, &key).unwrap();
            assert!(store.change_key(hash, key).await.unwrap(), "{at}");
        }
    }

    fn batch_of(&mut self, key: &Key) -> Batch {
        let (mut deductions, mut voids, mut captures) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..=self.dice.throw(4) {
            let minted = self.minted();
            let is_own = !minted.for_card && minted.client == key.owner;
            match self.dice.throw(4) {
                0 if is_own => {
                    voids.push(Void { id: minted.id, client_id: Some(key.owner) });
                }
                1 if is_own => {
                    let (amount, count) = (self.amount(), 1);
                    captures.push(Capture { id: minted.id, client_id: key.owner, amount, count });
                }
                _ => {
                    let again = is_own && self.dice.throw(3) == 0;
                    let minted = if again { minted } else { self.minted_for(key.owner) };
                    deductions.push(self.deduction(minted));
                }
            }
        }
        Batch { captures, ..batch(deductions, voids) }
    }
}
