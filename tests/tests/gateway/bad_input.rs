//! Payments that cannot be read.

use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{paid_client, send};

#[tokio::test]
async fn every_invalid_payment_is_refused_and_costs_nothing() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let vectors: Value =
        serde_json::from_str(include_str!("../../../vectors/protocol.json")).unwrap();
    let vectors = vectors["invalidPayment"].as_array().unwrap();
    assert!(vectors.len() >= 12);
    for vector in vectors {
        let vector = vector.as_str().unwrap();
        let answer = send(stack.get("/api/joke").header(wire::PAYMENT, vector)).await;
        assert_eq!(answer.refused(), "invalid_payment", "{vector}");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
    assert!(stack.sim.calls("/v1").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_header_that_is_too_long_or_comes_twice() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let padded = |size: usize| json!({"clientId": client, "note": "x".repeat(size)});
    let fits = send(stack.pay("/api/joke", &padded(6_000))).await;
    assert_eq!(fits.receipt()["success"], true);
    let too_long = send(stack.pay("/api/joke", &padded(6_100))).await;
    assert_eq!(too_long.refused(), "invalid_payment");
    assert!(too_long.body["error"].as_str().unwrap().contains("8192 bytes"), "{too_long:?}");

    let good = wire::encode(&json!({"clientId": client}));
    for other in [good.as_str(), "", "x"] {
        let twice = stack.get("/api/joke").header(wire::PAYMENT, &good);
        let twice = send(twice.header(wire::PAYMENT, other)).await;
        assert_eq!(twice.refused(), "invalid_payment", "{other}");
    }
    assert_eq!(stack.upstream.recorder().count(), 2);
}

#[tokio::test]
async fn the_longest_header_is_configurable() {
    let options =
        StackOptions::new().filter(|f| f["limits"] = json!({"payment_header_bytes": 100}));
    let stack = Stack::start(options).await.unwrap();
    let short = send(stack.pay("/api/joke", &json!({"clientId": "c8a2e"}))).await;
    assert_eq!(short.challenge()["error"], "insufficient_credits");
    let long = send(stack.pay("/api/joke", &json!({"clientId": "c".repeat(64)}))).await;
    assert_eq!(long.refused(), "invalid_payment");
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_stop_a_worker() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for bytes in [&b"\xff\xfe"[..], b"\x80", "ü".as_bytes(), b"a\tb"] {
        let value = reqwest::header::HeaderValue::from_bytes(bytes).unwrap();
        let answer = stack.get("/api/joke").header(wire::PAYMENT, value.clone());
        assert_eq!(send(answer.header("x-other", value)).await.refused(), "invalid_payment");
    }
    assert_eq!(send(stack.get("/api/joke")).await.challenge()["price"], 100);
}
