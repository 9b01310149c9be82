//! Clients that leave, stall or break their request off: they pay for what the API did, at once.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{sleep, timeout},
};

use super::scene::{Scene, before, rest};
use crate::other_api;

/// What the API says was used, in units.
const USED: i64 = 42;
/// How long the API waits for a client that does not read.
const PATIENCE: Duration = Duration::from_secs(1);

/// An API that does what the path says, and the requests that it got.
async fn api() -> (SocketAddr, UnboundedReceiver<String>) {
    let (seen, got) = unbounded_channel();
    let address = other_api::raw(move |head: String, stream: TcpStream| {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        seen.send(path.clone()).unwrap();
        async move { answer(&path, stream).await }
    });
    (address.await, got)
}

async fn answer(path: &str, mut stream: TcpStream) {
    let usage = format!("{{\"usage\":{{\"n\":{USED}}}}}");
    match path {
        // Far more than all buffers on the way take.
        "/own/huge" => {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
            other_api::write(&mut stream, head).await;
            let part = vec![b'x'; 65_536];
            while let Ok(Ok(())) = timeout(PATIENCE, stream.write_all(&part)).await {}
        }
        "/own/events" => {
            let event = format!("data: {usage}\n\n");
            let text = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                 transfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n",
                event.len(),
            );
            other_api::write(&mut stream, &text).await;
            sleep(Duration::from_millis(200)).await;
        }
        "/own/json" => {
            let text = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                 content-length: 1000\r\n\r\n{usage}"
            );
            other_api::write(&mut stream, &text).await;
            sleep(Duration::from_millis(200)).await;
        }
        "/own/head-only" => {
            other_api::write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
            sleep(Duration::from_millis(200)).await;
        }
        _ => {
            sleep(Duration::from_secs(2)).await;
            let head = "HTTP/1.1 200 OK\r\nx-cost: 1\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
        }
    }
}

/// 1,000 units per MiB.
fn by_size() -> Value {
    json!({"most": 1_000_000, "usage": [{"bytes": {"per_mib": 1_000}}]})
}

fn units_of(bytes: usize) -> i64 {
    i64::try_from((bytes * 1_000).div_ceil(1 << 20)).unwrap()
}

/// A connection that takes a few kilobytes, and then no more until it is read.
async fn narrow(scene: &Scene, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(scene.stack.envoy.address()).await.unwrap();
    let payment = scene.payment();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\npayment: {payment}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Whether it reads on afterwards or leaves, what has passed is paid for.
#[tokio::test]
async fn who_stops_reading_until_the_api_gives_up_pays_for_what_passed() {
    let (api, _got) = api().await;
    let mut scene = Scene::start(before(api, &[("/own/huge", by_size())])).await;
    for reads_on in [true, false] {
        let mut stream = narrow(&scene, "/own/huge").await;
        sleep(PATIENCE + Duration::from_secs(1)).await;
        assert_eq!(
            scene.held().await,
            1_000_000,
            "the API gives up, and Envoy does not see it yet"
        );
        let read = if reads_on { rest(&mut stream).await.len() } else { 0 };
        drop(stream);
        let captured = scene.captured().await;
        assert!(captured > 0, "reads on: {reads_on}");
        assert!(captured < 1_000_000, "the most is no measure of what passed");
        // The head is no part of the body.
        let least = units_of(read.saturating_sub(1_024));
        assert!(captured >= least, "{captured} units for {read} bytes");
    }
}

/// What the API had said before it broke off counts.
#[tokio::test]
async fn an_api_that_breaks_off_after_its_usage_is_paid_by_it() {
    let per_1000 = json!({"n": 1_000});
    let json = json!({"most": 500, "usage": [{"json": {"n": "/usage/n"}, "per_1000": per_1000}]});
    let sse = json!({"most": 500, "usage": [{"sse": {"n": "/usage/n"}, "per_1000": per_1000}]});
    let prices =
        [("/own/events", sse), ("/own/json", json.clone()), ("/own/head-only", json.clone())];
    let (api, _got) = api().await;
    let mut scene = Scene::start(before(api, &prices)).await;
    // An answer without a body that breaks off is the API's fault alone.
    for (path, captured) in [("/own/events", USED), ("/own/json", USED), ("/own/head-only", 0)] {
        let mut stream = scene.send(&format!("GET {path}"), "", b"").await;
        let text = String::from_utf8(rest(&mut stream).await).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert_eq!(text.contains("usage"), captured > 0, "{text}");
        assert_eq!(scene.captured().await, captured, "{path}");
    }
}

fn said(unknown: &str, least: i64) -> Value {
    json!({
        "most": 5_000, "least": least, "unknown": unknown, "usage": [{"header": "x-cost"}],
    })
}

/// Nobody waits for the hold's own end, which is ten minutes away.
#[tokio::test]
async fn who_leaves_before_the_head_pays_at_once() {
    let time = json!({"most": 5_000, "usage": [{"seconds": {"each": 100}}]});
    let prices = [
        ("/own/most", said("most", 0)),
        ("/own/void", said("void", 0)),
        ("/own/least", said("least", 0)),
        ("/own/some", said("least", 7)),
        ("/own/time", time),
    ];
    let (api, mut got) = api().await;
    let mut scene = Scene::start(before(api, &prices)).await;
    for (path, captured) in [
        ("/own/most", 5_000..=5_000),
        ("/own/void", 5_000..=5_000),
        ("/own/least", 5_000..=5_000),
        ("/own/some", 7..=7),
        ("/own/time", 30..=180),
    ] {
        let stream = scene.send(&format!("GET {path}"), "", b"").await;
        assert_eq!(got.recv().await.as_deref(), Some(path));
        sleep(Duration::from_millis(300)).await;
        assert_eq!(scene.held().await, 5_000, "{path}");
        drop(stream);
        let took = scene.captured().await;
        assert!(captured.contains(&took), "{path}: {took}");
    }
}

/// Whoever leaves while the request waits for a connection has made nobody work.
#[tokio::test]
async fn a_request_that_never_reached_the_api_costs_nothing() {
    let (api, mut got) = api().await;
    let options = before(api, &[("/own/most", said("most", 0))]).config(|config| {
        config.cluster("own")?["circuit_breakers"] =
            json!({"thresholds": [{"max_connections": 1}]});
        Ok(())
    });
    let mut scene = Scene::start(options).await;
    let mut first = scene.send("GET /own/most", "connection: close\r\n", b"").await;
    got.recv().await.unwrap();
    for _ in 0..3 {
        let waiting = scene.send("GET /own/most", "", b"").await;
        sleep(Duration::from_millis(150)).await;
        assert_eq!(scene.held().await, 10_000);
        drop(waiting);
    }
    assert!(rest(&mut first).await.starts_with(b"HTTP/1.1 200"));
    assert_eq!(scene.captured().await, 1, "what the API said of the first");
    assert!(got.try_recv().is_err(), "the API has heard of one");
}

/// Nonsense in a body, or a body that stops, once the API has the request: as good as leaving.
#[tokio::test]
async fn who_breaks_a_request_off_pays_as_who_leaves() {
    let prices = [("/own/void", said("void", 0)), ("/own/some", said("least", 7))];
    let (api, mut got) = api().await;
    let options = before(api, &prices).config(|config| {
        config.connection_manager()?["stream_idle_timeout"] = json!("1s");
        Ok(())
    });
    let mut scene = Scene::start(options).await;
    for (path, captured) in [("/own/void", 5_000), ("/own/some", 7)] {
        let chunked = "transfer-encoding: chunked\r\n";
        let mut bad = scene.send(&format!("POST {path}"), chunked, b"1\r\nx\r\n").await;
        got.recv().await.unwrap();
        bad.write_all(b"no chunk\r\n").await.unwrap();
        let text = String::from_utf8(rest(&mut bad).await).unwrap();
        assert!(text.starts_with("HTTP/1.1 400"), "{text}");
        assert_eq!(scene.captured().await, captured, "{path}: a bad chunk");

        let mut half = scene.send(&format!("POST {path}"), "content-length: 9\r\n", b"half").await;
        got.recv().await.unwrap();
        let text = String::from_utf8(rest(&mut half).await).unwrap();
        assert!(text.starts_with("HTTP/1.1 408"), "{text}");
        assert_eq!(scene.captured().await, captured, "{path}: half a body");
    }
}
