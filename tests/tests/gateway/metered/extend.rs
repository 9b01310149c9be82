//! Streams of unknown length: more is held while they go on, within what the client agreed to.

use std::time::Duration;

use axum::{Router, routing::get};
use serde_json::{Value, json};
use stripe402_protocol::encode;
use stripe402_tests::stack::{Stack, StackOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    balance,
    scene::{Scene, before},
};
use crate::{answer::paid_client, other_api};

/// A unit a byte: 2,000 are held, and 1,000 more when 500 are left.
fn options(then: &'static str) -> StackOptions {
    StackOptions::new().filter(move |filter| {
        let routes = filter["routes"].as_array_mut().unwrap();
        routes.retain(|route| route["name"] != "chat");
        routes.push(json!({
            "name": "stream",
            "path": "/api/chat",
            "methods": ["POST"],
            "price": {
                "most": 2_000,
                "usage": [{"bytes": {"per_mib": 1 << 20}}],
                "extend": {"at": "50%", "by": 1_000, "then": then},
            },
        }));
    })
}

/// The bytes that the client got, and whether the answer was whole.
async fn stream(stack: &Stack, client: &str, max_price: Option<i64>) -> (Vec<u8>, bool) {
    let body = json!({"stream": true, "max_tokens": 120, "pause_ms": 15});
    let mut payment = json!({"clientId": client});
    if let Some(most) = max_price {
        payment["maxPrice"] = most.into();
    }
    let request = stack.client.post(stack.url("/api/chat")).json(&body);
    let mut answer = request.header("payment", encode(&payment)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut got = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => got.extend_from_slice(&chunk),
            Ok(None) => return (got, true),
            Err(_) => return (got, false),
        }
    }
}

/// The bytes before the last event, and its data, if it is the gate's.
fn last_word(got: &[u8]) -> Option<(i64, Value)> {
    let text = std::str::from_utf8(got).unwrap();
    let (passed, data) = text.split_once("\n\nevent: stripe402\ndata: ")?;
    let passed = i64::try_from(passed.len()).unwrap();
    Some((passed, serde_json::from_str(data.trim_end()).unwrap()))
}

#[tokio::test]
async fn a_stream_goes_on_as_long_as_the_client_agreed_to() {
    let stack = Stack::start(options("end")).await.unwrap();
    let client = paid_client(&stack).await;
    let mut left = balance(&stack, &client).await;

    let (got, whole) = stream(&stack, &client, Some(100_000)).await;
    assert!(whole && got.ends_with(b"data: [DONE]\n\n"), "{}", got.len());
    let size = i64::try_from(got.len()).unwrap();
    assert!(size > 6_000, "{size} bytes are several holds");
    left -= size;
    assert_eq!(balance(&stack, &client).await, left, "a unit a byte");

    for (max_price, most) in [(Some(4_000), 4_000), (Some(2_999), 2_000), (None, 2_000)] {
        let (got, whole) = stream(&stack, &client, max_price).await;
        assert!(!whole, "{max_price:?}: cut off");
        let (passed, challenge) = last_word(&got).unwrap();
        assert_eq!(challenge["error"], "insufficient_credits");
        assert!((most - 100..=most).contains(&passed), "{passed} bytes for {max_price:?}");
        left -= passed;
        assert_eq!(balance(&stack, &client).await, left, "{max_price:?}: what has passed is paid");
    }
}

#[tokio::test]
async fn where_the_credits_end_the_stream_does() {
    let stack = Stack::start(options("end")).await.unwrap();
    let client = paid_client(&stack).await;
    // Down to what the first hold and two more need.
    let spend = balance(&stack, &client).await - 4_500;
    for _ in 0..spend / 500 {
        let paid = stack.pay("/api/weather", &json!({"clientId": client})).send().await.unwrap();
        assert_eq!(paid.status(), 200);
    }
    assert_eq!(balance(&stack, &client).await, 4_500);
    let (got, whole) = stream(&stack, &client, Some(100_000)).await;
    assert!(!whole);
    let (passed, challenge) = last_word(&got).unwrap();
    assert_eq!(challenge["pricing"]["extendBy"], 1_000);
    assert!((3_900..=4_000).contains(&passed), "{passed} of two holds and two more");
    assert_eq!(balance(&stack, &client).await, 4_500 - passed);
}

#[tokio::test]
async fn a_seller_may_let_it_go_on() {
    let stack = Stack::start(options("continue")).await.unwrap();
    let client = paid_client(&stack).await;
    let left = balance(&stack, &client).await;
    let (got, whole) = stream(&stack, &client, None).await;
    assert!(whole && last_word(&got).is_none());
    assert_eq!(balance(&stack, &client).await, left - 2_000);
}

/// An answer that is cut off must not end in order: over HTTP/1.1 the next answer on the connection would
/// be taken for its rest.
#[tokio::test]
async fn no_other_answer_is_taken_for_the_rest_of_one_that_was_cut_off() {
    let big = || async { "x".repeat(1 << 20) };
    let api = other_api::serve(Router::new().route("/own/big", get(big))).await;
    let price = json!({
        "most": 1_000,
        "usage": [{"bytes": {"per_mib": 16_000}}],
        "extend": {"by": 1_000},
    });
    let mut scene = Scene::start(before(api, &[("/own/big", price)])).await;
    let payment = scene.payment();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(scene.stack.envoy.address()).await.unwrap();
        let ask =
            |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\npayment: {payment}\r\n\r\n");
        stream.write_all(ask("/own/big").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        // As a proxy before the gateway would for another client of its own. It may be closed by now.
        let _ = stream.write_all(ask("/api/joke").as_bytes()).await;
        let mut got = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut got)).await;
        let _closed = read.expect("the connection is closed");
        let text = String::from_utf8_lossy(&got);
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{} bytes", got.len());
        assert!(got.len() < 1 << 20, "{} bytes", got.len());
        assert!(scene.captured().await <= 1_000);
    }
}
