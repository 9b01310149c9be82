//! The receipt at the end: clients that take trailers are told what was captured.

use std::net::SocketAddr;

use axum::body::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use stripe402_tests::{stack::StackOptions, wire};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use super::scene::{Scene, before};
use crate::other_api;

/// What the API says in a trailer that was used.
const COST: i64 = 321;
const FORGED: &str = "forged-by-the-api";

fn price() -> Value {
    json!({"most": 5_000, "usage": [{"header": "x-cost"}]})
}

/// An API that says what was used in a trailer, and a receipt of its own.
async fn http1_api() -> SocketAddr {
    other_api::raw(|_, mut stream: TcpStream| async move {
        let text = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-cost\r\n\r\n\
             5\r\nhello\r\n0\r\nx-cost: {COST}\r\npayment-response: {FORGED}\r\n\r\n"
        );
        other_api::write(&mut stream, &text).await;
    })
    .await
}

/// The same over HTTP/2, as gRPC; `/own/fails` fails before its first message.
async fn grpc_api() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let fails = request.uri().path() == "/own/fails";
                    let head = Response::builder().header("content-type", "application/grpc");
                    let head = head.body(()).unwrap();
                    let mut stream = respond.send_response(head, false).unwrap();
                    if !fails {
                        stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false).unwrap();
                    }
                    let mut trailers = HeaderMap::new();
                    let status = if fails { "13" } else { "0" };
                    trailers.insert("grpc-status", status.parse().unwrap());
                    trailers.insert("x-cost", COST.into());
                    trailers.insert("payment-response", FORGED.parse().unwrap());
                    stream.send_trailers(trailers).unwrap();
                }
            });
        }
    });
    address
}

fn upstream(options: StackOptions, protocol: Value) -> StackOptions {
    options.config(move |config| {
        config.cluster("own")?["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            },
        });
        Ok(())
    })
}

/// Envoy passes trailers of HTTP/1.1 on both of its sides.
fn with_trailers(options: StackOptions) -> StackOptions {
    let on = json!({"http_protocol_options": {"enable_trailers": true}});
    upstream(options, on.clone()).config(move |config| {
        config.connection_manager()?["http_protocol_options"] = on["http_protocol_options"].clone();
        Ok(())
    })
}

/// The receipt in these trailers; nothing that the API forged is among them.
fn receipt(trailers: &[(String, String)]) -> Option<Value> {
    assert!(trailers.iter().all(|(_, value)| value != FORGED), "{trailers:?}");
    let mut receipts = trailers.iter().filter(|(name, _)| name == wire::PAYMENT_RESPONSE);
    let receipt = receipts.next().map(|(_, value)| wire::decode(value).unwrap());
    assert!(receipts.next().is_none(), "{trailers:?}");
    receipt
}

async fn over_http1(scene: &Scene, te: &str) -> Vec<(String, String)> {
    let mut stream = scene.send("GET /own/x", te, b"").await;
    let mut text = String::new();
    while !text.contains("\r\n0\r\n") || !text.ends_with("\r\n\r\n") {
        let mut part = [0; 4_096];
        let size = stream.read(&mut part).await.unwrap();
        assert!(size > 0, "{text}");
        text.push_str(std::str::from_utf8(&part[..size]).unwrap());
    }
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("hello"), "{text}");
    let (_, trailers) = text.split_once("\r\n0\r\n").unwrap_or_else(|| panic!("{text}"));
    let pairs = trailers.lines().filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

async fn over_http2(scene: &Scene, path: &str, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let tcp = TcpStream::connect(scene.stack.envoy.address()).await.unwrap();
    let (http2, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method("POST").uri(scene.stack.url(path));
    let request = request.header("payment", scene.payment());
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut ready = http2.ready().await.unwrap();
    let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    while let Some(Ok(_)) = body.data().await {}
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    trailers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Compares a receipt with what is captured.
async fn check(scene: &mut Scene, trailers: &[(String, String)], told: bool, captured: i64) {
    let receipt = receipt(trailers);
    assert_eq!(receipt.is_some(), told, "{trailers:?}");
    let left = scene.left() - captured;
    if let Some(receipt) = receipt {
        assert_eq!(receipt["hold"]["amount"], 5_000, "{receipt}");
        assert_eq!(receipt["hold"]["captured"], captured, "{receipt}");
        assert_eq!(receipt["creditsRemaining"], left, "{receipt}");
    }
    assert_eq!(scene.captured().await, captured);
}

#[tokio::test]
async fn who_takes_trailers_is_told_what_was_captured() {
    let options = with_trailers(before(http1_api().await, &[("/own/x", price())]));
    let mut scene = Scene::start(options).await;
    for (te, told) in [
        ("te: trailers\r\nconnection: te\r\n", true),
        ("te: trailers\r\n", true),
        ("te: gzip;q=0.5, trailers\r\n", true),
        ("te: gzip, trailers\r\nconnection: te\r\n", true),
        ("te: trailers, gzip\r\n", true),
        // Envoy keeps `te` only if it says so in small letters.
        ("te: Trailers\r\n", false),
        ("te: gzip\r\n", false),
        ("", false),
    ] {
        let trailers = over_http1(&scene, te).await;
        check(&mut scene, &trailers, told, COST).await;
    }
    for (headers, told) in [(&[("te", "trailers")][..], true), (&[], false)] {
        let trailers = over_http2(&scene, "/own/x", headers).await;
        check(&mut scene, &trailers, told, COST).await;
    }
}

#[tokio::test]
async fn a_grpc_call_ends_with_its_receipt() {
    let price = json!({"most": 5_000, "usage": [{"grpc_trailer": "x-cost"}]});
    let options = before(grpc_api().await, &[("/own/call", price.clone()), ("/own/fails", price)]);
    let options = upstream(options, json!({"http2_protocol_options": {}}));
    let mut scene = Scene::start(options).await;
    let grpc = ("content-type", "application/grpc");
    for (path, headers, told, captured) in [
        ("/own/call", &[grpc, ("te", "trailers")][..], true, COST),
        ("/own/call", &[grpc], false, COST),
        ("/own/fails", &[grpc, ("te", "trailers")], true, 0),
    ] {
        let trailers = over_http2(&scene, path, headers).await;
        assert!(trailers.iter().any(|(name, _)| name == "grpc-status"), "{trailers:?}");
        check(&mut scene, &trailers, told, captured).await;
    }
}

/// Envoy throws trailers of HTTP/1.1 away unless it is told otherwise: what they say is not known.
#[tokio::test]
async fn without_enable_trailers_a_cost_in_a_trailer_of_http_1_is_not_seen() {
    let mut scene = Scene::start(before(http1_api().await, &[("/own/x", price())])).await;
    let trailers = over_http1(&scene, "te: trailers\r\n").await;
    check(&mut scene, &trailers, false, 5_000).await;
}
