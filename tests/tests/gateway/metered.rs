//! Prices that are known afterwards: held before the request is forwarded, captured when it is over.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use stripe402_protocol::encode;
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{Answer, paid_client, send};

mod bodies;
mod endings;
mod extend;
mod guard;
mod latency;
mod leaving;
mod scene;
mod soak;
mod sources;
mod trailers;

/// What the shipped demo charges for a card payment's first request: $5.00 less the weather's price.
const BOUGHT: i64 = 49_500;

/// The demo's own metered routes, and one that fails.
fn options() -> StackOptions {
    StackOptions::new().filter(|filter| {
        let routes = filter["routes"].as_array_mut().unwrap();
        routes.push(json!({
            "name": "failing",
            "path": "/api/echo",
            "price": {"most": 1_000, "least": 7, "unknown": "least", "usage": [{"header": "x-cost"}]},
        }));
    })
}

async fn metered(stack: &Stack, client: &str, cost: &str) -> Answer {
    let path = format!("/api/metered?cost={cost}");
    send(stack.pay(&path, &json!({"clientId": client}))).await
}

/// What can be spent once nothing is held any more: captures come after the answers.
async fn balance(stack: &Stack, client: &str) -> i64 {
    let subject = client.parse::<stripe402_protocol::ClientId>().unwrap().subject();
    for _ in 0..100 {
        let account = account(stack, &subject).await;
        if account["pending"] == 0 {
            return account["available"].as_i64().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    panic!("units are held for ever: {}", account(stack, &subject).await)
}

async fn account(stack: &Stack, subject: &str) -> Value {
    let ledger = &stack.ledgers[0];
    let url = ledger.admin_url(&format!("/admin/v1/clients/{subject}"));
    let answer = stack.client.get(url).bearer_auth(ledger.admin_token()).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["accounts"][0].clone()
}

#[tokio::test]
async fn what_the_api_says_is_captured() {
    let stack = Stack::start(options()).await.unwrap();
    let client = paid_client(&stack).await;
    assert_eq!(balance(&stack, &client).await, BOUGHT);
    let mut left = BOUGHT;
    // (what the API says, what is captured): wrong numbers are captured by rule, here the most.
    for (cost, captured) in [
        ("0", 0),
        ("1", 1),
        ("999", 999),
        ("1000", 1_000),
        ("1001", 1_000),
        ("-1", 1_000),
        ("1.5", 1_000),
        ("1e2", 1_000),
        ("many", 1_000),
        ("9007199254740993", 1_000),
    ] {
        let answer = metered(&stack, &client, cost).await;
        assert_eq!(answer.status, 200, "{cost}");
        let receipt = answer.receipt();
        assert_eq!(receipt["hold"]["amount"], 1_000, "{cost}");
        assert_eq!(receipt["creditsRemaining"], left - 1_000, "{cost}");
        left -= captured;
        assert_eq!(balance(&stack, &client).await, left, "{cost}");
    }
}

#[tokio::test]
async fn tokens_of_a_model_are_captured_in_json_and_in_events() {
    let stack = Stack::start(options()).await.unwrap();
    let client = paid_client(&stack).await;
    let mut left = BOUGHT;
    for (stream, words, captured) in [(false, 30_u32, 100), (false, 9_000, 901), (true, 2_000, 201)]
    {
        let body = json!({
            "stream": stream,
            "max_tokens": words,
            "messages": [{"role": "user", "content": "say something of payments"}],
        });
        let request = stack.client.post(stack.url("/api/chat")).json(&body);
        let payment = encode(&json!({"clientId": client}));
        let answer = request
            .header("payment", payment)
            .header("accept-encoding", "gzip, br")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        assert_eq!(text.contains("[DONE]"), stream);
        left -= captured;
        assert_eq!(balance(&stack, &client).await, left, "{words} words, stream: {stream}");
    }
    let seen = stack.upstream.recorder().last().unwrap();
    assert!(!seen.headers.iter().any(|(name, _)| name == "accept-encoding"), "{seen:?}");
}

#[tokio::test]
async fn a_stream_passes_chunk_for_chunk_and_a_client_that_leaves_pays() {
    let stack = Stack::start(options()).await.unwrap();
    let client = paid_client(&stack).await;
    let body = json!({"stream": true, "max_tokens": 200, "pause_ms": 50});
    let payment = encode(&json!({"clientId": client}));
    let request = stack.client.post(stack.url("/api/chat")).json(&body);
    let answer = request.header("payment", payment).send().await.unwrap();
    let mut stream = answer.bytes_stream();
    for _ in 0..3 {
        let chunk = stream.next().await.unwrap().unwrap();
        assert_eq!(chunk.iter().filter(|byte| **byte == b'\n').count(), 2, "one event: {chunk:?}");
    }
    drop(stream);
    // The usage comes in the last event, which was never sent: the most, by the default rule.
    assert_eq!(balance(&stack, &client).await, BOUGHT - 20_000);
}

#[tokio::test]
async fn a_failure_releases_all_and_no_number_is_captured_by_rule() {
    let mut stack = Stack::start(options()).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = json!({"clientId": client});
    let failed = send(stack.pay("/api/echo?status=503", &payment)).await;
    assert_eq!(failed.status, 503);
    assert!(failed.header(wire::PAYMENT_RESPONSE).is_none());
    assert_eq!(balance(&stack, &client).await, BOUGHT);
    assert_eq!(send(stack.pay("/api/echo", &payment)).await.status, 200);
    assert_eq!(balance(&stack, &client).await, BOUGHT - 7);
    stack.upstream.stop();
    assert_eq!(send(stack.pay("/api/echo", &payment)).await.status, 503);
    assert_eq!(balance(&stack, &client).await, BOUGHT - 7);
}

/// The challenge asks for the most; what is held cannot be spent twice; a card tops up for the most.
#[tokio::test]
async fn the_most_must_be_there() {
    let stack = Stack::start(options()).await.unwrap();
    let challenge = send(stack.get("/api/metered?cost=1")).await;
    assert_eq!(challenge.status, 402);
    assert_eq!(challenge.challenge()["accepts"][0]["amount"], 1_000);
    let client = paid_client(&stack).await;
    let chat = json!({"stream": true, "max_tokens": 20, "pause_ms": 100});
    let payment = encode(&json!({"clientId": client}));
    let mut open = Vec::new();
    for _ in 0..2 {
        let request = stack.client.post(stack.url("/api/chat")).json(&chat);
        let answer = request.header("payment", &payment).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        open.push(answer);
    }
    let request = stack.client.post(stack.url("/api/chat")).json(&chat);
    let third = request.header("payment", &payment).send().await.unwrap();
    assert_eq!(third.status(), 402, "9,500 are left, and 20,000 would be held");
    for answer in open {
        answer.bytes().await.unwrap();
    }
    assert_eq!(balance(&stack, &client).await, BOUGHT - 200, "the least, twice");
    let card = stack.sim.fresh_card().await.unwrap();
    let answer = send(stack.pay("/api/metered?cost=300", &json!({"paymentMethodId": card}))).await;
    assert_eq!(answer.status, 200);
    let receipt = answer.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_000);
    let client = receipt["clientId"].as_str().unwrap().to_owned();
    assert_eq!(balance(&stack, &client).await, 49_700);
}

/// A gateway that is killed in mid-stream captures nothing: the ledger does at the hold's end.
#[tokio::test]
async fn a_hold_ends_by_itself_on_every_store() {
    let redis = Redis::start().await.unwrap();
    for store in [None, Some(redis.url())] {
        let options = options().filter(|filter| {
            let routes = filter["routes"].as_array_mut().unwrap();
            let chat = routes.iter_mut().find(|route| route["name"] == "chat").unwrap();
            chat["price"]["hold_for"] = json!("10s");
            chat["price"]["unknown"] = json!("least");
        });
        let options = match &store {
            Some(store) => options.store(store),
            None => options,
        };
        let mut stack = Stack::start(options).await.unwrap();
        let client = paid_client(&stack).await;
        let body = json!({"stream": true, "max_tokens": 1_000, "pause_ms": 100});
        let payment = encode(&json!({"clientId": client}));
        let request = stack.client.post(stack.url("/api/chat")).json(&body);
        let answer = request.header("payment", payment).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        stack.envoy.process().kill9();
        drop(answer);
        let subject = client.parse::<stripe402_protocol::ClientId>().unwrap().subject();
        assert_eq!(account(&stack, &subject).await["pending"], 20_000);
        for _ in 0..200 {
            if account(&stack, &subject).await["pending"] == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(balance(&stack, &client).await, BOUGHT - 100, "{store:?}");
    }
}
