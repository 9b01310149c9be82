//! The whole stack as tests use it: what they change is changed, what they do not is as shipped.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this file is a test, its helpers too"
)]

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};
use stripe402_tests::{envoy, envoy_config::EnvoyConfig, wire};

#[test]
fn envoy_accepts_what_is_shipped() {
    let shipped = EnvoyConfig::shipped().unwrap().to_yaml().unwrap();
    assert_eq!(envoy::validate(&shipped), Ok(()));
}

#[tokio::test]
async fn as_shipped_it_sells_the_demo_api() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let asked = stack.get("/api/weather").send().await.unwrap();
    assert_eq!(asked.status(), 402);
    assert_eq!(wire::header(asked.headers(), wire::PAYMENT_REQUIRED).unwrap()["price"], json!(500));
    assert_eq!(stack.upstream.recorder().count(), 0, "the API was asked without payment");

    let card = stack.sim.fresh_card().await.unwrap();
    let paid = stack.pay("/api/weather", &json!({"paymentMethodId": card})).send().await.unwrap();
    assert_eq!(paid.status(), 200);
    let receipt = wire::header(paid.headers(), wire::PAYMENT_RESPONSE).unwrap();
    assert_eq!(receipt["creditsRemaining"], json!(49_500));
    let received = stack.upstream.recorder().last().unwrap();
    assert_eq!(received.header("x-stripe402-client-id"), receipt["clientId"].as_str());
    assert_eq!(received.header(wire::PAYMENT), None, "the API saw the payment");
}

#[tokio::test]
async fn what_a_test_changes_is_changed() {
    let options =
        StackOptions::new().workers(2).filter(|filter| filter["unmatched"] = json!("deny"));
    let mut stack = Stack::start(options).await.unwrap();
    assert_ne!(stack.get("/api/echo").send().await.unwrap().status(), 200);
    assert_eq!(stack.upstream.recorder().count(), 0);
    assert_eq!(stack.envoy.stat("server.concurrency").await.unwrap(), 2);

    stack.ledger().unwrap().process().kill9();
    stack.healthy_ledgers(0).await.unwrap();
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    stack.envoy.restart().await.unwrap();
    assert_eq!(stack.get("/api/joke").send().await.unwrap().status(), 402);
}
