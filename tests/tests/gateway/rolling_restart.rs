//! Two replicas are restarted in turn while requests are paid for: nobody notices, nothing is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use stripe402_tests::{
    ledger::Ledger,
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::{left_before, pay},
    command::ledger,
};

pub(super) const CONNECTIONS: usize = 16;
pub(super) const CLIENTS: usize = 4;
/// Enough for every request that these connections can send.
pub(super) const TOP_UP: i64 = 10_000_000;
pub(super) const JOKE: i64 = 100;
/// What a ledger may take to end: the drain, and what is under way.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// What the gateway's clients see: how many were served, and whatever else happened.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) served: i64,
    pub(super) failed: Vec<String>,
}

/// Pays over one connection, one request after the other, until told to stop.
pub(super) async fn keep_paying(url: String, client: String, stop: Arc<AtomicBool>) -> Seen {
    let http = reqwest::Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let payment = wire::encode(&json!({"clientId": client}));
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let answer = http.get(&url).header(wire::PAYMENT, &payment).send().await;
        match answer {
            Ok(answer) if answer.status() == 200 => seen.served += 1,
            Ok(answer) => seen.failed.push(format!("{}", answer.status())),
            Err(error) => seen.failed.push(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen
}

/// Pays with one new card after the other, so that there is always one that Stripe is charging.
async fn keep_charging_cards(stack: &Stack, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let card = stack.sim.fresh_card().await.unwrap();
        let answer = pay(stack, "/api/joke", json!({"paymentMethodId": card})).await;
        match answer.status {
            200 => seen.served += 1,
            _ => seen.failed.push(format!("{answer:?}")),
        }
    }
    seen
}

/// As Kubernetes replaces a Deployment's pods: SIGTERM, wait for the end, start, wait until gateways
/// find it; then the next.
pub(super) async fn restart_in_turn(stack: &Stack, ledgers: Vec<Ledger>) -> Vec<Ledger> {
    let mut restarted = Vec::new();
    for mut ledger in ledgers {
        let stopping = tokio::task::spawn_blocking(move || {
            assert!(ledger.process().stop_within(ENDS_WITHIN), "it had to be killed");
            ledger
        });
        ledger = stopping.await.unwrap();
        ledger.restart().await.unwrap();
        stack.healthy_ledgers(2).await.unwrap();
        restarted.push(ledger);
    }
    restarted
}

/// Two ledgers, as shipped, whose clients may give many cards.
pub(super) fn two_ledgers(store: &str) -> StackOptions {
    StackOptions::new()
        .workers(2)
        .replicas(2)
        .store(store)
        // As shipped.
        .ledger_env("LEDGER_DRAIN", "5s")
        .ledger_env("LEDGER_LIMIT_SOURCE_ATTEMPTS", "10000")
        // Whoever asks a ledger that is gone hears it at once; how fast a busy machine is, is not
        // shown here.
        .ledger_env("LEDGER_STORE_TIMEOUT", "5s")
        .filter(|filter| filter["ledger"]["timeout"] = "5s".into())
}

/// Clients with enough credits for the whole test.
pub(super) async fn rich_clients(stack: &Stack) -> Vec<String> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let card = stack.sim.fresh_card().await.unwrap();
        let first = json!({"paymentMethodId": card, "topUpAmount": TOP_UP});
        let receipt = pay(stack, "/api/joke", first).await.receipt();
        clients.push(receipt["clientId"].as_str().unwrap().to_owned());
    }
    clients
}

async fn nobody_notices(store: &str) {
    let mut stack = Stack::start(two_ledgers(store)).await.unwrap();
    stack.healthy_ledgers(2).await.unwrap();
    let clients = rich_clients(&stack).await;
    let stop = Arc::new(AtomicBool::new(false));
    let url = stack.url("/api/joke");
    let paying = (0..CONNECTIONS).map(|at| {
        let client = clients[at % CLIENTS].clone();
        tokio::spawn(keep_paying(url.clone(), client, Arc::clone(&stop)))
    });
    let paying: Vec<_> = paying.collect();

    let slow =
        json!({"path": "/v1/payment_intents", "action": "latency", "ms": 700, "times": 1_000});
    stack.sim.fault(&slow).await.unwrap();
    let ledgers = std::mem::take(&mut stack.ledgers);
    let restarting = async {
        let restarted = restart_in_turn(&stack, ledgers).await;
        stop.store(true, Ordering::Relaxed);
        restarted
    };
    let (ledgers, cards) = tokio::join!(restarting, keep_charging_cards(&stack, &stop));
    stack.ledgers = ledgers;

    let mut spent = [JOKE; CLIENTS];
    let mut failed = cards.failed;
    for (at, task) in paying.into_iter().enumerate() {
        let seen = task.await.unwrap();
        spent[at % CLIENTS] += seen.served * JOKE;
        failed.extend(seen.failed);
    }
    let served = spent.iter().sum::<i64>() / JOKE;
    assert!(failed.is_empty(), "{} of {served} failed: {:?}", failed.len(), failed.first());
    assert!(served > 500, "{served} are no load");
    assert!(cards.served > 5, "{} cards", cards.served);
    let forwarded = i64::try_from(stack.upstream.recorder().count()).unwrap();
    assert_eq!(forwarded, served + cards.served);
    let by_cards = i64::try_from(CLIENTS).unwrap() * TOP_UP + cards.served * 50_000;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged * 100, by_cards);
    for (client, spent) in clients.iter().zip(spent) {
        assert_eq!(left_before(&stack, client).await, TOP_UP - spent);
    }
    let said = ledger(&stack, store, &["verify"]);
    assert_eq!(said.code, 0, "{} {}", said.json, said.error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_redis_are_restarted_without_a_failed_request() {
    let redis = Redis::start().await.unwrap();
    nobody_notices(&redis.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_postgresql_are_restarted_without_a_failed_request() {
    let postgres = Postgres::start().await.unwrap();
    nobody_notices(&postgres.url()).await;
}
