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

/// Stripe did the work and stored a failure of its own under the key: it repeats that for a day.
/// The ledger looks for the PaymentIntent instead, and credits it.
#[tokio::test]
async fn a_failure_that_stripe_repeats_is_settled_by_looking() {
    let options = StackOptions::new()
        .ledger_env("LEDGER_SETTLE_AFTER", "500ms")
        .ledger_env("LEDGER_PAYMENT_DEADLINE", "10s");
    let stack = Stack::start(options).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let broken = json!({
        "method": "POST", "path": "/v1/payment_intents",
        "action": "status", "status": 500, "when": "after",
    });
    stack.sim.fault(&broken).await.unwrap();
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_900);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);

    // Nothing was made, and nobody's card was refused: the client may try again at once.
    let card = stack.sim.fresh_card().await.unwrap();
    let down = json!({
        "method": "POST", "path": "/v1/payment_intents",
        "action": "status", "status": 500, "when": "before", "times": 0,
    });
    stack.sim.fault(&down).await.unwrap();
    let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    stack.sim.clear_faults().await.unwrap();
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_900);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 1_000);
}

/// A cardholder who never confirms is not waited for, and one who did in silence is credited.
#[tokio::test]
async fn what_waits_for_a_cardholder_is_closed_in_time() {
    let options = StackOptions::new()
        .ledger_env("LEDGER_CONFIRMATION", "1s")
        .ledger_env("LEDGER_SWEEP", "300ms");
    let stack = Stack::start(options).await.unwrap();
    let asked = async |confirmed: bool| {
        let card = stack.sim.payment_method("4000002760003184", "123").await.unwrap();
        let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
        let intent = answer.body["paymentIntentId"].as_str().unwrap().to_owned();
        if confirmed {
            stack.sim.authenticate(&intent, true).await.unwrap();
        }
        let path = format!("/v1/payment_intents/{intent}");
        for _ in 0..100 {
            let found = stack.sim.api_get(&path).await.unwrap();
            if found["status"] == "canceled" {
                return (card, "canceled");
            }
            let log = std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap();
            if log.contains("state=\"credited\"") {
                return (card, "credited");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (card, "left open")
    };
    assert_eq!(asked(false).await.1, "canceled");
    let (card, what) = asked(true).await;
    assert_eq!(what, "credited");
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_900);
}
