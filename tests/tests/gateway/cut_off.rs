//! The ledger dies at every step of a card payment, on every store: after its next start what the
//! card was charged is what was credited, and the request that was not served cost nothing.

use std::time::Duration;

use serde_json::json;
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{left_before, pay},
    command::ends_sound,
};

/// Where it dies: `ledger-service/src/payments/`, in the order of a card payment.
const STEPS: [&str; 6] =
    ["opened", "customer", "charged", "credited", "before_deduction", "deducted"];

async fn dies_at(step: &str, store: Option<&str>) {
    let mut options = StackOptions::new().ledger_env("LEDGER_FAILPOINT", step);
    if let Some(store) = store {
        options = options.store(store);
    }
    let mut stack = Stack::start(options).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let payment = json!({"paymentMethodId": card});
    assert_eq!(pay(&stack, "/api/weather", payment.clone()).await.status, 503, "{step}");
    // Its sockets close a moment before it is gone.
    for looked in 0.. {
        if stack.ledger().unwrap().process().exited().is_some() {
            break;
        }
        assert!(looked < 200, "{step}: it lives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stack.ledger().unwrap().process().spec_mut().env.remove("LEDGER_FAILPOINT");
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();

    // Envoy's workers hear a moment after its main thread that the ledger is healthy: until then nothing is asked.
    let mut answer = pay(&stack, "/api/weather", payment.clone()).await;
    for _ in 0..40 {
        if answer.status != 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = pay(&stack, "/api/weather", payment.clone()).await;
    }
    let receipt = answer.receipt();
    let client = receipt["clientId"].as_str().unwrap();
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500, "{step}: charged once");
    assert_eq!(stack.upstream.recorder().count(), 1, "{step}");
    // The void of the first request's charge rides with a later batch.
    let mut left = 0;
    for looks in 0..100 {
        left = left_before(&stack, client).await + looks * 100;
        if left == 49_500 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(left, 49_500, "{step}: credited once, one request paid");
    ends_sound(&mut stack, store, step);
}

#[tokio::test]
async fn at_every_step_on_the_embedded_store() {
    for step in STEPS {
        dies_at(step, None).await;
    }
}

#[tokio::test]
async fn at_every_step_on_redis() {
    for step in STEPS {
        let redis = Redis::start().await.unwrap();
        dies_at(step, Some(&redis.url())).await;
    }
}

#[tokio::test]
async fn at_every_step_on_postgresql() {
    for step in STEPS {
        let postgres = Postgres::start().await.unwrap();
        dies_at(step, Some(&postgres.url())).await;
    }
}
