//! kill -9 at any moment under load: what was served was paid for, once, and nothing else was.
//!
//! A few rounds here; `make soak` runs many (`STRIPE402_CRASHES`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
    wire,
};

fn rounds() -> u32 {
    let set = std::env::var("STRIPE402_CRASHES").ok();
    set.and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

/// Asks again and again; answers how often it was served.
async fn hammer(
    client: reqwest::Client,
    url: String,
    payment: String,
    stop: Arc<AtomicBool>,
) -> i64 {
    let mut served = 0;
    while !stop.load(Ordering::SeqCst) {
        let answer = client.get(&url).header(wire::PAYMENT, &payment).send().await.unwrap();
        match answer.status().as_u16() {
            200 => served += 1,
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
    served
}

async fn survives(mut stack: Stack) {
    let card = stack.sim.fresh_card().await.unwrap();
    let top_up = json!({"paymentMethodId": card, "topUpAmount": 10_000_000});
    let paid = crate::answer::pay(&stack, "/api/joke", top_up).await.receipt();
    let client = paid["clientId"].as_str().unwrap().to_owned();
    let payment = wire::encode(&json!({"clientId": client}));
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (http, url) = (stack.client.clone(), stack.url("/api/joke"));
            tokio::spawn(hammer(http, url, payment.clone(), Arc::clone(&stop)))
        })
        .collect();
    for round in 0..rounds() {
        // Moments that are not multiples of anything.
        let moment = 150 + u64::from(round) * 397 % 611;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        stack.ledger().unwrap().process().kill9();
        stack.ledger().unwrap().restart().await.unwrap();
    }
    stack.healthy_ledgers(1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::SeqCst);
    let mut served = 1;
    for task in tasks {
        served += task.await.unwrap();
    }
    assert_eq!(served, i64::try_from(stack.upstream.recorder().count()).unwrap());
    // Voids of what was under way ride with the next batches; each look costs one joke.
    for _ in 0..100 {
        let left = crate::answer::left_before(&stack, &client).await;
        if left == 10_000_000 - served * 100 {
            return;
        }
        served += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = crate::answer::left_before(&stack, &client).await;
    panic!("{served} served, {} units taken", 10_000_000 - left);
}

#[tokio::test]
async fn the_embedded_store_survives_its_ledger() {
    survives(Stack::start(StackOptions::new()).await.unwrap()).await;
}

#[tokio::test]
async fn postgresql_survives_its_ledger() {
    let postgres = Postgres::start().await.unwrap();
    survives(Stack::start(StackOptions::new().store(&postgres.url())).await.unwrap()).await;
}

#[tokio::test]
async fn redis_survives_its_ledger() {
    let redis = Redis::start().await.unwrap();
    survives(Stack::start(StackOptions::new().store(&redis.url())).await.unwrap()).await;
}
