//! Faults on demand, and the log of calls.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PAY, Sim, id};

/// Sends a payment whose connection is to be closed without an answer.
async fn dropped(sim: &Sim, key: &str) {
    let request = sim.request(reqwest::Method::POST, "/v1/payment_intents").bearer_auth(&sim.key);
    request.form(&PAY).header("Idempotency-Key", key).send().await.unwrap_err();
}

async fn charged(sim: &Sim) -> Value {
    sim.totals().await["charged"].clone()
}

#[tokio::test]
async fn a_connection_closes_before_or_after_the_work() {
    let sim = Sim::start().await;
    for action in ["drop_before", "drop_after"] {
        sim.play("faults", json!({"action": action, "method": "POST"})).await;
    }
    dropped(&sim, "k1").await;
    assert_eq!(charged(&sim).await, Value::Null);
    dropped(&sim, "k1").await;
    assert_eq!(charged(&sim).await, 500);
    let repeated = sim.post_keyed("/v1/payment_intents", &PAY, "k1").await;
    assert_eq!((repeated.status, repeated.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(charged(&sim).await, 500);
    let calls = sim.get("/_sim/calls?path=/v1/payment_intents").await.ok();
    let seen: Vec<_> = calls["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| {
            (call["status"].clone(), call["replayed"].clone(), call["idempotency_key"].clone())
        })
        .collect();
    let expected = [(Value::Null, false), (Value::Null, false), (json!(200), true)];
    assert_eq!(seen, expected.map(|(status, replayed)| (status, json!(replayed), json!("k1"))));
}

#[tokio::test]
async fn statuses_before_and_after_the_work() {
    let sim = Sim::start().await;
    for (status, when, then, stored) in [
        (429, "before", Value::Null, false),
        (500, "before", Value::Null, false),
        (503, "before", Value::Null, false),
        (500, "after", json!(500), true),
    ] {
        sim.play("faults", json!({"action": "status", "status": status, "when": when, "path": "/v1/payment_intents"})).await;
        let key = format!("{status}{when}");
        let reply = sim.post_keyed("/v1/payment_intents", &PAY, &key).await;
        assert_eq!(reply.status, status);
        let error = reply.error(status);
        let kind = if status == 429 { "invalid_request_error" } else { "api_error" };
        assert_eq!(error["type"], kind);
        assert_eq!(charged(&sim).await, then, "{status} {when}");
        if stored {
            let again = sim.post_keyed("/v1/payment_intents", &PAY, &key).await;
            assert_eq!((again.status, again.header("idempotent-replayed")), (500, Some("true")));
            assert_eq!(again.header("stripe-should-retry"), Some("false"));
            let list = sim.get("/v1/payment_intents").await.ok();
            assert_eq!(list["data"][0]["status"], "succeeded", "listing shows what the 500 hides");
        }
    }
    // A status from in front of the endpoint hides an answer that is stored.
    sim.play("faults", json!({"action": "status", "status": 503, "when": "after"})).await;
    assert_eq!(sim.post_keyed("/v1/payment_intents", &PAY, "k503").await.status, 503);
    let again = sim.post_keyed("/v1/payment_intents", &PAY, "k503").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    sim.play("faults", json!({"action": "status", "status": 429, "code": "lock_timeout"})).await;
    assert_eq!(sim.get("/v1/customers").await.error(429)["code"], "lock_timeout");
}

#[tokio::test]
async fn a_call_goes_on_when_its_client_has_left() {
    let sim = Sim::start().await;
    sim.play("faults", json!({"action": "latency", "ms": 400, "path": "/v1/payment_intents"}))
        .await;
    let request =
        sim.request(reqwest::Method::POST, "/v1/payment_intents").bearer_auth(&sim.key).form(&PAY);
    let error = request.timeout(Duration::from_millis(100)).send().await.unwrap_err();
    assert!(error.is_timeout());
    let until = Instant::now() + Duration::from_secs(5);
    while charged(&sim).await != 500 {
        assert!(Instant::now() < until, "the payment was given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rules_can_be_taken_away_and_calls_are_remembered() {
    let sim = Sim::start().await;
    sim.play("faults", json!({"action": "status", "status": 500, "times": 0})).await;
    assert_eq!(sim.get("/v1/customers").await.status, 500);
    assert_eq!(sim.get("/v1/customers").await.status, 500);
    sim.delete("/_sim/faults").await.ok();
    let customer = id(&sim.post("/v1/customers", &[("name", "x")]).await.ok());
    let calls = sim.get("/_sim/calls").await.ok()["calls"].clone();
    assert_eq!(calls.as_array().unwrap().len(), 3);
    assert_eq!((&calls[2]["params"]["name"], &calls[2]["method"]), (&json!("x"), &json!("POST")));
    sim.get(&format!("/v1/customers/{customer}")).await.ok();
}
