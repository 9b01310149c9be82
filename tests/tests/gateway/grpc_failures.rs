//! A gRPC API that fails is given back as one that answers 5xx: at its head or in its trailers.

use std::{net::SocketAddr, time::Duration};

use axum::body::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::json;
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    answer::{left_before, paid_client},
    other_api,
};

/// A gRPC API that does what the path says: `/other/{head|trailers}/{status}`, or breaks off.
async fn api() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request.uri().path().to_owned(), respond));
                }
            });
        }
    });
    address
}

async fn answer(path: String, mut respond: h2::server::SendResponse<Bytes>) {
    let what: Vec<_> = path.split('/').skip(2).collect();
    let head = Response::builder().header("content-type", "application/grpc");
    match what.as_slice() {
        ["head", status] => {
            let head = head.header("grpc-status", *status).body(()).unwrap();
            respond.send_response(head, true).unwrap();
        }
        ["trailers", status] => {
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        }
        ["bare-trailers", status] => {
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        }
        ["breaks-off-bare"] => {
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        ["breaks-off"] => {
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        ["no-trailers"] => {
            let mut stream = respond.send_response(head.body(()).unwrap(), false).unwrap();
            stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), true).unwrap();
        }
        ["json"] => {
            let head = Response::builder().header("content-type", "application/json");
            let head = head.header("grpc-status", "13").body(()).unwrap();
            respond.send_response(head, true).unwrap();
        }
        other => panic!("{other:?}"),
    }
}

fn before(api: SocketAddr) -> StackOptions {
    other_api::before(api).config(|config| {
        config.cluster("other")?["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        });
        Ok(())
    })
}

/// Calls, reads to the end, and tells whether there was a receipt.
async fn call(stack: &Stack, path: &str, client: &str) -> bool {
    let tcp = TcpStream::connect(stack.envoy.address()).await.unwrap();
    let (http2, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method("POST")
        .uri(stack.url(path))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("payment", wire::encode(&json!({"clientId": client})));
    let mut ready = http2.ready().await.unwrap();
    let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let receipt = answer.headers().contains_key("payment-response");
    let mut body = answer.into_body();
    while let Some(Ok(_)) = body.data().await {}
    let _ = body.trailers().await;
    receipt
}

#[tokio::test]
async fn what_a_grpc_api_fails_costs_nothing() {
    let stack = Stack::start(before(api().await)).await.unwrap();
    let client = paid_client(&stack).await;
    let (mut left, mut wrong) = (49_500, Vec::new());
    for (path, receipt, price) in [
        ("/other/head/0", true, 1_000),
        ("/other/head/5", true, 1_000),
        ("/other/head/13", false, 0),
        ("/other/head/14", false, 0),
        ("/other/trailers/0", true, 1_000),
        ("/other/trailers/3", true, 1_000),
        ("/other/bare-trailers/0", true, 1_000),
        ("/other/bare-trailers/3", true, 1_000),
        ("/other/bare-trailers/2", true, 0),
        ("/other/bare-trailers/4", true, 0),
        ("/other/bare-trailers/8", true, 0),
        ("/other/bare-trailers/13", true, 0),
        // What has been answered is paid for: a client can make the last message fail.
        ("/other/trailers/8", true, 1_000),
        ("/other/trailers/13", true, 1_000),
        ("/other/breaks-off", true, 1_000),
        ("/other/breaks-off-bare", true, 0),
        ("/other/no-trailers", true, 1_000),
        ("/other/json", true, 1_000),
    ] {
        let got = call(&stack, path, &client).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = left_before(&stack, &client).await;
        if (got, left - now) != (receipt, price) {
            wrong.push(format!("{path}: receipt {got}, {} units", left - now));
        }
        left = now - 100;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn an_operator_may_let_it_stand() {
    let options = before(api().await)
        .filter(|filter| filter["void_on"] = json!(["upstream_5xx", "upstream_timeout"]));
    let stack = Stack::start(options).await.unwrap();
    let client = paid_client(&stack).await;
    for path in ["/other/head/13", "/other/bare-trailers/13", "/other/breaks-off-bare"] {
        assert!(call(&stack, path, &client).await, "{path}");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(left_before(&stack, &client).await, 46_500);
}
