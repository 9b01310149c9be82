//! `SERVER_SECRET` is rotated by the documented steps, on two ledgers, while clients pay and new cards
//! come: by two PaymentMethods each, at once, so that both ledgers meet them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use stripe402_tests::{
    card,
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{left_before, pay},
    command::ledger,
    rolling_restart::{
        CLIENTS, CONNECTIONS, JOKE, TOP_UP, keep_paying, restart_in_turn, rich_clients, two_ledgers,
    },
};

const NEW: &str = "a newer secret of some length";
/// A client that hears 503 tries again, so often at the most.
const TRIES: usize = 100;

/// Pays with it until it is served, as a client that is told to retry; answers whose it is.
async fn served(stack: &Stack, method: &str) -> String {
    for _ in 0..TRIES {
        let answer = pay(stack, "/api/joke", json!({"paymentMethodId": method})).await;
        match answer.status {
            200 => return answer.receipt()["clientId"].as_str().unwrap().to_owned(),
            503 => tokio::time::sleep(Duration::from_millis(100)).await,
            other => panic!("{other}: {answer:?}"),
        }
    }
    panic!("never served");
}

/// New cards, one after the other: number → its client.
async fn cards_come(stack: &Stack, stop: &AtomicBool) -> BTreeMap<String, String> {
    let mut clients = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let number = card::fresh().unwrap();
        let one = stack.sim.payment_method(&number, "123").await.unwrap();
        let other = stack.sim.payment_method(&number, "123").await.unwrap();
        let (first, second) = tokio::join!(served(stack, &one), served(stack, &other));
        assert_eq!(first, second, "one card is one client");
        clients.insert(number, first);
    }
    clients
}

async fn rotates(store: &str, options: StackOptions) {
    let mut stack = Stack::start(options).await.unwrap();
    stack.healthy_ledgers(2).await.unwrap();
    let clients = rich_clients(&stack).await;
    let stop = Arc::new(AtomicBool::new(false));
    let url = stack.url("/api/joke");
    let paying: Vec<_> = (0..CONNECTIONS)
        .map(|at| {
            let client = clients[at % CLIENTS].clone();
            tokio::spawn(keep_paying(url.clone(), client, Arc::clone(&stop)))
        })
        .collect();
    let old = stack.secrets.server_secret.clone();
    let mut ledgers = std::mem::take(&mut stack.ledgers);
    let rotating = async {
        for secrets in [format!("{old},{NEW}"), format!("{NEW},{old}")] {
            for ledger in &mut ledgers {
                let spec = ledger.process().spec_mut();
                spec.env.insert("SERVER_SECRET".to_owned(), secrets.clone());
            }
            ledgers = restart_in_turn(&stack, ledgers).await;
        }
        stop.store(true, Ordering::Relaxed);
        ledgers
    };
    let (ledgers, cards) = tokio::join!(rotating, cards_come(&stack, &stop));
    stack.ledgers = ledgers;
    let mut spent = [JOKE; CLIENTS];
    for (at, task) in paying.into_iter().enumerate() {
        let seen = task.await.unwrap();
        spent[at % CLIENTS] += seen.served * JOKE;
        assert!(seen.failed.is_empty(), "{} failed: {:?}", seen.failed.len(), seen.failed.first());
    }
    assert!(cards.len() > 5, "{} cards", cards.len());
    let rich = i64::try_from(CLIENTS).unwrap() * TOP_UP;
    let charged = rich + i64::try_from(cards.len()).unwrap() * 50_000;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged * 100, charged, "once each");
    for (client, spent) in clients.iter().zip(spent) {
        assert_eq!(left_before(&stack, client).await, TOP_UP - spent);
    }
    for (number, client) in &cards {
        let method = stack.sim.payment_method(number, "123").await.unwrap();
        assert_eq!(served(&stack, &method).await, *client);
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged * 100, charged);
    let said = ledger(&stack, store, &["verify"]);
    assert_eq!(said.code, 0, "{} {}", said.json, said.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_on_redis_rotate_their_secret() {
    let redis = Redis::start().await.unwrap();
    rotates(&redis.url(), two_ledgers(&redis.url())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_on_postgresql_rotate_their_secret() {
    let postgres = Postgres::start().await.unwrap();
    rotates(&postgres.url(), two_ledgers(&postgres.url())).await;
}
