//! What is for sale, and what a client has left.

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{paid_client, pay, send};

const BALANCE: &str = "/.well-known/stripe402/balance";

#[tokio::test]
async fn agents_find_what_is_for_sale() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let found =
        send(stack.get("/.well-known/stripe402").header("origin", "https://a.example")).await;
    assert_eq!(found.status, 200);
    assert!(found.header("access-control-allow-origin").is_some(), "pages may read it");
    let list = &found.body;
    assert_eq!(list["stripe402Version"], 1);
    assert_eq!(list["publishableKey"], "pk_test_standin");
    assert_eq!(list["balance"], BALANCE);
    let weather = json!({
        "path": "/api/weather", "methods": ["GET"], "price": 500, "currency": "usd",
        "minTopUp": 50_000, "description": "Current weather for one city",
        "mimeType": "application/json",
    });
    assert_eq!(list["routes"][1], weather);
    assert_eq!(stack.upstream.recorder().count(), 0);
}

#[tokio::test]
async fn it_can_be_elsewhere_or_off() {
    let elsewhere = |filter: &mut serde_json::Value| {
        filter["discovery"] = json!({"path": "/prices", "balances_per_minute": 3});
    };
    let stack = Stack::start(StackOptions::new().filter(elsewhere)).await.unwrap();
    assert_eq!(send(stack.get("/prices")).await.body["balance"], "/prices/balance");
    assert_eq!(send(stack.get("/.well-known/stripe402")).await.status, 404, "the API's own");
    let client = json!({"clientId": paid_client(&stack).await});
    for number in 0..5 {
        let answer = pay(&stack, "/prices/balance", client.clone()).await;
        assert_eq!(answer.status, if number < 3 { 200 } else { 429 });
        assert_eq!(answer.header("retry-after"), (number >= 3).then_some("60"));
    }
    let off = |filter: &mut serde_json::Value| filter["discovery"] = json!({"enabled": false});
    let stack = Stack::start(StackOptions::new().filter(off)).await.unwrap();
    assert_eq!(send(stack.get("/.well-known/stripe402")).await.status, 404);
}

#[tokio::test]
async fn a_balance_is_told_to_who_can_spend_it() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let answer = pay(&stack, BALANCE, json!({"clientId": client})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"creditsRemaining": 49_500, "currency": "usd"}));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // An unknown client has as little as one that has spent all: it is no oracle.
    let unknown: String = client.chars().rev().collect();
    for nobody in [unknown.as_str(), "c8a2e", &client.to_uppercase()] {
        let answer = pay(&stack, BALANCE, json!({"clientId": nobody})).await;
        let nothing = json!({"creditsRemaining": 0, "currency": "usd"});
        assert_eq!((answer.status, answer.body), (200, nothing), "{nobody}");
    }
    for wrong in [json!({}), json!({"paymentMethodId": "pm_1"}), json!({"clientId": 7})] {
        assert_eq!(pay(&stack, BALANCE, wrong.clone()).await.status, 400, "{wrong}");
    }
    assert_eq!(send(stack.get(BALANCE)).await.status, 400);
    assert_eq!(crate::answer::left_before(&stack, &client).await, 49_500, "it is free");
    let token = reqwest::Client::new().post(stack.ledgers[0].url("/v1/balance")).send().await;
    assert_eq!(token.unwrap().status(), 401, "the ledger tells gateways only");
}
