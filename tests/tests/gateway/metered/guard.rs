//! Hosts that show a request's body before its head was decided: it waits all the same.

use serde_json::{Value, json};
use stripe402_tests::{stack::StackOptions, wire};
use tokio::io::AsyncWriteExt as _;

use super::scene::{Scene, before, rest};
use crate::other_api;

/// How often a request is made while the ledger is silent.
const TRIES: usize = 5;

/// Envoy hands over bodies although the head has stopped.
fn showing_bodies(options: StackOptions) -> StackOptions {
    options.config(|config| other_api::shows_bodies(config, true))
}

fn by_model() -> Value {
    json!({
        "most": 5_000,
        "usage": [{"json": {"n": "/usage/n"}}],
        "by": {"json": "/model", "table": {"small": {"n": 25}}},
    })
}

/// A request with a body is not forwarded before it is paid for, nor if it never is.
#[tokio::test]
async fn a_body_takes_no_request_past_the_ledger() {
    let (seen, mut got) = tokio::sync::mpsc::unbounded_channel();
    let api = axum::Router::new().fallback(move |body: String| {
        seen.send(body).unwrap();
        async { axum::Json(json!({"usage": {"n": 1_000}})) }
    });
    let api = other_api::serve(api).await;
    let prices = [
        ("/own/flat", json!(700)),
        ("/own/most", json!({"most": 5_000, "usage": [{"header": "x-cost"}]})),
        ("/own/model", by_model()),
    ];
    let mut scene = Scene::start(showing_bodies(before(api, &prices))).await;
    scene.stack.ledgers[0].process().pause();
    for path in ["/own/flat", "/own/most", "/own/model"] {
        for _ in 0..TRIES {
            let request =
                scene.stack.client.post(scene.stack.url(path)).body("{\"model\":\"small\"}");
            let answer = request.header(wire::PAYMENT, scene.payment()).send().await.unwrap();
            assert_eq!(answer.status(), 503, "{path}");
            assert!(got.try_recv().is_err(), "{path}: forwarded unpaid");
        }
        let request = scene.stack.client.post(scene.stack.url(path)).body("{\"model\":\"small\"}");
        assert_eq!(request.send().await.unwrap().status(), 402, "{path}");
        assert!(got.try_recv().is_err(), "{path}: forwarded without a payment");
    }
    scene.stack.ledgers[0].process().resume();
    scene.stack.healthy_ledgers(1).await.unwrap();
    scene.captured().await;
    for (path, model, captured) in [
        ("/own/flat", "small", Some(700)),
        ("/own/most", "small", Some(5_000)),
        ("/own/model", "small", Some(25)),
        ("/own/model", "other", None),
    ] {
        let body = format!("{{\"model\":\"{model}\"}}");
        let request = scene.stack.client.post(scene.stack.url(path)).body(body.clone());
        let answer = request.header(wire::PAYMENT, scene.payment()).send().await.unwrap();
        let status = answer.status().as_u16();
        assert_eq!(status, if captured.is_some() { 200 } else { 400 }, "{path} {model}");
        assert_eq!(got.try_recv().ok(), captured.map(|_| body), "{path} {model}");
        assert_eq!(scene.captured().await, captured.unwrap_or(0), "{path} {model}");
    }
    // The rest comes when the request is paid for.
    for (model, captured) in [("small", Some(25)), ("other", None)] {
        let [first, last] = ["{\"model\":\"", model].map(str::to_owned);
        let last = format!("{last}\"}}");
        let more = format!("content-length: {}\r\nconnection: close\r\n", first.len() + last.len());
        let mut stream = scene.send("POST /own/model", &more, first.as_bytes()).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        stream.write_all(last.as_bytes()).await.unwrap();
        let answer = String::from_utf8(rest(&mut stream).await).unwrap();
        let status = if captured.is_some() { "HTTP/1.1 200" } else { "HTTP/1.1 400" };
        assert!(answer.starts_with(status), "{model}: {answer}");
        assert_eq!(got.try_recv().ok(), captured.map(|_| first + &last), "{model}");
        assert_eq!(scene.captured().await, captured.unwrap_or(0), "{model}");
    }
}
