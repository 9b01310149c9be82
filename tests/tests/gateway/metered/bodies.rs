//! The body of a request chooses its unit prices, and arrives at the API as it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, body::Body, body::Bytes, extract::State};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use stripe402_tests::stack::StackOptions;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, tcp::OwnedWriteHalf},
};

use super::scene::{Scene, before, rest};
use crate::other_api;

/// The bodies that arrived.
type Arrived = Arc<Mutex<Vec<Bytes>>>;

const SMALL: i64 = 25;
const LARGE: i64 = 250;
/// Bytes that the gateway waits for.
const WINDOW: usize = 1_024;

async fn keep(State(arrived): State<Arrived>, body: Body) -> Json<Value> {
    // A refused body ends in its middle.
    if let Ok(body) = axum::body::to_bytes(body, usize::MAX).await {
        arrived.lock().unwrap().push(body);
    }
    Json(json!({"usage": {"n": 1_000}}))
}

async fn api() -> (SocketAddr, Arrived) {
    let arrived = Arrived::default();
    let router = Router::new().fallback(keep).with_state(Arc::clone(&arrived));
    (other_api::serve(router).await, arrived)
}

fn price(other: &str) -> Value {
    json!({
        "most": 5_000,
        "usage": [{"json": {"n": "/usage/n"}}],
        "by": {
            "json": "/model",
            "table": {"small": {"n": SMALL}, "large": {"n": LARGE}},
            "other": other,
        },
    })
}

fn options(api: SocketAddr) -> StackOptions {
    before(api, &[("/own/strict", price("refuse")), ("/own/lax", price("large"))])
        .filter(|filter| filter["limits"] = json!({"by_window_bytes": WINDOW}))
        .config(|config| {
            config.connection_manager()?["http_protocol_options"] =
                json!({"enable_trailers": true});
            Ok(())
        })
}

/// A question with so many bytes before and after what names the model.
fn question(model: &str, before: usize, after: usize) -> Vec<u8> {
    let (before, after) = ("b".repeat(before), "a".repeat(after));
    format!("{{\"first\":\"{before}\",\"model\":\"{model}\",\"last\":\"{after}\"}}").into_bytes()
}

/// What it is, its path and its body, how it is sent, and what is captured; `None` if it is refused.
type Case<'a, S> = (&'a str, &'a str, &'a [u8], S, Option<i64>);

/// What is expected of a request: `None` if the gateway refuses it, else what is captured.
struct Expected<'a> {
    what: &'a str,
    body: &'a [u8],
    captured: Option<i64>,
}

impl Expected<'_> {
    async fn check(&self, scene: &mut Scene, arrived: &Arrived, status: &str, answer: &str) {
        let what = self.what;
        let refused = answer.contains("no_unit_price");
        assert_eq!(status, if self.captured.is_some() { "200" } else { "400" }, "{what}: {answer}");
        assert_eq!(refused, self.captured.is_none(), "{what}: {answer}");
        assert_eq!(scene.captured().await, self.captured.unwrap_or(0), "{what}");
        let got = std::mem::take(&mut *arrived.lock().unwrap());
        let sent: &[&[u8]] = if refused { &[] } else { &[self.body] };
        let lengths: Vec<usize> = got.iter().map(|body| body.len()).collect();
        assert!(got == sent, "{what}: bodies of {lengths:?} bytes arrived, or another");
    }
}

/// How a body goes out over HTTP/1.1.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Whole,
    Chunks(usize),
    ChunksAndTrailer(usize),
}

async fn write_body(to: &mut OwnedWriteHalf, body: &[u8], how: Sent) -> std::io::Result<()> {
    let (size, end) = match how {
        Sent::Whole => return to.write_all(body).await,
        Sent::Chunks(size) => (size, "0\r\n\r\n"),
        Sent::ChunksAndTrailer(size) => (size, "0\r\nx-late: 1\r\n\r\n"),
    };
    for chunk in body.chunks(size) {
        let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        to.write_all(&chunk).await?;
        if size < 100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    to.write_all(end.as_bytes()).await
}

async fn http1(scene: &Scene, path: &str, more: &str, body: &[u8], how: Sent) -> (String, String) {
    let length = match how {
        Sent::Whole => format!("content-length: {}", body.len()),
        _ => "transfer-encoding: chunked".to_owned(),
    };
    let more = format!("{length}\r\nconnection: close\r\n{more}");
    let stream = scene.send(&format!("POST {path}"), &more, b"").await;
    stream.set_nodelay(true).unwrap();
    let (mut reads, mut writes) = stream.into_split();
    let body = body.to_vec();
    // A refusal comes before the body's end. The connection stays open: a client that closes its side has
    // left.
    let writing = tokio::spawn(async move {
        let _ = write_body(&mut writes, &body, how).await;
        std::future::pending::<()>().await;
    });
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut reads, &mut answer).await;
    writing.abort();
    let answer = String::from_utf8(answer).unwrap();
    (answer.split(' ').nth(1).unwrap_or_default().to_owned(), answer)
}

#[tokio::test]
async fn the_model_in_a_body_is_priced_over_http_1() {
    let (api, arrived) = api().await;
    let mut scene = Scene::start(options(api)).await;
    let (strict, lax) = ("/own/strict", "/own/lax");
    let big = question("small", 0, 5_000_000);
    let late = question("small", 5_000_000, 0);
    let beyond = question("small", WINDOW + 1, 10);
    let [small, large, other] = ["small", "large", "other"].map(|model| question(model, 10, 10));
    let cases: [Case<'_, Sent>; 13] = [
        ("one piece", strict, &small, Sent::Whole, Some(SMALL)),
        ("one chunk", strict, &large, Sent::Chunks(1_000), Some(LARGE)),
        ("many small pieces", strict, &large, Sent::Chunks(1), Some(LARGE)),
        ("with a trailer", strict, &small, Sent::ChunksAndTrailer(7), Some(SMALL)),
        ("beyond the window", strict, &beyond, Sent::Chunks(100), None),
        ("beyond the window, whole", strict, &beyond, Sent::Whole, None),
        ("not in the table", strict, &other, Sent::Whole, None),
        ("no model before a trailer", strict, b"{\"a\":1}", Sent::ChunksAndTrailer(3), None),
        ("no JSON", strict, b"model: small", Sent::Whole, None),
        ("5 MB after the model", strict, &big, Sent::Chunks(30_000), Some(SMALL)),
        ("another as it is", lax, &other, Sent::Chunks(1), Some(LARGE)),
        ("5 MB before the model", lax, &late, Sent::Whole, Some(SMALL)),
        ("5 MB in chunks", lax, &late, Sent::Chunks(65_536), Some(SMALL)),
    ];
    for (what, path, body, how, captured) in cases {
        let (status, answer) = http1(&scene, path, "", body, how).await;
        let expected = Expected { what, body, captured };
        expected.check(&mut scene, &arrived, &status, &answer).await;
    }
}

/// What nobody can read chooses nothing, and is told so before anything is held.
#[tokio::test]
async fn a_body_that_is_not_there_or_compressed_is_refused_before_a_hold() {
    let (api, arrived) = api().await;
    let mut scene = Scene::start(options(api)).await;
    let calls = "cluster.stripe402_ledger.upstream_rq_total";
    let asked = scene.stack.envoy.stat(calls).await.unwrap();
    let gzip = b"\x1f\x8b\x08\x00 not read anyway";
    for (what, more, body) in
        [("no body", "", &b""[..]), ("gzip", "content-encoding: gzip\r\n", gzip)]
    {
        let (status, answer) = http1(&scene, "/own/strict", more, body, Sent::Whole).await;
        let expected = Expected { what, body, captured: None };
        expected.check(&mut scene, &arrived, &status, &answer).await;
    }
    let mut get = scene.send("GET /own/strict", "connection: close\r\n", b"").await;
    let answer = String::from_utf8(rest(&mut get).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("no_unit_price"), "{answer}");
    assert_eq!(scene.stack.envoy.stat(calls).await.unwrap(), asked, "the ledger was asked");
    for (what, more, body) in
        [("no body", "", &b""[..]), ("gzip", "content-encoding: gzip\r\n", gzip)]
    {
        let (status, answer) = http1(&scene, "/own/lax", more, body, Sent::Whole).await;
        let expected = Expected { what, body, captured: Some(LARGE) };
        expected.check(&mut scene, &arrived, &status, &answer).await;
    }
}

/// How a body goes out over HTTP/2: in pieces of this size, and then trailers, or an empty end.
async fn http2(
    scene: &Scene,
    path: &str,
    body: &[u8],
    size: usize,
    trailers: bool,
) -> (String, String) {
    let tcp = TcpStream::connect(scene.stack.envoy.address()).await.unwrap();
    let (http2, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::builder().method("POST").uri(scene.stack.url(path));
    let request = request.header("payment", scene.payment()).body(()).unwrap();
    let mut ready = http2.ready().await.unwrap();
    let (answer, mut stream) = ready.send_request(request, false).unwrap();
    for piece in body.chunks(size) {
        stream.reserve_capacity(piece.len());
        let mut rest = Bytes::copy_from_slice(piece);
        while !rest.is_empty() {
            let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
                break;
            };
            let part = rest.split_to(room.min(rest.len()));
            stream.send_data(part, false).unwrap();
        }
    }
    // A refusal may have ended the stream already.
    if trailers {
        let mut late = HeaderMap::new();
        late.insert("x-late", "1".parse().unwrap());
        let _ = stream.send_trailers(late);
    } else {
        let _ = stream.send_data(Bytes::new(), true);
    }
    let answer = answer.await.unwrap();
    let status = answer.status().as_str().to_owned();
    let (mut text, mut body) = (Vec::new(), answer.into_body());
    while let Some(Ok(part)) = body.data().await {
        text.extend_from_slice(&part);
    }
    connection.abort();
    (status, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn the_model_in_a_body_is_priced_over_http_2() {
    let (api, arrived) = api().await;
    let mut scene = Scene::start(options(api)).await;
    let (strict, lax) = ("/own/strict", "/own/lax");
    let big = question("large", 0, 5_000_000);
    let [small, other] = ["small", "other"].map(|model| question(model, 10, 10));
    let cases: [Case<'_, (usize, bool)>; 8] = [
        ("one piece", strict, &small, (1_000, false), Some(SMALL)),
        ("small pieces", strict, &small, (1, false), Some(SMALL)),
        ("with trailers", strict, &small, (20, true), Some(SMALL)),
        ("not in the table, trailers", strict, b"{}", (1, true), None),
        ("not in the table", strict, &other, (10, false), None),
        ("an empty end", strict, b"", (10, false), None),
        ("5 MB", strict, &big, (16_384, false), Some(LARGE)),
        ("another as it is", lax, &other, (10, true), Some(LARGE)),
    ];
    for (what, path, body, (size, trailers), captured) in cases {
        let (status, answer) = http2(&scene, path, body, size, trailers).await;
        let expected = Expected { what, body, captured };
        expected.check(&mut scene, &arrived, &status, &answer).await;
    }
}
