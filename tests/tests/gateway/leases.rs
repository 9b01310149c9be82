//! Leases: busy clients are paid for in the gateway, and the books come out the same.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{Answer, pay},
    command::ledger,
    metrics::wait_for,
};

const JOKE: i64 = 100;

fn with_leases() -> StackOptions {
    StackOptions::new().filter(|filter| filter["leases"] = json!({"enabled": true}))
}

/// A client that has bought so much, and one joke of it.
async fn client_with(stack: &Stack, amount: i64) -> (String, String) {
    let card = stack.sim.fresh_card().await.unwrap();
    let payment = json!({"paymentMethodId": card, "topUpAmount": amount});
    let receipt = pay(stack, "/api/joke", payment).await.receipt();
    (receipt["clientId"].as_str().unwrap().to_owned(), card)
}

async fn balance(stack: &Stack, client: &str) -> i64 {
    let path = "/.well-known/stripe402/balance";
    let answer = pay(stack, path, json!({"clientId": client})).await;
    answer.body["creditsRemaining"].as_i64().unwrap()
}

async fn leased(stack: &Stack, least: u64) -> u64 {
    wait_for(stack, "wasmcustom.stripe402_leased", least).await
}

/// Asks so often, so many at a time; how often each status came.
async fn ask(
    stack: &Arc<Stack>,
    payment: Value,
    times: usize,
    at_once: usize,
) -> BTreeMap<u16, usize> {
    let tasks: Vec<_> = (0..at_once)
        .map(|_| {
            let (stack, payment) = (Arc::clone(stack), payment.clone());
            tokio::spawn(async move {
                let mut found = BTreeMap::<u16, usize>::new();
                for _ in 0..times / at_once {
                    let Answer { status, .. } = pay(&stack, "/api/joke", payment.clone()).await;
                    *found.entry(status).or_default() += 1;
                }
                found
            })
        })
        .collect();
    let mut all = BTreeMap::new();
    for task in tasks {
        for (status, count) in task.await.unwrap() {
            *all.entry(status).or_default() += count;
        }
    }
    all
}

/// No lease is out any more: an idle one is handed over after a quarter of a second.
async fn settled(stack: &Stack, client: &str, expected: i64) {
    let start = Instant::now();
    let mut found = balance(stack, client).await;
    while found != expected && start.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        found = balance(stack, client).await;
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_is_left_is_exact_request_by_request() {
    let stack = Stack::start(with_leases()).await.unwrap();
    let (client, _) = client_with(&stack, 1_000_000).await;
    let mut left = 1_000_000 - JOKE;
    for _ in 0..600 {
        let answer = pay(&stack, "/api/joke", json!({"clientId": client})).await;
        left -= JOKE;
        assert_eq!(answer.receipt()["creditsRemaining"], left);
    }
    let leased = leased(&stack, 300).await;
    assert!(leased >= 300, "{leased} of 600 requests");
    settled(&stack, &client, left).await;
}

async fn the_books_come_out_the_same(store: &str) {
    let options = with_leases().workers(2).replicas(2).store(store);
    let stack = Arc::new(Stack::start(options).await.unwrap());
    let (client, _) = client_with(&stack, 2_000_000).await;
    // A quarter of them fails, and is given back.
    let spent = ask(&stack, json!({"clientId": client}), 2_000, 16).await;
    assert_eq!(spent, BTreeMap::from([(200, 2_000)]));
    for _ in 0..40 {
        assert_eq!(pay(&stack, "/api/fail", json!({"clientId": client})).await.status, 500);
    }
    settled(&stack, &client, 2_000_000 - 2_001 * JOKE).await;
    assert!(leased(&stack, 500).await >= 500);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ledger(&stack, store, &["verify"]).code, 0);
    let lost = stack.envoy.stat("wasmcustom.stripe402_leased_units_lost").await.unwrap();
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn the_books_come_out_the_same_on_redis() {
    let redis = Redis::start().await.unwrap();
    the_books_come_out_the_same(&redis.url()).await;
}

#[tokio::test]
async fn the_books_come_out_the_same_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    the_books_come_out_the_same(&postgres.url()).await;
}

/// Credit for a number of requests pays for as many, however many ask, and the card is charged again
/// when none is left.
#[tokio::test]
async fn the_last_credit_is_spent_and_then_the_card_is_charged_once() {
    let redis = Redis::start().await.unwrap();
    let options = with_leases().workers(2).replicas(2).store(&redis.url());
    let stack = Arc::new(Stack::start(options).await.unwrap());
    let (client, card) = client_with(&stack, 200_000).await;
    let spent = ask(&stack, json!({"clientId": client}), 2_560, 64).await;
    assert_eq!(spent, BTreeMap::from([(200, 1_999), (402, 561)]));
    assert!(leased(&stack, 100).await >= 100);
    settled(&stack, &client, 0).await;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 2_000);
    // With a card in hand nobody is refused.
    let with_card = json!({"clientId": client, "paymentMethodId": card, "topUpAmount": 200_000});
    let spent = ask(&stack, with_card, 1_920, 64).await;
    assert_eq!(spent, BTreeMap::from([(200, 1_920)]));
    settled(&stack, &client, 8_000).await;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 4_000, "one charge more");
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 0);
}

/// A request that costs nearly all there is comes while another worker's leases are out.
#[tokio::test]
async fn a_dear_request_waits_for_leases_to_come_back() {
    let stack = Arc::new(Stack::start(with_leases().workers(2)).await.unwrap());
    let (client, _) = client_with(&stack, 200_000).await;
    let busy = {
        let (stack, client) = (Arc::clone(&stack), client.clone());
        tokio::spawn(async move { ask(&stack, json!({"clientId": client}), 400, 8).await })
    };
    let mut dear = 0;
    while !busy.is_finished() {
        let answer = pay(&stack, "/api/weather", json!({"clientId": client})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        dear += 1;
    }
    assert_eq!(busy.await.unwrap(), BTreeMap::from([(200, 400)]));
    settled(&stack, &client, 200_000 - 401 * JOKE - dear * 500).await;
}

/// A gateway that dies takes with it what it had paid since it last handed over: the client has that,
/// and never pays for what it did not get.
#[tokio::test]
async fn a_gateway_that_is_killed_gives_away_what_it_had_not_handed_over() {
    let mut stack = Stack::start(with_leases()).await.unwrap();
    let (client, _) = client_with(&stack, 5_000_000).await;
    let (mut served, mut longest) = (1_i64, 0_i64);
    for _ in 0..3 {
        let end = Instant::now() + Duration::from_millis(900);
        let (mut recent, before) = (Vec::new(), served);
        while Instant::now() < end {
            pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
            served += 1;
            recent.push(Instant::now());
        }
        let killed = Instant::now();
        stack.envoy.process().kill9();
        // What was paid within one hand-over before.
        let window =
            recent.iter().filter(|at| killed.duration_since(**at) < Duration::from_millis(320));
        longest += i64::try_from(window.count()).unwrap();
        assert!(served > before);
        stack.envoy.restart().await.unwrap();
        // The ledger takes leases back when they end.
        tokio::time::sleep(Duration::from_millis(3_200)).await;
    }
    let found = balance(&stack, &client).await;
    let given = found - (5_000_000 - served * JOKE);
    assert!((0..=longest * JOKE).contains(&given), "{given} units given away, {longest} requests");
}
