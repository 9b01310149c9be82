//! The API of the table: it says what was used in each way there is, and ends in each way.

use std::net::SocketAddr;

use axum::body::Bytes;
use http::{HeaderMap, Response};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

/// Units that the API says in a header.
pub(super) const HEADER: i64 = 321;
/// Tokens at the end, and in a stream's first event; a token is a unit.
pub(super) const TOKENS: i64 = 77;
pub(super) const TOKENS_FIRST: i64 = 60;
/// Units that the API says in a gRPC trailer.
pub(super) const TRAILER: i64 = 88;
/// Bytes of the answer's first part and of all of it; a byte is a unit.
pub(super) const BYTES_FIRST: i64 = 100;
pub(super) const BYTES: i64 = 300;
/// Units per second.
pub(super) const EACH: i64 = 1_000;
/// What is held, and what is captured where nothing is known.
pub(super) const MOST: i64 = 5_000;
pub(super) const LEAST: i64 = 50;

/// Every first part of an answer has it.
pub(super) const MARK: &[u8] = b"first";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Header,
    Json,
    Sse,
    Trailer,
    Bytes,
    Seconds,
}

impl Source {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Header => "/own/header",
            Self::Json => "/own/json",
            Self::Sse => "/own/sse",
            Self::Trailer => "/own/grpc_trailer",
            Self::Bytes => "/own/bytes",
            Self::Seconds => "/own/seconds",
        }
    }

    pub(super) fn price(self) -> Value {
        let per_1000 = json!({"n": 1_000});
        let usage = match self {
            Self::Header => json!({"header": "x-cost"}),
            Self::Json => json!({"json": {"n": "/usage/n"}, "per_1000": per_1000}),
            Self::Sse => json!({"sse": {"n": "/usage/n"}, "per_1000": per_1000}),
            Self::Trailer => json!({"grpc_trailer": "x-cost"}),
            Self::Bytes => json!({"bytes": {"per_mib": 1 << 20}}),
            Self::Seconds => json!({"seconds": {"each": EACH}}),
        };
        json!({
            "most": MOST, "least": LEAST, "unknown": "least", "hold_for": "10s", "usage": [usage],
        })
    }

    fn of(path: &str) -> Self {
        match path {
            "/own/header" => Self::Header,
            "/own/json" => Self::Json,
            "/own/sse" => Self::Sse,
            "/own/grpc_trailer" => Self::Trailer,
            "/own/bytes" => Self::Bytes,
            _ => Self::Seconds,
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Sse => "text/event-stream",
            Self::Trailer => "application/grpc",
            _ => "text/plain",
        }
    }

    /// The answer's first part, and the rest.
    fn parts(self) -> (Vec<u8>, Vec<u8>) {
        let event = |n| format!("data: {{\"first\":1,\"usage\":{{\"n\":{n}}}}}\n\n").into_bytes();
        let grpc = b"\0\0\0\0\x05first".to_vec();
        match self {
            Self::Header | Self::Seconds => (b"first".to_vec(), b"last".to_vec()),
            Self::Json => {
                (format!("{{\"first\":1,\"usage\":{{\"n\":{TOKENS}}}").into(), b"}".to_vec())
            }
            Self::Sse => (event(TOKENS_FIRST), event(TOKENS)),
            Self::Trailer => (grpc.clone(), grpc),
            Self::Bytes => (format!("first{:95}", "").into(), vec![b'x'; 200]),
        }
    }
}

/// The running API.
pub(super) struct Api {
    pub(super) address: SocketAddr,
    /// How many requests it got.
    pub(super) seen: watch::Receiver<usize>,
    /// Whether it may go on after an answer's first part.
    pub(super) go_on: watch::Sender<bool>,
}

pub(super) async fn start() -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, seen) = watch::channel(0);
    let (go_on, may) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (count, may) = (count.clone(), may.clone());
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let (path, what) = (request.uri().path(), request.uri().query());
                    let (source, what) = (Source::of(path), what.unwrap_or_default().to_owned());
                    count.send_modify(|count| *count += 1);
                    tokio::spawn(answer(source, what, respond, may.clone()));
                }
            });
        }
    });
    Api { address, seen, go_on }
}

async fn answer(
    source: Source,
    what: String,
    mut respond: h2::server::SendResponse<Bytes>,
    mut may: watch::Receiver<bool>,
) {
    match &*what {
        "resets-before" => return respond.send_reset(h2::Reason::INTERNAL_ERROR),
        "silent" => return std::future::pending().await,
        _ => {}
    }
    let mut head = Response::builder().header("content-type", source.kind());
    if source == Source::Header {
        head = head.header("x-cost", HEADER);
    }
    let Ok(mut stream) = respond.send_response(head.body(()).unwrap(), false) else { return };
    let (first, last) = source.parts();
    // Whoever left does not matter here.
    let _ = stream.send_data(first.into(), false);
    if what != "at-once" && may.wait_for(|may| *may).await.is_err() {
        return;
    }
    if what == "resets" {
        return stream.send_reset(h2::Reason::INTERNAL_ERROR);
    }
    let _ = stream.send_data(last.into(), source != Source::Trailer);
    if source == Source::Trailer {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", 0.into());
        trailers.insert("x-cost", TRAILER.into());
        let _ = stream.send_trailers(trailers);
    }
}
