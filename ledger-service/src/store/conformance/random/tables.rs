//! The end of a random run: every table that a store shows is the one that the pure books come to.

use super::{super::shown, by_key::without_revision, world::World};
use crate::{
    accounting::{self, AccountKey, DeductionRecord, TopUp},
    store::Store,
};

/// Panics, naming the seed, if a table differs.
pub(super) async fn compare(store: &dyn Store, world: &World, seed: &str) {
    for key in &world.keys {
        let known = accounting::Book::account(&world.books, key).unwrap();
        assert_eq!(store.account(*key).await.unwrap(), known, "{seed}");
        let lots = accounting::balance(&world.books, key).unwrap().grants.lots().to_vec();
        assert_eq!(store.balance(*key).await.unwrap().grants.lots(), lots, "{seed}");
        let listed = store.accounts(Some(key.client), None, usize::MAX).await.unwrap();
        assert_eq!(listed, accounts(world, key), "{seed}");
        // Commands came one by one, so there is one order that movements can be in.
        let posted = store.movements(*key).await.unwrap().into_iter();
        let posted: Vec<_> = posted.map(|movement| movement.posting).collect();
        assert_eq!(posted, shown::postings(&world.books, key), "{seed}");
        let mut summed = store.tallies(*key).await.unwrap();
        summed.sort_unstable();
        assert_eq!(summed, shown::tallies(&world.books, key), "{seed}");
        let kept = store.deductions(*key, usize::MAX).await.unwrap();
        assert_eq!(kept, shown::deductions(&world.books, key), "{seed}");
        let mut open = store.open_holds(Some(key.client), usize::MAX).await.unwrap();
        open.retain(|(_, hold)| hold.account == *key);
        open.sort_unstable_by_key(|(id, _)| *id);
        let held = world.books.holds().iter().filter(|(_, hold)| hold.account == *key);
        let held: Vec<_> = held.map(|(id, hold)| (*id, hold.clone())).collect();
        assert_eq!(open, held, "{seed}");
        for (id, record) in world.books.deductions() {
            let own = DeductionRecord::shown_to(&key.client, None, Some(record.clone()));
            let shown = store.deduction(key.client, *id).await.unwrap();
            assert_eq!(shown, own, "{seed}: {id}");
        }
        let customer = store.customer(key.client).await.unwrap();
        assert_eq!(customer.as_ref(), world.customers.get(&key.client), "{seed}");
    }
    for hash in &world.by_hash {
        let known = accounting::Book::key(&world.books, hash).unwrap();
        let kept = without_revision(store.key(*hash).await.unwrap());
        assert_eq!(kept, without_revision(known), "{seed}");
    }
    for id in &world.top_ups {
        let known = accounting::Book::top_up(&world.books, id).unwrap();
        assert_eq!(store.top_up(*id).await.unwrap(), known, "{seed}");
    }
    // Others' are listed, too: cases share a server.
    let mut open = store.unfinished_top_ups().await.unwrap();
    open.retain(|top_up| world.keys.contains(&top_up.account));
    open.sort_by_key(|top_up| top_up.id);
    let is_open = |top_up: &&TopUp| !top_up.state.is_finished();
    let expected: Vec<_> = world.books.top_ups().values().filter(is_open).cloned().collect();
    assert_eq!(open, expected, "{seed}");
}

/// The accounts of this one's client.
fn accounts(world: &World, key: &AccountKey) -> Vec<AccountKey> {
    let own = world.books.accounts().keys().filter(|of| of.client == key.client);
    own.copied().collect()
}
