//! Step 1: no payment, or one that names neither client nor card.

use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{pay, send};

#[tokio::test]
async fn a_first_request_is_told_the_price() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let answer = send(stack.get("/api/weather?city=Bern")).await;
    let expected = json!({
        "stripe402Version": 1,
        "x402Version": 2,
        "price": 500,
        "minTopUp": 50_000,
        "resource": {
            "url": "/api/weather",
            "description": "Current weather for one city",
            "mimeType": "application/json",
        },
        "accepts": [{
            "scheme": "stripe",
            "currency": "usd",
            "amount": 500,
            "minTopUp": 50_000,
            "publishableKey": "pk_test_standin",
            "description": "Current weather for one city",
        }],
        "extensions": ["maxPrice", "idempotencyKey", "paymentIntentId", "currency"],
    });
    assert_eq!(answer.challenge(), expected);

    for nothing in [
        json!({}),
        json!({"clientId": null, "paymentMethodId": ""}),
        json!({"topUpAmount": 50_000}),
        json!({"paymentIntentId": "pi_1"}),
    ] {
        let answer = pay(&stack, "/api/joke", nothing.clone()).await;
        assert_eq!(answer.challenge()["error"], Value::Null, "{nothing}");
    }
    let empty = send(stack.get("/api/joke").header(wire::PAYMENT, "")).await;
    assert_eq!(empty.challenge()["price"], 100);

    let head = send(stack.client.head(stack.url("/api/joke"))).await;
    assert_eq!(head.status, 402, "HEAD costs what GET costs");
    assert_eq!(stack.upstream.recorder().count(), 0, "nothing unpaid reaches the API");
    let stripe = stack.sim.calls("/v1").await.unwrap();
    assert!(stripe.is_empty(), "nothing unpaid reaches Stripe");
}

/// Step 5: routes without a price pass through.
#[tokio::test]
async fn free_routes_pass() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let health = pay(&stack, "/api/health", json!({"clientId": 7})).await;
    assert_eq!(health.status, 200);
    assert!(health.header(wire::PAYMENT_RESPONSE).is_none());
    assert_eq!(send(stack.client.post(stack.url("/api/joke"))).await.status, 404, "GET is priced");
    assert_eq!(stack.upstream.recorder().count(), 2);
    assert!(stack.upstream.recorder().last().unwrap().header(wire::PAYMENT).is_none());
}

#[tokio::test]
async fn a_browser_may_read_the_challenge() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let preflight = stack
        .client
        .request(reqwest::Method::OPTIONS, stack.url("/api/joke"))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "payment");
    let preflight = send(preflight).await;
    assert_eq!(preflight.status, 200);
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("payment"));

    let answer = send(stack.get("/api/joke").header("origin", "https://shop.example")).await;
    assert_eq!(answer.challenge()["price"], 100);
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains(wire::PAYMENT_REQUIRED), "{exposed}");
}

#[tokio::test]
async fn what_no_route_names_can_be_denied() {
    let options = StackOptions::new().filter(|filter| filter["unmatched"] = json!("deny"));
    let stack = Stack::start(options).await.unwrap();
    let answer = send(stack.get("/api/health")).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (403, &json!("not_for_sale")));
    assert_eq!(send(stack.get("/api/joke")).await.challenge()["price"], 100);
}
