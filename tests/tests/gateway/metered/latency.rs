//! What metering adds to the time until a stream's first byte: medians, beside a flat price and no price at
//! the same gateway, in turns.
//!
//! A few streams here, whose times nobody judges; `make soak` has many, and does (`STRIPE402_STREAMS`).

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::json;
use stripe402_tests::wire;

use super::scene::{Scene, before};

/// How long the demo's model thinks before its first word: real ones take longer.
const THINKS_MS: u64 = 20;
const PATHS: [&str; 3] = ["/api/chat", "/flat/chat", "/free/chat"];
/// Of the metered median to the one of a flat price, in hundredths.
const AT_MOST: u128 = 110;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The time until the first byte; the stream is read to its end.
async fn first_byte(scene: &Scene, path: &str) -> Duration {
    let question = json!({"stream": true, "max_tokens": 3, "pause_ms": THINKS_MS});
    let start = Instant::now();
    let request = scene.stack.client.post(scene.stack.url(path)).json(&question);
    let answer = request.header(wire::PAYMENT, scene.payment()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let mut stream = answer.bytes_stream();
    let mut text = stream.next().await.unwrap().unwrap().to_vec();
    let first = start.elapsed();
    assert!(!text.ends_with(b"data: [DONE]\n\n"), "{path}: it comes as a whole");
    while let Some(part) = stream.next().await {
        text.extend_from_slice(&part.unwrap());
    }
    assert!(text.ends_with(b"data: [DONE]\n\n"), "{path}: it was cut");
    first
}

#[expect(clippy::print_stdout, reason = "what a long proof measured is for people to read")]
fn tell(text: &str) {
    println!("{text}");
}

#[tokio::test]
async fn a_metered_stream_begins_as_soon_as_another() {
    let set = std::env::var("STRIPE402_STREAMS").ok().map(|streams| streams.parse().unwrap());
    let streams: usize = set.unwrap_or(10);
    let sse = json!({
        "most": 500,
        "usage": [{"sse": {"n": "/usage/completion_tokens"}, "per_1000": {"n": 1_000}}],
    });
    let nobody = "127.0.0.1:1".parse().unwrap();
    let prices = [("/api/chat", sse), ("/flat/chat", json!(3))];
    let options = before(nobody, &prices).config(|config| {
        for prefix in ["/flat/", "/free/"] {
            let route = json!({
                "match": {"prefix": prefix},
                "route": {"cluster": "api", "prefix_rewrite": "/api/"},
            });
            config.routes()?.as_array_mut().unwrap().insert(0, route);
        }
        Ok(())
    });
    let mut scene = Scene::start(options).await;
    let mut times = PATHS.map(|_| Vec::new());
    for _ in 0..streams {
        for (path, times) in PATHS.iter().zip(&mut times) {
            times.push(first_byte(&scene, path).await);
        }
    }
    let [metered, flat, free] = times.map(median);
    tell(&format!(
        "first byte of {streams} streams: {metered:?} metered, {flat:?} at a flat price, {free:?} free"
    ));
    let each = 3 + 3;
    assert_eq!(scene.captured().await, i64::try_from(streams).unwrap() * each);
    if set.is_some() {
        assert!(metered.as_micros() * 100 <= flat.as_micros() * AT_MOST, "{metered:?}, {flat:?}");
    }
}
