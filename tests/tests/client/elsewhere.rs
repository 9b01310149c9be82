//! Another origin, which wants money for everything (or only for what has a body) and keeps what it is sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use reqwest::StatusCode;
use serde_json::json;
use stripe402_tests::wire;
use tokio::net::TcpListener;

/// Every request's headers, as text.
type Seen = Arc<Mutex<Vec<String>>>;

pub(crate) struct Elsewhere {
    pub(crate) address: SocketAddr,
    seen: Seen,
}

impl Elsewhere {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let service = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        // Ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, seen }
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn answer(State(seen): State<Seen>, request: Request) -> Response {
    let headers = request.headers().iter().map(|(name, value)| format!("{name}: {value:?}\n"));
    seen.lock().unwrap().push(headers.collect());
    let path = request.uri().path().to_owned();
    // Read to its end: a client that is still sending would lose the answer.
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    if path == "/free-without-a-body" && body.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let challenge = json!({
        "stripe402Version": 1, "price": 1, "minTopUp": 50_000,
        "resource": {"url": "/"},
        "accepts": [{
            "scheme": "stripe", "currency": "usd", "amount": 1, "minTopUp": 50_000,
            "publishableKey": "pk_test_elsewhere",
        }],
        "extensions": ["maxPrice", "idempotencyKey", "paymentIntentId"],
    });
    let header = [(wire::PAYMENT_REQUIRED, wire::encode(&challenge))];
    (StatusCode::PAYMENT_REQUIRED, header, challenge.to_string()).into_response()
}
