//! Many commands at once, and many at random.

use std::sync::Arc;

use super::super::{Options, Subject, fixture::Asked, random};
use crate::store::Store;

/// Charges, voids and top-ups of ten clients, from many tasks on several replicas at once.
#[expect(clippy::print_stdout, reason = "what was counted is for people to read")]
fn tell(text: &str) {
    println!("{text}");
}

pub async fn hammering_ten_clients_loses_no_unit(subject: &dyn Subject) {
    const TASKS: usize = 64;
    const ROUNDS: usize = 25;
    let replicas = if subject.is_shared() { 4 } else { 1 };
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..replicas {
        stores.push(subject.open(Options::default()).await);
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
pub async fn random_commands_do_what_the_books_do(subject: &dyn Subject) {
    let store = subject.open(Options::default()).await;
    random::compare(store.as_ref(), random::steps()).await;
}
