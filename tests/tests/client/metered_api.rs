//! A fake of a gateway whose prices are known only afterwards: what it holds, what it says after an
//! answer, and its address of receipts. Every request costs 125 units of at most 20,000.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe402_protocol::{ClientId, DeductionId};
use stripe402_tests::wire;
use tokio::net::TcpListener;

pub(crate) const MOST: i64 = 20_000;
pub(crate) const COST: i64 = 125;
const LEAST: i64 = 50_000;
pub(crate) const BODY: &str = "{\"answer\":42}";

#[derive(Default)]
struct Books {
    /// By client id.
    balances: BTreeMap<String, i64>,
    /// By id: whose, and at which path.
    holds: BTreeMap<String, (String, String)>,
    /// How often each was asked about, by path.
    asked: BTreeMap<String, u32>,
}

/// `/trailing` says the cost in a trailer, to who takes trailers; `/held` is captured with the third
/// question; `/failing` answers 503 first, `/gone` 404 always, and `/silent` never.
#[derive(Clone)]
pub(crate) struct MeteredApi {
    pub(crate) address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

impl MeteredApi {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let this = Self { address: listener.local_addr().unwrap(), books: Arc::default() };
        let service = Router::new().fallback(answer).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        this
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was asked what a request to this path cost, since this was asked last.
    pub(crate) fn asked(&self, path: &str) -> u32 {
        self.books.lock().unwrap().asked.remove(path).unwrap_or_default()
    }
}

async fn answer(State(server): State<MeteredApi>, request: Request) -> Response {
    let Some(header) = request.headers().get(wire::PAYMENT) else { return challenge() };
    let payment = wire::decode(header.to_str().unwrap()).unwrap();
    let path = request.uri().path().to_owned();
    let client = payment["clientId"].as_str().map(str::to_owned);
    if let Some(id) = path.strip_prefix("/.well-known/stripe402/receipts/") {
        return receipt(&server, id, &client.unwrap()).await;
    }
    let mut books = server.books.lock().unwrap();
    let card = payment["paymentMethodId"].as_str();
    let of_card = card.map(|card| ClientId::derive(b"metered", card).to_hex());
    for client in client.iter().chain(&of_card) {
        if books.balances.get(client).is_some_and(|left| *left >= MOST) {
            return serve(&mut books, client, &path, None, request.headers());
        }
    }
    let Some(client) = of_card else { return challenge() };
    *books.balances.entry(client.clone()).or_default() += LEAST;
    serve(&mut books, &client, &path, Some("pi_metered"), request.headers())
}

fn serve(
    books: &mut Books,
    client: &str,
    path: &str,
    charge: Option<&str>,
    headers: &HeaderMap,
) -> Response {
    let number = u64::try_from(books.holds.len()).unwrap();
    let id = DeductionId::mint(number, [1; 10]);
    books.holds.insert(id.to_string(), (client.to_owned(), path.to_owned()));
    let left = books.balances.get_mut(client).unwrap();
    *left -= MOST;
    let mut receipt = json!({
        "success": true, "creditsRemaining": *left, "clientId": client,
        "hold": {"id": id, "amount": MOST},
    });
    if let Some(charge) = charge {
        receipt["chargeId"] = json!(charge);
    }
    let head = [(wire::PAYMENT_RESPONSE, wire::encode(&receipt))];
    let trails = path == "/trailing" && headers.get("te").is_some_and(|te| te == "trailers");
    if !trails {
        return (head, BODY).into_response();
    }
    *left += MOST - COST;
    receipt["creditsRemaining"] = json!(*left);
    receipt["hold"]["captured"] = json!(COST);
    let mut trailers = HeaderMap::new();
    trailers.insert(wire::PAYMENT_RESPONSE, wire::encode(&receipt).parse().unwrap());
    let frames = [Frame::data(axum::body::Bytes::from(BODY)), Frame::trailers(trailers)];
    let frames = stream::iter(frames.map(Ok::<_, Infallible>));
    let announced = [("trailer", wire::PAYMENT_RESPONSE)];
    (head, announced, Body::new(StreamBody::new(frames))).into_response()
}

async fn receipt(server: &MeteredApi, id: &str, client: &str) -> Response {
    let (path, asked) = {
        let mut books = server.books.lock().unwrap();
        let (whose, path) = books.holds[id].clone();
        assert_eq!(whose, client, "asked by another client");
        let asked = books.asked.entry(path.clone()).or_default();
        *asked += 1;
        (path, *asked)
    };
    match (path.as_str(), asked) {
        ("/gone", _) => return (StatusCode::NOT_FOUND, "{}").into_response(),
        ("/failing", 1) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        ("/silent", _) => std::future::pending().await,
        _ => {}
    }
    let mut told: Value = json!({"id": id, "state": "held", "held": MOST, "currency": "usd"});
    let mut books = server.books.lock().unwrap();
    let left = books.balances.get_mut(client).unwrap();
    if asked >= 3 {
        *left += MOST - COST;
        told["state"] = json!("captured");
        told["captured"] = json!(COST);
    }
    told["creditsRemaining"] = json!(*left);
    told.to_string().into_response()
}

fn challenge() -> Response {
    let body = json!({
        "stripe402Version": 1, "price": MOST, "minTopUp": LEAST, "resource": {"url": "/"},
        "accepts": [{
            "scheme": "stripe", "currency": "usd", "amount": MOST, "minTopUp": LEAST,
            "publishableKey": "pk_test_metered",
        }],
        "pricing": {
            "kind": "upto", "most": MOST, "least": 100, "description": "Tokens of a model",
            "unitPrices": [
                {"of": "prompt", "units": 2_500, "per": 1_000},
                {"of": "completion", "units": 10_000, "per": 1_000},
            ],
        },
        "extensions": ["maxPrice", "idempotencyKey", "paymentIntentId"],
    });
    let header = [(wire::PAYMENT_REQUIRED, wire::encode(&body))];
    (StatusCode::PAYMENT_REQUIRED, header, body.to_string()).into_response()
}
