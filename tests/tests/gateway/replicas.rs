//! Several ledgers on one store.

use std::sync::Arc;

use serde_json::{Value, json};
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::answer::{Answer, paid_client, pay};

async fn three_ledgers(store: &str) -> Arc<Stack> {
    // What is shown here is who is charged, not how fast a busy machine is.
    let options = StackOptions::new()
        .workers(2)
        .replicas(3)
        .store(store)
        .ledger_env("LEDGER_STORE_TIMEOUT", "20s")
        .filter(|filter| filter["ledger"]["timeout"] = "20s".into());
    Arc::new(Stack::start(options).await.unwrap())
}

async fn at_once(stack: &Arc<Stack>, payments: Vec<Value>) -> Vec<Answer> {
    let tasks: Vec<_> = payments
        .into_iter()
        .map(|payment| {
            let stack = Arc::clone(stack);
            tokio::spawn(async move { pay(&stack, "/api/weather", payment).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// A hundred first requests with one new card, then a hundred of a client without credits, then
/// with two PaymentMethods of one card: one charge each time.
async fn one_card_is_charged_once(store: &str) {
    let stack = three_ledgers(store).await;
    let number = stripe402_tests::card::fresh().unwrap();
    let one = stack.sim.payment_method(&number, "123").await.unwrap();
    let other = stack.sim.payment_method(&number, "123").await.unwrap();
    let by = |card: &str| json!({"paymentMethodId": card});
    let mut charged = 0;
    for cards in [[&one, &one], [&one, &one], [&one, &other]] {
        let payments = (0..100).map(|n| by(cards[n % 2])).collect();
        let answers = at_once(&stack, payments).await;
        let failed = answers.iter().find(|answer| answer.status != 200);
        assert!(failed.is_none(), "{failed:?}");
        charged += 500;
        assert_eq!(stack.sim.totals("usd").await.unwrap().charged, charged);
        let mut left: Vec<_> =
            answers.iter().map(|a| a.receipt()["creditsRemaining"].as_i64().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, (0..100).map(|n| n * 500).collect::<Vec<_>>());
    }
}

async fn a_balance_is_one_balance(store: &str) {
    let stack = three_ledgers(store).await;
    let client = paid_client(&stack).await;
    let answers = at_once(&stack, vec![json!({"clientId": client}); 150]).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 99);
    assert_eq!(stack.upstream.recorder().count(), 100);
}

#[tokio::test]
async fn one_card_is_charged_once_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    one_card_is_charged_once(&postgres.url()).await;
}

#[tokio::test]
async fn one_card_is_charged_once_on_redis() {
    let redis = Redis::start().await.unwrap();
    one_card_is_charged_once(&redis.url()).await;
}

#[tokio::test]
async fn a_balance_is_one_balance_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    a_balance_is_one_balance(&postgres.url()).await;
}

#[tokio::test]
async fn a_balance_is_one_balance_on_redis() {
    let redis = Redis::start().await.unwrap();
    a_balance_is_one_balance(&redis.url()).await;
}
