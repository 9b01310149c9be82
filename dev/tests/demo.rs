//! The walk of `make demo` on a gateway that is made up here: it passes where everything is right, and fails,
//! with a sentence that says so, where the gateway does one thing wrong.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "all of this file is a test, its helpers too"
)]

use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use stripe402_dev::demo::{self, Places, Shape};
use stripe402_dev::{ports, wire};

/// What the gateway does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    ServesForFree,
    ErrorOnFirstChallenge,
    ChargesTooMuch,
    ChargesTheCardAgain,
    KeepsTheMoneyOfFailures,
    ReceiptForFailures,
    NamesAnotherClient,
    CapturesAll,
    ServesTheBroke,
    TakesRealCards,
}

struct Gateway {
    fault: Fault,
    balance: Mutex<i64>,
}

const MIN_TOP_UP: i64 = 2_000;
/// What is held for a chat, and what it costs.
const HELD: i64 = 600;
const CAPTURED: i64 = 200;

impl Gateway {
    fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        let payment =
            headers.get(wire::PAYMENT).map(|value| wire::decode(value.to_str().unwrap()).unwrap());
        let price = match path {
            "/v1/payment_methods" => {
                return Json(json!({"id": "pm_made_up_1234567890"})).into_response();
            }
            "/api/weather" => 500,
            "/api/chat" => HELD,
            _ => 100,
        };
        let Some(payment) = payment else {
            let error = (self.fault == Fault::ErrorOnFirstChallenge).then_some("payment_required");
            if self.fault == Fault::ServesForFree {
                return Json(json!({"temp": 72})).into_response();
            }
            return self.challenge(price, error);
        };
        let mut balance = self.balance.lock().unwrap();
        if path == "/.well-known/stripe402/receipts/0197" {
            let captured = if self.fault == Fault::CapturesAll { HELD } else { CAPTURED };
            *balance += HELD - captured;
            let settled =
                json!({"state": "captured", "captured": captured, "creditsRemaining": *balance});
            return Json(settled).into_response();
        }
        let mut receipt = json!({"success": true, "clientId": "ab".repeat(32)});
        if payment.get("paymentMethodId").is_some() || self.fault == Fault::ChargesTheCardAgain {
            *balance += MIN_TOP_UP;
            receipt["chargeId"] = json!("pi_made_up_1234567890");
        }
        if *balance < price && self.fault != Fault::ServesTheBroke {
            return self.challenge(price, Some("insufficient_credits"));
        }
        if path == "/api/fail" {
            if self.fault == Fault::KeepsTheMoneyOfFailures {
                *balance -= price;
            }
            let mut answer = StatusCode::INTERNAL_SERVER_ERROR.into_response();
            if self.fault == Fault::ReceiptForFailures {
                answer
                    .headers_mut()
                    .insert(wire::PAYMENT_RESPONSE, wire::encode(&receipt).parse().unwrap());
            }
            return answer;
        }
        *balance -= if self.fault == Fault::ChargesTooMuch { price + 100 } else { price };
        receipt["creditsRemaining"] = json!(*balance);
        if path == "/api/chat" {
            receipt["hold"] = json!({"id": "0197", "amount": HELD});
        }
        if self.fault == Fault::NamesAnotherClient && receipt.get("chargeId").is_none() {
            receipt["clientId"] = json!("cd".repeat(32));
        }
        ([(wire::PAYMENT_RESPONSE, wire::encode(&receipt))], "{\"temp\":72}").into_response()
    }

    fn challenge(&self, price: i64, error: Option<&str>) -> Response {
        let key = if self.fault == Fault::TakesRealCards { "pk_live_x" } else { "pk_test_standin" };
        let mut challenge: Value = json!({
            "stripe402Version": 1, "price": price, "minTopUp": MIN_TOP_UP, "resource": {"url": "/api"},
            "accepts": [{"scheme": "stripe", "currency": "usd", "amount": price, "publishableKey": key}],
        });
        if let Some(error) = error {
            challenge["error"] = json!(error);
        }
        let headers = [(wire::PAYMENT_REQUIRED, wire::encode(&challenge))];
        (StatusCode::PAYMENT_REQUIRED, headers, Json(challenge)).into_response()
    }
}

async fn handle(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    gateway.answer(request.uri().path(), request.headers())
}

/// Walks on a gateway with this fault; the text that was shown, and how it ended.
async fn walk(fault: Fault) -> (String, Result<(), String>) {
    let gateway = Arc::new(Gateway { fault, balance: Mutex::new(0) });
    let listener = tokio::net::TcpListener::bind(ports::local(0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let service = Router::new().fallback(handle).with_state(gateway);
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });
    let places = Places { gateway: base.clone(), stripe_sim: base };
    let mut out = Vec::new();
    let ended = demo::run(&places, Shape { columns: 100, live: false }, &mut out).await;
    serving.abort();
    let text = anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string();
    (text, ended.map_err(|error| error.to_string()))
}

#[tokio::test]
async fn walks_to_the_end_where_all_is_right() {
    let (text, ended) = walk(Fault::None).await;
    assert_eq!(ended, Ok(()), "{text}");
    for expected in [
        "402 Payment Required",
        "$0.05 a request",
        "the card was charged $0.20",
        "insufficient_credits",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(text.contains("One card charge of $0.20, 7 paid requests"), "{text}");
    let whole = "ab".repeat(32);
    assert!(
        !text.contains(&whole) && !text.contains("pm_made_up_1234567890"),
        "an id is shown whole:\n{text}"
    );
}

#[tokio::test]
async fn fails_where_the_gateway_is_wrong() {
    let rows = [
        (Fault::ServesForFree, "answered 200 OK, where 402 was expected"),
        (Fault::ErrorOnFirstChallenge, "a first challenge has no error field"),
        (Fault::TakesRealCards, "charges at Stripe itself"),
        (Fault::ChargesTooMuch, "creditsRemaining is 1400, where 1500 was expected"),
        (Fault::ChargesTheCardAgain, "the balance went from 1500 to 3400"),
        (Fault::NamesAnotherClient, "clientId is"),
        (Fault::ReceiptForFailures, "a failed request has no receipt"),
        (
            Fault::KeepsTheMoneyOfFailures,
            "some seconds after a failed request is 700, where 800 was expected",
        ),
        (Fault::CapturesAll, "captured is 600, where 200 was expected"),
        (Fault::ServesTheBroke, "answered 200 OK, where 402 was expected"),
    ];
    for (fault, expected) in rows {
        let (text, ended) = walk(fault).await;
        let error = ended.expect_err(&format!("{fault:?} went unnoticed:\n{text}"));
        assert!(error.contains(expected), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn says_how_to_start_what_is_not_there() {
    let nowhere = format!("http://{}", ports::local(ports::free().unwrap()));
    let places = Places { gateway: nowhere.clone(), stripe_sim: nowhere };
    let mut out = Vec::new();
    let error = demo::run(&places, Shape { columns: 100, live: false }, &mut out)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("start it with  make run"), "{error}");
    assert!(out.is_empty());
}
