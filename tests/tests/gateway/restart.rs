//! kill -9, and everything that was answered is still there.

use std::time::Duration;

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{left_before, paid_client, pay};

#[tokio::test]
async fn what_was_answered_survives_a_crash_of_the_ledger() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    for round in 1..=3 {
        for _ in 0..5 {
            pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
        }
        stack.ledger().unwrap().process().kill9();
        stack.ledger().unwrap().restart().await.unwrap();
        stack.healthy_ledgers(1).await.unwrap();
        // Five jokes a round, and one to look.
        assert_eq!(left_before(&stack, &client).await, 49_500 - round * 600 + 100);
    }
}

/// Killed while Stripe is charging: the card was charged, nobody was told. At its next start the
/// ledger asks Stripe with the same key, and credits.
#[tokio::test]
async fn a_charge_that_was_cut_off_is_credited_at_the_next_start() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let slow = json!({
        "path": "/v1/payment_intents", "action": "latency", "when": "after", "ms": 3_000,
    });
    stack.sim.fault(&slow).await.unwrap();
    let request = stack.pay("/api/joke", &json!({"paymentMethodId": card}));
    let request = tokio::spawn(crate::answer::send(request));
    while stack.sim.totals("usd").await.unwrap().charged == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stack.ledger().unwrap().process().kill9();
    assert_eq!(request.await.unwrap().status, 503);
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();

    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_900, "credited once, deducted once");
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// A gateway that is restarted has nothing to remember.
#[tokio::test]
async fn a_gateway_that_crashes_loses_nothing_that_was_answered() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    stack.envoy.process().kill9();
    stack.envoy.restart().await.unwrap();
    assert_eq!(left_before(&stack, &client).await, 49_500);
}
