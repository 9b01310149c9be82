//! Idempotency keys.

use std::time::Duration;

use serde_json::json;

use crate::harness::{PAY, Sim, text};

#[tokio::test]
async fn the_same_call_gets_the_same_answer() {
    let sim = Sim::start().await;
    let first = sim.post_keyed("/v1/payment_intents", &PAY, "k1").await;
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = sim.post_keyed("/v1/payment_intents", &PAY, "k1").await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_ne!(again.header("request-id"), first.header("request-id"));
    assert_eq!(again.body, first.body);
    assert_eq!(sim.totals().await["charged"], 500);
}

#[tokio::test]
async fn a_decline_is_replayed_too() {
    let sim = Sim::start().await;
    let mut form = PAY;
    form[3].1 = "pm_card_visa_chargeDeclined";
    let first = sim.post_keyed("/v1/payment_intents", &form, "k1").await;
    let again = sim.post_keyed("/v1/payment_intents", &form, "k1").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (402, Some("true")));
    assert_eq!(again.body, first.body);
    assert_eq!(sim.get("/v1/payment_intents").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_call() {
    let sim = Sim::start().await;
    sim.post_keyed("/v1/payment_intents", &PAY, "k1").await.ok();
    let mut other = PAY;
    other[0].1 = "600";
    let error = sim.post_keyed("/v1/payment_intents", &other, "k1").await.error(400);
    assert_eq!(error["type"], "idempotency_error");
    assert!(text(&error, "message").contains("same parameters"), "{error:#}");
    let error = sim.post_keyed("/v1/customers", &[], "k1").await.error(400);
    assert_eq!(error["type"], "idempotency_error");
    assert!(text(&error, "message").contains("same endpoint"), "{error:#}");
}

/// Keys belong to the account: a secret key that is rotated does not charge again what the old one charged.
#[tokio::test]
async fn another_secret_key_gets_the_same_answer() {
    let mut sim = Sim::start().await;
    let first = sim.post_keyed("/v1/payment_intents", &PAY, "k1").await.ok();
    sim.key = "sk_test_other".to_owned();
    assert_eq!(sim.post_keyed("/v1/payment_intents", &PAY, "k1").await.ok(), first);
}

#[tokio::test]
async fn what_never_ran_is_not_stored() {
    let sim = Sim::start().await;
    let mut wrong = PAY;
    wrong[0].1 = "5.5";
    sim.post_keyed("/v1/payment_intents", &wrong, "k1").await.error(400);
    sim.post_keyed("/v1/payment_intents", &PAY, "k1").await.ok();
    // What ran and was refused is.
    let missing = [("confirm", "true"), ("customer", "cus_x")];
    sim.post_keyed("/v1/setup_intents", &missing, "k2").await.error(400);
    let again = sim.post_keyed("/v1/setup_intents", &missing, "k2").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (400, Some("true")));
}

#[tokio::test]
async fn a_key_is_in_use_while_its_call_runs() {
    let sim = Sim::start().await;
    sim.play("faults", json!({"action": "latency", "ms": 700, "path": "/v1/payment_intents"}))
        .await;
    let (first, second) = tokio::join!(sim.post_keyed("/v1/payment_intents", &PAY, "k1"), async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        sim.post_keyed("/v1/payment_intents", &PAY, "k1").await
    });
    assert_eq!(second.header("stripe-should-retry"), Some("true"));
    let error = second.error(409);
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("invalid_request_error"), &json!("idempotency_key_in_use"))
    );
    let first = first.ok();
    assert_eq!(sim.post_keyed("/v1/payment_intents", &PAY, "k1").await.ok(), first);
}
