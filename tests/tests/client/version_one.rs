//! A strict fake of a server that speaks version 1 in its long form, and has never heard of an
//! extension, as the Express middleware is; not that middleware itself. It does tell balances.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe402_protocol::ClientId;
use stripe402_tests::wire;
use tokio::net::TcpListener;

#[derive(Default)]
struct Books {
    /// By client id.
    balances: BTreeMap<String, i64>,
    charges: u32,
    requests: u32,
}

#[derive(Clone)]
pub(crate) struct VersionOne {
    pub(crate) address: Option<SocketAddr>,
    books: Arc<Mutex<Books>>,
}

const PRICE: i64 = 100;
const LEAST: i64 = 50_000;

impl VersionOne {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = Some(listener.local_addr().unwrap());
        let this = Self { address, books: Arc::default() };
        let service = Router::new().fallback(answer).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/joke", self.address.unwrap())
    }

    /// Somebody else spends it all.
    pub(crate) fn empty(&self) {
        self.books.lock().unwrap().balances.values_mut().for_each(|left| *left = 0);
    }

    /// Charges and requests since it was asked last.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let mut books = self.books.lock().unwrap();
        (std::mem::take(&mut books.charges), std::mem::take(&mut books.requests))
    }
}

async fn answer(State(server): State<VersionOne>, request: Request) -> Response {
    let mut books = server.books.lock().unwrap();
    books.requests += 1;
    let Some(header) = request.headers().get(wire::PAYMENT) else { return challenge(None) };
    let payment = wire::decode(header.to_str().unwrap()).unwrap();
    let client = payment["clientId"].as_str().map(str::to_owned);
    if request.uri().path() == "/.well-known/stripe402/balance" {
        let left = client.and_then(|client| books.balances.get(&client).copied());
        let told = json!({"creditsRemaining": left.unwrap_or_default(), "currency": "usd"});
        return told.to_string().into_response();
    }
    let card = payment["paymentMethodId"].as_str();
    let of_card = card.map(|card| ClientId::derive(b"version 1", card).to_hex());
    for client in client.iter().chain(&of_card) {
        if let Some(left) = books.balances.get_mut(client).filter(|left| **left >= PRICE) {
            *left -= PRICE;
            return served(client, *left, None);
        }
    }
    let Some(client) = of_card else { return challenge(Some("insufficient_credits")) };
    let amount = payment["topUpAmount"].as_i64().unwrap_or(LEAST);
    if amount < LEAST {
        let body = json!({
            "success": false, "creditsRemaining": 0, "clientId": "",
            "error": "too little", "errorCode": "top_up_below_minimum",
        });
        return (StatusCode::PAYMENT_REQUIRED, body.to_string()).into_response();
    }
    books.charges += 1;
    let left = books.balances.entry(client.clone()).or_default();
    *left += amount - PRICE;
    served(&client, *left, Some("pi_version1"))
}

/// Without the short form's fields at the top.
fn challenge(error: Option<&str>) -> Response {
    let mut body = json!({
        "stripe402Version": 1,
        "resource": {"url": "/api/joke"},
        "accepts": [{
            "scheme": "stripe", "currency": "usd", "amount": PRICE, "minTopUp": LEAST,
            "publishableKey": "pk_test_version1",
        }],
    });
    if let Some(error) = error {
        body["error"] = json!(error);
    }
    let header = [(wire::PAYMENT_REQUIRED, wire::encode(&body))];
    (StatusCode::PAYMENT_REQUIRED, header, body.to_string()).into_response()
}

fn served(client: &str, left: i64, charge: Option<&str>) -> Response {
    let mut receipt: Value = json!({"success": true, "creditsRemaining": left, "clientId": client});
    if let Some(charge) = charge {
        receipt["chargeId"] = json!(charge);
    }
    ([(wire::PAYMENT_RESPONSE, wire::encode(&receipt))], "{\"joke\":\"version 1\"}").into_response()
}
