//! No ledger, no service, no charge.

use std::time::{Duration, Instant};

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{Answer, left_before, paid_client, pay, send};

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.body["error"]["code"], "ledger_unavailable");
}

#[tokio::test]
async fn a_ledger_that_is_gone_serves_nothing_and_comes_back() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let card = stack.sim.fresh_card().await.unwrap();
    stack.ledger().unwrap().process().kill9();
    for payment in [json!({"clientId": client}), json!({"paymentMethodId": card})] {
        let start = Instant::now();
        assert_unavailable(&pay(&stack, "/api/joke", payment).await);
        assert!(start.elapsed() < Duration::from_secs(3), "the client was kept waiting");
    }
    assert_eq!(send(stack.get("/api/joke")).await.challenge()["price"], 100, "prices need none");
    assert_eq!(send(stack.get("/api/health")).await.status, 200, "free routes need none");
    assert_eq!(stack.upstream.recorder().count(), 2);

    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    assert_eq!(left_before(&stack, &client).await, 49_500);
}

/// A ledger that hangs may or may not have charged: the gateway answers in time, and takes back.
#[tokio::test]
async fn a_ledger_that_hangs_is_not_waited_for() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    stack.ledger().unwrap().process().pause();
    let start = Instant::now();
    assert_unavailable(&pay(&stack, "/api/joke", json!({"clientId": client})).await);
    assert!(start.elapsed() < Duration::from_secs(3), "longer than ledger.timeout");
    stack.ledger().unwrap().process().resume();
    stack.healthy_ledgers(1).await.unwrap();
    // The charge that was under way is voided with the next tick, whether it was made or not.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(left_before(&stack, &client).await, 49_500);
}

#[tokio::test]
async fn a_wrong_token_is_the_operators_to_mend() {
    let options = StackOptions::new().ledger_env("LEDGER_TOKEN", "another token than Envoy's");
    let stack = Stack::start(options).await.unwrap();
    let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": "pm_card_visa"})).await;
    assert_unavailable(&answer);
    assert!(stack.sim.calls("/v1").await.unwrap().is_empty());
    let log = std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap();
    assert!(log.contains("missing or wrong token"), "{log}");
}

/// Stripe away: the client is told to come back, and the retry finds the credits.
#[tokio::test]
async fn an_answer_of_stripes_that_is_lost_charges_once() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for action in ["drop_after", "drop_before"] {
        let card = stack.sim.fresh_card().await.unwrap();
        let before = stack.sim.totals("usd").await.unwrap().charged;
        let rule = json!({"method": "POST", "path": "/v1/payment_intents", "action": action});
        stack.sim.fault(&rule).await.unwrap();
        let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
        assert_eq!(receipt["creditsRemaining"], 49_900, "{action}");
        assert_eq!(stack.sim.totals("usd").await.unwrap().charged - before, 500, "{action}");
    }
}

#[tokio::test]
async fn a_charge_that_takes_too_long_is_credited_all_the_same() {
    let options = StackOptions::new().ledger_env("LEDGER_PAYMENT_DEADLINE", "1s");
    let stack = Stack::start(options).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let slow = json!({"path": "/v1/payment_intents", "action": "latency", "ms": 2_000});
    stack.sim.fault(&slow).await.unwrap();
    let payment = json!({"paymentMethodId": card});
    assert_unavailable(&pay(&stack, "/api/joke", payment.clone()).await);
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    let receipt = pay(&stack, "/api/joke", payment).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_900, "credited once, deducted once");
    assert!(receipt.get("chargeId").is_none(), "the retry found the credits");
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}
