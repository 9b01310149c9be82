//! The ledger dies at every step of a top-up that a key has begun: one charge, and it is credited.

use std::time::Duration;

use serde_json::json;
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use super::{charged_in_time, left, shown, terms};
use crate::{
    answer::pay,
    command::ends_sound,
    keys::{made, payer},
};

/// In the order of a top-up.
const STEPS: [&str; 4] = ["auto_begun", "opened", "charged", "credited"];

async fn dies_at(step: &str, store: Option<&str>) {
    let options = StackOptions::new();
    let options = store.map_or_else(StackOptions::new, |store| options.store(store));
    let mut stack = Stack::start(options).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let mut terms = terms();
    terms["autoTopUp"]["below"] = json!(49_000);
    let key = made(&stack, &card, terms).await;
    let payment = json!({"clientId": key["key"]});
    let env = &mut stack.ledger().unwrap().process().spec_mut().env;
    env.insert("LEDGER_FAILPOINT".into(), step.into());
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    // $4.95, less $0.05 twice: the second one is the first below $4.90.
    let mut served = 0;
    for _ in 0..200 {
        served += i64::from(pay(&stack, "/api/weather", payment.clone()).await.status == 200);
        if stack.ledger().unwrap().process().exited().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(stack.ledger().unwrap().process().exited().is_some(), "{step}: it lives");
    stack.ledger().unwrap().process().spec_mut().env.remove("LEDGER_FAILPOINT");
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    // One more request: whoever sees the balance low goes on with what was begun.
    pay(&stack, "/api/weather", payment.clone()).await.receipt();
    served += 1;
    assert_eq!(charged_in_time(&stack, 1_000).await, 1_000, "{step}: charged once");
    let mut seen = 0;
    for _ in 0..200 {
        seen = left(&stack, &client).await;
        if seen == 100_000 - 500 - served * 500 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(seen, 100_000 - 500 - served * 500, "{step}: credited once, {served} served");
    assert_eq!(shown(&stack, &card).await["thisMonth"], 50_000, "{step}: counted once");
    ends_sound(&mut stack, store, step);
}

#[tokio::test]
async fn at_every_step_on_a_file() {
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
