//! Many at once.

use std::sync::Arc;

use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{Answer, paid_client, pay};

async fn all_at_once(stack: &Arc<Stack>, path: &'static str, payments: Vec<Value>) -> Vec<Answer> {
    let tasks: Vec<_> = payments
        .into_iter()
        .map(|payment| {
            let stack = Arc::clone(stack);
            tokio::spawn(async move { pay(&stack, path, payment).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn served(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn a_hundred_first_requests_charge_one_card_once() {
    let stack = Arc::new(Stack::start(StackOptions::new().workers(2)).await.unwrap());
    let card = stack.sim.fresh_card().await.unwrap();
    let payments = vec![json!({"paymentMethodId": card}); 100];
    let answers = all_at_once(&stack, "/api/weather", payments).await;
    assert_eq!(served(&answers), 100, "{:?}", answers.iter().find(|a| a.status != 200));
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    let by_card = answers.iter().filter(|answer| answer.receipt().get("chargeId").is_some());
    assert_eq!(by_card.count(), 1, "one receipt for one charge");
    let mut left: Vec<_> =
        answers.iter().map(|a| a.receipt()["creditsRemaining"].as_i64().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, (0..100).map(|n| n * 500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_balance_is_never_overspent() {
    let stack = Arc::new(Stack::start(StackOptions::new().workers(2)).await.unwrap());
    let client = paid_client(&stack).await;
    let answers = all_at_once(&stack, "/api/weather", vec![json!({"clientId": client}); 150]).await;
    assert_eq!(served(&answers), 99);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.challenge()["error"], "insufficient_credits");
    }
    assert_eq!(stack.upstream.recorder().count(), 100);
}

/// The first one's refusal is everybody's, and the bank is asked once.
#[tokio::test]
async fn those_who_wait_for_a_refused_card_are_refused_with_it() {
    let stack = Arc::new(Stack::start(StackOptions::new()).await.unwrap());
    let slow = json!({"path": "/v1/payment_intents", "action": "latency", "ms": 1_500});
    stack.sim.fault(&slow).await.unwrap();
    let card = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    let answers =
        all_at_once(&stack, "/api/joke", vec![json!({"paymentMethodId": card}); 20]).await;
    for answer in &answers {
        assert_eq!(answer.refused(), "card_declined");
    }
    let calls = stack.sim.calls("/v1/payment_intents").await.unwrap();
    assert_eq!(calls.iter().filter(|call| call.method == "POST").count(), 1);
}
