//! gRPC, server-sent events, WebSockets, large uploads.

use std::time::{Duration, Instant};

use axum::{Router, body::Body, body::Bytes, response::IntoResponse as _, routing};
use serde_json::json;
use stripe402_tests::{
    raw,
    stack::{Stack, StackOptions},
    wire,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    answer::{left_before, paid_client},
    other_api,
};

/// A gRPC client gets a status that it understands at once, and the challenge as metadata.
#[tokio::test]
async fn grpc_clients_get_a_trailers_only_status() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let tcp = TcpStream::connect(stack.envoy.address()).await.unwrap();
    let (http2, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    for (payment, status, message) in [
        (None, "9", "payment%20required:%20see%20the%20payment-required%20metadata"),
        (Some("~"), "9", ""),
    ] {
        let request = http::Request::builder()
            .method("GET")
            .uri(stack.url("/api/joke"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let request = payment
            .into_iter()
            .fold(request, |request, payment| request.header("payment", payment));
        let mut ready = http2.clone().ready().await.unwrap();
        let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
        let answer = answer.await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|text| text.to_str().unwrap());
        assert_eq!(answer.status(), 200);
        assert_eq!(header("content-type"), Some("application/grpc"));
        assert_eq!(header("grpc-status"), Some(status));
        let said = header("grpc-message").unwrap();
        assert!(said.replace("%20", " ").contains(&message.replace("%20", " ")), "{said}");
        let challenge = wire::decode(header("payment-required").unwrap()).unwrap();
        assert_eq!(challenge["price"], 100);
        assert!(answer.body().is_end_stream(), "no message, no trailers of its own");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
}

/// Envoy's own failures are 200 to gRPC clients: the charge is given back all the same.
#[tokio::test]
async fn a_grpc_call_that_reached_nobody_costs_nothing() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    stack.upstream.stop();
    let tcp = TcpStream::connect(stack.envoy.address()).await.unwrap();
    let (http2, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder()
        .uri(stack.url("/api/weather"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("payment", wire::encode(&json!({"clientId": client})));
    let mut ready = http2.ready().await.unwrap();
    let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert!(!answer.headers().contains_key("payment-response"));
    stack.upstream.restart().unwrap();
    let mut left = 0;
    for looks in 0..50 {
        left = left_before(&stack, &client).await + looks * 100;
        if left == 49_500 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{left} left of 49500");
}

/// An answer flows as the API sends it.
#[tokio::test]
async fn events_are_not_held_back() {
    let events = || async {
        let events = futures_util::stream::unfold(0, |number| async move {
            if number == 3 {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            let event = format!("data: {number}\n\n");
            Some((Ok::<_, std::io::Error>(Bytes::from(event)), number + 1))
        });
        ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
    };
    let api = other_api::serve(Router::new().route("/other/events", routing::get(events))).await;
    let stack = Stack::start(other_api::before(api)).await.unwrap();
    let client = paid_client(&stack).await;
    let mut answer = stack.pay("/other/events", &json!({"clientId": client})).send().await.unwrap();
    assert!(answer.headers().contains_key("payment-response"), "at the head, not at the end");
    let (start, mut arrived) = (Instant::now(), Vec::new());
    while let Some(_event) = answer.chunk().await.unwrap() {
        arrived.push(start.elapsed());
    }
    assert_eq!(arrived.len(), 3, "{arrived:?}");
    assert!(arrived[2] - arrived[0] > Duration::from_millis(350), "{arrived:?}");
}

/// A body in chunks flows to the API while it is sent, once the charge is made.
#[tokio::test]
async fn uploads_are_not_held_back() {
    let (seen, mut arrives) = tokio::sync::mpsc::unbounded_channel();
    let api = other_api::raw(move |_, mut stream: TcpStream| {
        let seen = seen.clone();
        async move {
            let mut part = [0; 1024];
            for _ in 0..2 {
                let size = stream.read(&mut part).await.unwrap();
                seen.send(String::from_utf8_lossy(&part[..size]).into_owned()).unwrap();
            }
            other_api::write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let stack = Stack::start(other_api::before(api)).await.unwrap();
    let payment = wire::encode(&json!({"clientId": paid_client(&stack).await}));
    let head = format!(
        "POST /other/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\npayment: {payment}\r\n\r\n"
    );
    let mut stream = raw::open(stack.envoy.address(), head.as_bytes()).await.unwrap();
    stream.write_all(b"3\r\none\r\n").await.unwrap();
    let first = tokio::time::timeout(Duration::from_secs(2), arrives.recv()).await;
    assert!(first.expect("the first chunk waits for the end").unwrap().contains("one"));
    stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    assert!(arrives.recv().await.unwrap().contains("two"));
    assert!(other_api::head(&mut stream).await.starts_with("HTTP/1.1 200"));
}

/// Who asks before sending a large body hears the price first.
#[tokio::test]
async fn an_upload_is_answered_before_its_body() {
    let options = StackOptions::new().filter(|filter| {
        let route = json!({"name": "echo", "path": "/api/echo", "price": 1_000});
        filter["routes"].as_array_mut().unwrap().push(route);
    });
    let stack = Stack::start(options).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let head = |payment: &str| {
        format!(
            "POST /api/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\
             expect: 100-continue\r\n{payment}\r\n"
        )
    };
    let mut unpaid = raw::open(stack.envoy.address(), head("").as_bytes()).await.unwrap();
    let first = other_api::head(&mut unpaid).await;
    assert!(first.starts_with("HTTP/1.1 402"), "{first}");

    let paid = head(&format!("payment: {payment}\r\n"));
    let mut paid = raw::open(stack.envoy.address(), paid.as_bytes()).await.unwrap();
    let first = other_api::head(&mut paid).await;
    assert!(first.starts_with("HTTP/1.1 100"), "{first}");
    paid.write_all(&vec![b'x'; 1_000_000]).await.unwrap();
    let second = other_api::head(&mut paid).await;
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    assert!(second.contains("payment-response: "));
    assert_eq!(stack.upstream.recorder().last().unwrap().body_length, 1_000_000);
    assert_eq!(left_before(&stack, &client).await, 48_500);
}

/// A WebSocket costs what a GET of its path does, once, and then talks freely.
#[tokio::test]
async fn a_websocket_is_priced_as_its_get() {
    let api = other_api::raw(|head: String, mut stream: TcpStream| async move {
        assert!(head.to_ascii_lowercase().contains("upgrade: websocket"), "{head}");
        assert!(head.contains("x-stripe402-charge-id"), "{head}");
        let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";
        other_api::write(&mut stream, switch).await;
        let mut part = [0; 5];
        while stream.read_exact(&mut part).await.is_ok() {
            stream.write_all(&part).await.unwrap();
        }
    })
    .await;
    let stack = Stack::start(other_api::before(api)).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let head = |payment: &str| {
        format!(
            "GET /other/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{payment}\r\n"
        )
    };
    let mut unpaid = raw::open(stack.envoy.address(), head("").as_bytes()).await.unwrap();
    let first = other_api::head(&mut unpaid).await;
    assert!(first.starts_with("HTTP/1.1 402"), "{first}");
    let paid = head(&format!("payment: {payment}\r\n"));
    let mut socket = raw::open(stack.envoy.address(), paid.as_bytes()).await.unwrap();
    let first = other_api::head(&mut socket).await;
    assert!(first.starts_with("HTTP/1.1 101") && first.contains("payment-response: "), "{first}");
    for _ in 0..3 {
        socket.write_all(b"hello").await.unwrap();
        let mut part = [0; 5];
        socket.read_exact(&mut part).await.unwrap();
        assert_eq!(&part, b"hello");
    }
    drop(socket);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(left_before(&stack, &client).await, 48_500);
}
