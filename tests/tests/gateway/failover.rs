//! Masters of a Redis Cluster die under card charges: every card is charged once.
//!
//! A few rounds here; `make soak` runs many (`STRIPE402_FAILOVERS`).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use stripe402_tests::{
    redis::Redis,
    redis_cluster::RedisCluster,
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::{paid_client, pay},
    command::ledger,
};

/// Clients at once.
const CLIENTS: usize = 6;
/// What each card is charged: $0.50, in units and in cents.
const UNITS: i64 = 5_000;
const CENTS: i64 = 50;
/// Longer than a promotion and a sweep take.
const SETTLED: Duration = Duration::from_secs(6);

fn rounds() -> usize {
    let set = std::env::var("STRIPE402_FAILOVERS").ok();
    set.and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

#[expect(clippy::print_stdout, reason = "what a long proof counted is for people to read")]
fn tell(text: &str) {
    println!("{text}");
}

/// New cards, one after the other; each retries until it is served. Answers how many cards, and how
/// many 503.
async fn customers(stack: Arc<Stack>, stop: Arc<AtomicBool>) -> (i64, u32) {
    let (mut cards, mut unavailable) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        let card = stack.sim.fresh_card().await.unwrap();
        let payment = wire::encode(&json!({"paymentMethodId": card}));
        loop {
            let request = stack.client.get(stack.url("/api/joke")).header(wire::PAYMENT, &payment);
            let answer = crate::answer::send(request).await;
            match answer.status {
                200 => break,
                503 => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => panic!("nobody's card was refused: {answer:?}"),
            }
            unavailable += 1;
        }
        cards += 1;
    }
    (cards, unavailable)
}

/// The movements, and with each the amount.
fn credits(movements: &Value) -> Vec<(String, i64)> {
    let all = movements["movements"].as_array().unwrap().iter();
    let credits = all.filter(|movement| movement["kind"] == "top_up");
    let read =
        |of: &Value| (of["reference"].as_str().unwrap().into(), of["amount"].as_i64().unwrap());
    credits.map(read).collect()
}

#[tokio::test]
async fn every_card_is_charged_once_whichever_master_dies() {
    let mut cluster = RedisCluster::start().await.unwrap();
    let options = StackOptions::new()
        .store(&cluster.url())
        .filter(|filter| filter["min_top_up"] = UNITS.into())
        .filter(|filter| filter["routes"][0]["min_top_up"] = UNITS.into())
        .ledger_env("LEDGER_LIMIT_SOURCE_ATTEMPTS", "1000000")
        .ledger_env("LEDGER_LIMIT_ATTEMPTS", "1000000")
        .ledger_env("LEDGER_SWEEP", "1s");
    let stack = Arc::new(Stack::start(options).await.unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(customers(Arc::clone(&stack), Arc::clone(&stop))))
        .collect();
    for round in 0..rounds() {
        // Moments that are not multiples of anything.
        let moment = 300 + u64::try_from(round).unwrap() * 397 % 611;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        cluster.fail_over(round).await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let (mut cards, mut unavailable) = (0, 0);
    for task in tasks {
        let (served, failed) = task.await.unwrap();
        cards += served;
        unavailable += failed;
    }
    assert!(cards > i64::try_from(rounds()).unwrap(), "{cards} cards");
    tokio::time::sleep(SETTLED).await;
    let said = ledger(&stack, &cluster.url(), &["verify"]);
    assert_eq!(said.code, 0, "{} {}", said.json, said.error);
    let movements = ledger(&stack, &cluster.url(), &["transfers"]).json;
    let credits = credits(&movements);
    let credited: i64 = credits.iter().map(|(_, amount)| amount).sum();
    let charged = stack.sim.totals("usd").await.unwrap().charged;
    tell(&format!(
        "redis+cluster: {} masters killed, {cards} cards, {unavailable} answers of 503; \
         {charged} cents at Stripe, {credited} units in the books",
        rounds(),
    ));
    assert_eq!(charged, cards * CENTS, "each card is charged once");
    assert_eq!(credited, charged * 100, "credited is what Stripe took");
    let intents: BTreeSet<_> = credits.iter().map(|(intent, _)| intent).collect();
    assert_eq!(intents.len(), credits.len(), "each PaymentIntent is credited once");
}

/// Stripe does not hear of a refund whose plan no replica has, nor of a charge.
#[tokio::test]
async fn without_a_replica_that_was_asked_for_stripe_hears_nothing() {
    let redis = Redis::start().await.unwrap();
    let mut stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = paid_client(&stack).await;
    let charged = stack.sim.totals("usd").await.unwrap();
    let order = ["client", "refund", &client, "--amount", "10000", "--reference", "a"];
    let with = |replicas| [&order[..], &["--redis-wait-replicas", replicas]].concat();
    let said = ledger(&stack, &redis.url(), &with("1"));
    assert_eq!(said.code, 5, "{} {}", said.json, said.error);
    assert!(said.error.contains("0 of 1 replicas"), "{}", said.error);
    assert_eq!(stack.sim.totals("usd").await.unwrap(), charged);
    // The plan is there: the order that is repeated waits for a replica all the same.
    assert_eq!(ledger(&stack, &redis.url(), &with("1")).code, 5);
    assert_eq!(stack.sim.totals("usd").await.unwrap(), charged);
    assert_eq!(ledger(&stack, &redis.url(), &with("0")).code, 0);
    assert_eq!(stack.sim.totals("usd").await.unwrap().refunded, 100);

    let spec = stack.ledger().unwrap().process().spec_mut();
    spec.env.insert("LEDGER_REDIS_WAIT_REPLICAS".into(), "1".into());
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let intents = stack.sim.totals("usd").await.unwrap();
    assert_eq!(intents.charged, charged.charged);
    // Balances are spent as before.
    pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
}
