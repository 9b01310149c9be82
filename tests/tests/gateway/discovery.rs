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

/// For registries and agents, which look for both at these paths.
#[tokio::test]
async fn the_gate_serves_openapi_json_and_llms_txt() {
    let document = "{ \"openapi\": \"3.1.0\",\n  \"info\": {\"title\": \"Ä\", \"version\": \"1.0\"}, \"paths\": {} }\n";
    let both = move |filter: &mut serde_json::Value| {
        filter["discovery"] = json!({"openapi": document, "llms": true});
    };
    let stack = Stack::start(StackOptions::new().filter(both)).await.unwrap();
    for (path, kind) in
        [("/openapi.json", "application/json"), ("/llms.txt", "text/plain; charset=utf-8")]
    {
        let request = stack.get(path).header("origin", "https://a.example");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], kind);
        assert_eq!(response.headers()["cache-control"], "max-age=300");
        // Envoy answers a gRPC client without a body: that is for nobody else.
        let grpc = stack.get(path).header("content-type", "application/grpc").send();
        assert_eq!(grpc.await.unwrap().headers()["cache-control"], "no-store");
        assert!(
            response.headers().contains_key("access-control-allow-origin"),
            "pages may read it"
        );
        let text = response.text().await.unwrap();
        if path == "/openapi.json" {
            assert_eq!(text, document, "byte for byte");
            continue;
        }
        for line in [
            "- [OpenAPI document](/openapi.json)",
            "- `/api/joke` (GET): 100 units of usd",
            "- `/api/weather` (GET): 500 units of usd. Current weather for one city",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in {text}");
        }
        let metered = "- `/api/chat` (POST): at most 20000 units of usd. A model that says";
        assert!(text.lines().any(|written| written.starts_with(metered)), "{text}");
        assert_eq!(send(stack.client.post(stack.url(path))).await.status, 405);
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for path in ["/openapi.json", "/llms.txt"] {
        assert_eq!(send(stack.get(path)).await.status, 404, "{path} is the API's own");
    }
    assert_eq!(stack.upstream.recorder().count(), 2);
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
