//! Many commands at once, and many at random.

use std::sync::Arc;

use super::super::{Options, StoreUnderTest, concurrent, fixture::Asked, random};
use crate::store::Store;

#[expect(clippy::print_stdout, reason = "what was counted is for people to read")]
fn tell(text: &str) {
    println!("{text}");
}

/// Charges, voids and top-ups of ten clients, from many tasks on several replicas at once.
pub async fn hammering_ten_clients_loses_no_unit(under_test: &dyn StoreUnderTest) {
    const TASKS: usize = 64;
    const ROUNDS: usize = 25;
    let replicas = if under_test.is_shared() { 4 } else { 1 };
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..replicas {
        stores.push(under_test.open(Options::default()).await);
    }
    let store = Asked(Arc::clone(&stores[0]));
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(store.account_with(500).await);
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Asked(Arc::clone(&stores[task % stores.len()]));
            let keys = keys.clone();
            tokio::spawn(async move { random::hammer(&store.0, &keys, task, ROUNDS).await })
        })
        .collect();
    let mut expected = vec![500_i64; keys.len()];
    for task in tasks {
        for (sum, delta) in expected.iter_mut().zip(task.await.unwrap()) {
            *sum += delta;
        }
    }
    let total: i64 = expected.iter().sum();
    tell(&format!(
        "{TASKS} tasks on {replicas} replicas, {} commands: {total} units answered, and in the books",
        TASKS * ROUNDS
    ));
    for (key, expected) in keys.iter().zip(expected) {
        assert_eq!(store.left(*key).await, expected, "what was answered is what there is");
    }
    store.verify(&keys).await;
}

/// Random commands, on the store and on the pure books: the same answers, the same accounts.
pub async fn random_commands_do_what_the_books_do(under_test: &dyn StoreUnderTest) {
    let store = under_test.open(Options::default()).await;
    random::compare(store.as_ref(), random::steps()).await;
}

/// Few things, and many tasks on several replicas that want them at once: their answers are those of
/// one order. What is to collide must have done so, or nothing is shown.
pub async fn concurrent_commands_have_an_order(under_test: &dyn StoreUnderTest) {
    /// From so many histories on, each of these must have been answered.
    const ENOUGH: usize = 60;
    const ANSWERS: &str = "charge charged, charge voided, card charge charged, card charge voided, \
        void marked, void voided, void repeated, nameless void marked, nameless void repeated, \
        hold done, hold refused, capture done, capture refused, release done, release refused, \
        freeze done, unfreeze done, open new, open busy, advance done, advance moved, \
        advance finished, account read";
    let rounds = concurrent::rounds();
    let mut stores = Vec::new();
    for _ in 0..if under_test.is_shared() { 3 } else { 1 } {
        stores.push(under_test.open(Options::default()).await);
    }
    let began = std::time::Instant::now();
    let report = concurrent::run(&stores, rounds, random::seed()).await;
    let report = report.unwrap_or_else(|why| panic!("{why}"));
    tell(&format!(
        "{rounds} histories, {} operations, {} pairs of them at once, in {:?}: {:?}",
        report.operations,
        report.overlaps,
        began.elapsed(),
        report.answers
    ));
    let missing = ANSWERS.split(", ").filter(|answer| !report.answers.contains_key(*answer));
    let missing: Vec<_> = missing.collect();
    assert!(rounds < ENOUGH || missing.is_empty(), "never answered: {missing:?}");
    assert!(report.overlaps >= rounds, "{} pairs at once in {rounds}", report.overlaps);
}
