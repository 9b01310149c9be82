//! Nobody gets a priced resource without a charge, however the request is written.
//!
//! Every shape is sent as bytes, so that no library tidies it up, and again over HTTP/2 where it
//! can be written there. What counts is what reached the API: it reads paths as Express does.

mod readings;

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use stripe402_tests::{
    demo_api::Received,
    raw,
    stack::{Stack, StackOptions},
    wire,
};
use tokio::io::AsyncReadExt as _;

use crate::answer::{paid_client, pay};

/// Spellings of `/api/joke` that Envoy, the gate or an API may take for it.
pub(crate) const TARGETS: [&str; 99] = [
    "/api/joke",
    "/api/joke/",
    "/api/joke//",
    "/api/joke///",
    "//api/joke",
    "///api/joke",
    "/api//joke",
    "/api///joke//",
    "/API/JOKE",
    "/Api/Joke",
    "/api/JOKE/",
    "/aPi/jOkE//",
    "/api/./joke",
    "/./api/joke",
    "/api/joke/.",
    "/api/joke/./",
    "/api/x/../joke",
    "/x/../api/joke",
    "/../api/joke",
    "/../../api/joke",
    "/api/joke/x/..",
    "/api/joke/x/../",
    "/api/../api/joke",
    "/api/health/../joke",
    "/api/.../../joke",
    "/api/%2e/joke",
    "/api/%2E/joke",
    "/api/x/%2e%2e/joke",
    "/api/x/%2E%2e/joke",
    "/api/x/.%2e/joke",
    "/api/x/%2e./joke",
    "/api/x%2f..%2fjoke",
    "/api/health/..%2fjoke",
    "/api/health/%2e%2e%2fjoke",
    "/api%2fjoke",
    "/api%2Fjoke",
    "/%2fapi/joke",
    "/api/%2fjoke",
    "/api/joke%2f",
    "/api%5cjoke",
    "/api\\joke",
    "\\api\\joke",
    "/api/health\\..\\joke",
    "/api/%6aoke",
    "/api/%6Aoke",
    "/api/%4aOKE",
    "/api/jok%65",
    "/%61pi/joke",
    "/%61%70%69/%6a%6f%6b%65",
    "/api/%256aoke",
    "/api/%25256aoke",
    "/api%252fjoke",
    "/api/x/%252e%252e/joke",
    "/api/joke%",
    "/api/joke%2",
    "/api/joke%zz",
    "/api/joke%00",
    "/api/joke%00.html",
    "/api/joke%20",
    "/api/joke%20/",
    "/api/joke%09",
    "/api/joke%0a",
    "/api/joke%0d%0a",
    "/api/joke+",
    "/api/joke.",
    "/api/joke./",
    "/api/joke..",
    "/api/joke;",
    "/api/joke;x",
    "/api/joke;x=1",
    "/api/joke;x=1/",
    "/api;x=1/joke",
    "/api/;x/joke",
    "/;/api/joke",
    "/api/..;/api/joke",
    "/api/x/..;/joke",
    "/x%3f/..;/api/joke",
    "/x%23/..;/api/joke",
    "/x%252fy/..;/api/joke",
    "/api/joke%3b",
    "/api/joke%3bx=1",
    "/api/joke?",
    "/api/joke?x",
    "/api/joke?x=1",
    "/api/joke??",
    "/api/joke?/",
    "/api/joke/?x=/../health",
    "/api/joke?x=%2f..",
    "/API/joke?X#y",
    "/api/joke#",
    "/api/joke#/../health",
    "/api/joke%23",
    "/api/joke%3f",
    "/api/joke%3fx",
    "/api/jo%E2%84%AAe",
    "/api/jo\u{212a}e",
    "/api/jok\u{ff45}",
    "/api/jok\u{e9}/../joke",
    "http://x/api/joke",
];

/// The same target, asked for in other ways: what follows the request line.
const HEADERS: [&str; 35] = [
    "x-original-url: /api/health",
    "x-rewrite-url: /api/health",
    "x-envoy-original-path: /api/health",
    "x-forwarded-path: /api/health",
    "x-forwarded-uri: /api/health",
    "x-http-method-override: OPTIONS",
    "x-http-method-override: GET,x",
    "x-http-method-override: POST",
    "x-http-method: OPTIONS",
    "x-method-override: BREW",
    "x_http_method_override: POST",
    "x-stripe402-client-id: d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd",
    "X-Stripe402-Charge-Id: 0199f0a1b2c3d4e5f60718293a4b5c6d",
    "x-stripe402-unpaid: ledger_unavailable",
    "x_stripe402_unpaid: ledger_unavailable",
    "payment-response: eyJzdWNjZXNzIjp0cnVlfQ==",
    "payment:",
    "payment: e30=",
    "payment: null",
    "payment: bnVsbA==",
    "connection: payment",
    "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x",
    "connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk",
    "connection: upgrade\r\nupgrade: anything",
    "te: trailers",
    "expect: 100-continue",
    "content-type: application/grpc",
    "accept: text/html",
    "origin: https://elsewhere.example\r\naccess-control-request-method: GET",
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-proto: https",
    "x-envoy-internal: true",
    "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 3",
    "x-envoy-upstream-rq-timeout-ms: 1",
    "range: bytes=0-1",
];

/// Methods as they may be written; what the API takes for GET or HEAD is priced.
pub(crate) const METHODS: [&str; 14] = [
    "GET", "HEAD", "get", "Get", "head", "gET", "OPTIONS", "options", "POST", "PUT", "PATCH",
    "DELETE", "TRACE", "BREW",
];

/// Whole requests that break rules of HTTP/1.1, with another one hidden in them.
const SMUGGLED: [&str; 18] = [
    "GET /api/joke HTTP/1.0\r\n\r\n",
    "GET /api/joke HTTP/1.0\r\nhost: x\r\n\r\n",
    "GET /api/joke HTTP/1.1\r\n\r\n",
    "GET /api/joke HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    "GET /api/joke HTTP/1.1\r\nhost: x/api/health\r\n\r\n",
    "GET /api/joke HTTP/1.1\r\nhost: x:80@y\r\n\r\n",
    "GET http://y/api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET HTTP://X//api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET https://x/api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET http://x?/api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    "CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\nGET /api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/health HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n\
     0\r\n\r\nGET /api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/health HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 0\r\n\r\n\
     GET /api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "POST /api/health HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n\
     0\r\n\r\nGET /api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "POST /api/health HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\ncontent-length: 3\r\n\r\n\
     0\r\n\r\nGET /api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/health HTTP/1.1\r\nhost: x\r\n x: y\r\n\r\nGET /api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/health HTTP/1.1\r\nhost: x\r\n\r\nGET /api/joke HTTP/1.1\r\nhost: x\r\n\r\n",
];

/// Whether the API was reached by a request that it may take for a joke, and nobody paid for.
pub(crate) fn is_leak(received: &Received) -> bool {
    let paid = received.header("x-stripe402-charge-id").is_some();
    // Other methods are not for sale here, and the API knows no joke by them.
    let reads = ["get", "head"].contains(&&*received.method.to_ascii_lowercase());
    !paid && reads && read_laxly(&received.path) == ["api", "joke"]
}

/// A path as the laxest of APIs reads it.
fn read_laxly(path: &str) -> Vec<String> {
    let mut path = path.to_owned();
    for _ in 0..4 {
        path = percent_decode(path.split(['?', '#', '\0']).next().unwrap_or_default());
    }
    let path = path.to_lowercase().replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split(['?', '#', '\0']).next().unwrap_or_default().split('/') {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name.trim_end_matches('.').to_owned()),
        }
    }
    segments
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Sends a shape; the status of its first answer, 0 if there is none soon, and its head.
async fn send(address: SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = raw::open(address, bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        let mut part = [0; 4096];
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => break,
                Ok(size) => answer.extend_from_slice(&part[..size]),
            }
        }
    };
    let _hangs = tokio::time::timeout(Duration::from_millis(400), read).await;
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    let status = status.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (status, String::from_utf8_lossy(&answer).into_owned())
}

fn shapes() -> Vec<(String, Vec<u8>)> {
    let request = |method: &str, target: &str, more: &str| {
        let more = if more.is_empty() { String::new() } else { format!("{more}\r\n") };
        let close = if more.contains("connection:") { "" } else { "connection: close\r\n" };
        format!("{method} {target} HTTP/1.1\r\nhost: x\r\n{close}{more}\r\n").into_bytes()
    };
    let targets =
        TARGETS.iter().map(|target| (format!("GET {target}"), request("GET", target, "")));
    let heads = TARGETS.iter().step_by(7);
    let heads = heads.map(|target| (format!("HEAD {target}"), request("HEAD", target, "")));
    let headers = HEADERS.iter().map(|more| (more.to_string(), request("GET", "/api/joke", more)));
    let methods = METHODS
        .iter()
        .map(|method| (format!("{method} /api/joke"), request(method, "/api/joke", "")));
    let smuggled = SMUGGLED.iter().map(|text| (text.to_string(), text.as_bytes().to_vec()));
    targets.chain(heads).chain(headers).chain(methods).chain(smuggled).collect()
}

/// Where the routes name their methods, where a prefix covers everything, and where Envoy does
/// nothing to paths: then the gate has to.
pub(crate) fn configurations() -> [StackOptions; 3] {
    [
        StackOptions::new(),
        StackOptions::new().filter(|filter| {
            filter["routes"] = json!([
                {"name": "all", "prefix": "/api", "price": 100},
                {"path": "/api/health", "free": true},
                {"path": "/api/weather", "price": 500},
            ]);
        }),
        StackOptions::new().config(|config| {
            let manager = config.connection_manager()?;
            manager["normalize_path"] = json!(false);
            manager["merge_slashes"] = json!(false);
            manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
            Ok(())
        }),
    ]
}

#[tokio::test]
async fn no_shape_of_a_request_gets_a_priced_resource_for_free() {
    let mut count = 0;
    for (number, options) in configurations().into_iter().enumerate() {
        let stack = Stack::start(options).await.unwrap();
        for (name, bytes) in shapes() {
            let before = stack.upstream.recorder().count();
            let (status, _) = send(stack.envoy.address(), &bytes).await;
            if SMUGGLED.contains(&&*name) {
                // What is hidden in it would be answered second.
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            let requests = stack.upstream.recorder().requests();
            for received in &requests[before..] {
                assert!(!is_leak(received), "{name:?} reached the API: {received:?}");
                assert!(
                    received.header("x-original-url").is_none()
                        && received.header("x-rewrite-url").is_none(),
                    "{name:?} tells the API another path: {received:?}"
                );
            }
            let about_joke = name.starts_with("GET /api/joke HTTP") || !name.contains(" HTTP/");
            let served = status == 200 && requests.len() > before;
            assert!(!(about_joke && served), "{name:?} was served");
            count += 1;
        }
        // The suite sees what is let through.
        let before = stack.upstream.recorder().count();
        let health = b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n";
        assert_eq!(send(stack.envoy.address(), health).await.0, 200);
        assert_eq!(stack.upstream.recorder().count(), before + 1, "configuration {number}");
        let client = paid_client(&stack).await;
        pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
        assert!(stack.upstream.recorder().last().unwrap().path.ends_with("joke"));
    }
    println!("{count} shapes over HTTP/1.1: none was served without a charge");
    assert!(count >= 150);
}

#[tokio::test]
async fn nor_over_http_2() {
    let mut count = 0;
    for options in configurations() {
        let stack = Stack::start(options).await.unwrap();
        let tcp = tokio::net::TcpStream::connect(stack.envoy.address()).await.unwrap();
        let (http2, connection) = h2::client::handshake(tcp).await.unwrap();
        let connection = tokio::spawn(connection);
        let names = ["x-original-url", "x-http-method-override", "x-stripe402-unpaid"];
        let plain = TARGETS.iter().map(|target| ("GET", *target, None));
        let methods = METHODS.iter().map(|method| (*method, "/api/joke", None));
        let headers = names.iter().map(|name| ("GET", "/api/joke", Some((*name, "/api/health"))));
        for (method, target, header) in plain.chain(methods).chain(headers) {
            let Ok(target) = target.parse::<http::uri::PathAndQuery>() else { continue };
            let uri = http::Uri::builder().scheme("http").authority("x").path_and_query(target);
            let request = http::Request::builder().method(method).uri(uri.build().unwrap());
            let request = header
                .into_iter()
                .fold(request, |request, (name, value)| request.header(name, value));
            let before = stack.upstream.recorder().count();
            let mut ready = http2.clone().ready().await.unwrap();
            let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
            let status = match tokio::time::timeout(Duration::from_secs(3), answer).await {
                Ok(Ok(answer)) => answer.status().as_u16(),
                _ => 0,
            };
            for received in &stack.upstream.recorder().requests()[before..] {
                assert!(!is_leak(received), "{method} {received:?}: {status}");
            }
            count += 1;
        }
        let free = http::Request::builder().uri("http://x/api/health").body(()).unwrap();
        let mut ready = http2.ready().await.unwrap();
        let answer = ready.send_request(free, true).unwrap().0.await.unwrap();
        assert_eq!(answer.status(), 200, "the suite sees what is let through");
        drop(ready);
        connection.abort();
    }
    println!("{count} shapes over HTTP/2: none was served without a charge");
    assert!(count >= 150);
}

/// A `payment` header does not change what is forwarded: the API hears who paid from us alone.
#[tokio::test]
async fn whoever_pays_pays_for_every_spelling() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let mut left = 49_500;
    for target in ["/api/joke", "/API/Joke/", "//api//joke", "/api/x/../joke", "/api/%6aoke"] {
        let answer = raw::request(
            stack.envoy.address(),
            "GET",
            target,
            &[("host", "x"), ("connection", "close"), ("payment", &payment)],
        )
        .await
        .unwrap();
        let receipt = answer.header("payment-response").map(|header| wire::decode(header).unwrap());
        if let Some(receipt) = receipt {
            left -= 100;
            assert_eq!(receipt["creditsRemaining"], left, "{target}");
        } else {
            assert!(answer.status != 200, "{target}: {answer:?}");
        }
    }
    assert!(left <= 49_500 - 400);
}
