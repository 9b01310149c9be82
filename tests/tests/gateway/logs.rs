//! No log holds a credential, however much is logged.

use serde_json::json;
use stripe402_tests::{
    card,
    postgres::Postgres,
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{pay, send};

#[tokio::test]
async fn credentials_are_in_no_log() {
    let options = StackOptions::new().ledger_env("LEDGER_LOG", "debug");
    let stack = Stack::start(options).await.unwrap();
    let number = card::fresh().unwrap();
    let method = stack.sim.payment_method(&number, "123").await.unwrap();
    let payment = json!({"paymentMethodId": method});
    let receipt = pay(&stack, "/api/weather", payment).await.receipt();
    let client = receipt["clientId"].as_str().unwrap();
    pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    let second = stack.sim.payment_method(&number, "999").await.unwrap();
    pay(&stack, "/api/joke", json!({"paymentMethodId": second})).await.refused();
    pay(&stack, "/api/joke", json!({"paymentMethodId": "pm_unknown_to_stripe"})).await.refused();
    let challenged = stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    let asked = pay(&stack, "/api/joke", json!({"paymentMethodId": challenged})).await;
    let broken = wire::encode(&json!({"clientId": client, "maxPrice": "x"}));
    send(stack.get("/api/joke").header(wire::PAYMENT, &broken)).await.refused();

    let secrets = [
        client,
        &method,
        &second,
        "pm_unknown_to_stripe",
        asked.body["clientSecret"].as_str().unwrap(),
        &broken,
        &stack.secrets.ledger_token,
        &stack.secrets.server_secret,
        "sk_test_standin",
        &number,
    ];
    for log in ["ledger-1.log", "envoy.log"] {
        let text = std::fs::read_to_string(stack.dir().join(log)).unwrap();
        for secret in secrets {
            assert!(!text.contains(secret), "{log} holds {secret}");
        }
    }
    let ledger = std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap();
    assert!(ledger.contains("a card was declined"), "{ledger}");
}

#[tokio::test]
async fn logs_can_be_json() {
    let options = StackOptions::new().ledger_env("LEDGER_LOG_FORMAT", "json");
    let stack = Stack::start(options).await.unwrap();
    let text = std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap();
    assert!(text.contains("\"message\":\"serving\""), "{text}");
    for line in text.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

/// The store can be set to forget what was answered: whoever runs it must know.
#[tokio::test]
async fn a_store_that_can_lose_what_it_answered_is_warned_of() {
    let postgres = Postgres::start().await.unwrap();
    let weak = format!("{}?options=-c%20synchronous_commit%3Doff", postgres.url());
    for (url, warned) in [(postgres.url(), false), (weak, true)] {
        let stack = Stack::start(StackOptions::new().store(&url)).await.unwrap();
        let log = std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap();
        assert_eq!(log.contains("synchronous_commit = off"), warned, "{log}");
    }
}
