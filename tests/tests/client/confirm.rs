//! `stripe402 confirm` at a seller that wants more than the charge that waits.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use stripe402_tests::wire;
use tokio::net::TcpListener;

use crate::cli;

/// What the seller does, and the payments with a card that came.
struct Seller {
    min_top_up: i64,
    secret: &'static str,
    /// Whether the bank wants nothing confirmed any more.
    serves: bool,
    cards: Vec<Value>,
}

type Shared = Arc<Mutex<Seller>>;

async fn answer(State(seller): State<Shared>, request: Request) -> Response {
    let mut seller = seller.lock().unwrap();
    let payment = request.headers().get(wire::PAYMENT).map(|header| header.to_str().unwrap());
    let payment = payment.map(|header| wire::decode(header).unwrap()).unwrap_or_default();
    let challenge = json!({
        "stripe402Version": 1, "price": 1, "minTopUp": seller.min_top_up, "resource": {"url": "/"},
        "accepts": [{
            "scheme": "stripe", "currency": "usd", "amount": 1, "minTopUp": seller.min_top_up,
            "publishableKey": "pk_test_seller",
        }],
        "extensions": ["maxPrice", "idempotencyKey", "paymentIntentId", "currency"],
    });
    let header = [(wire::PAYMENT_REQUIRED, wire::encode(&challenge))];
    if payment["paymentMethodId"].is_null() {
        return (StatusCode::PAYMENT_REQUIRED, header, challenge.to_string()).into_response();
    }
    seller.cards.push(payment);
    if seller.serves {
        let receipt = json!({
            "success": true, "clientId": "1".repeat(64), "creditsRemaining": 1, "chargeId": "pi_9",
        });
        return ([("payment-response", wire::encode(&receipt))], "served").into_response();
    }
    let refusal = json!({
        "success": false, "creditsRemaining": 0, "clientId": "", "error": "confirm it",
        "errorCode": "payment_failed", "reason": "authentication_required",
        "paymentIntentId": "pi_1", "clientSecret": seller.secret,
    });
    (StatusCode::PAYMENT_REQUIRED, header, refusal.to_string()).into_response()
}

/// After a `curl` whose charge of $5.00 waits: how `confirm` ends, and what cards were sent meanwhile.
async fn confirm(change: impl Fn(&mut Seller), options: &[&str]) -> (cli::Said, Vec<Value>) {
    let seller =
        Seller { min_top_up: 50_000, secret: "pi_1_secret_x", serves: false, cards: Vec::new() };
    let seller = Arc::new(Mutex::new(seller));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let service = Router::new().fallback(answer).with_state(Arc::clone(&seller));
    tokio::spawn(async move { axum::serve(listener, service).await });
    let dir = tempfile::tempdir().unwrap();
    let run = async |command: &str, options: &[&str]| {
        let arguments = [&[command, &url][..], options].concat();
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        cli::run(&dir.path().join("credentials.json"), &arguments, "").await
    };
    let first = run("curl", &["--payment-method", "pm_card"]).await;
    assert_eq!(first.code, 16, "{first:?}");
    {
        let mut seller = seller.lock().unwrap();
        seller.cards.clear();
        change(&mut seller);
    }
    let said = run("confirm", options).await;
    let cards = std::mem::take(&mut seller.lock().unwrap().cards);
    (said, cards)
}

#[tokio::test]
async fn nothing_but_the_charge_that_waits_is_confirmed() {
    let (said, cards) = confirm(|seller| seller.min_top_up = 100_000, &[]).await;
    assert_eq!((said.code, cards.len()), (15, 0), "a larger charge: {said:?}");
    let larger = |seller: &mut Seller| (seller.min_top_up, seller.serves) = (100_000, true);
    let (said, cards) = confirm(larger, &["--max-charge", "50usd"]).await;
    assert_eq!((said.code, cards.len()), (15, 0), "one that the bank lets pass: {said:?}");
    let (said, cards) = confirm(|_| (), &["--payment-method", "pm_other"]).await;
    assert_eq!((said.code, cards.len()), (2, 0), "another card: {said:?}");
    assert!(said.error.contains("of another card"), "{said:?}");
    let (said, cards) = confirm(|seller| seller.secret = "pi_2_secret_x", &[]).await;
    assert_eq!((said.code, cards.len()), (1, 1), "another PaymentIntent: {said:?}");
    assert!(said.error.contains("wants another charge confirmed"), "{said:?}");
    assert_eq!(cards[0]["topUpAmount"], 50_000, "the same attempt again");
}
