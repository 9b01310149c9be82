//! Signed delivery of events.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use stripe_sim::{Options, WebhookEndpoint};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::{Sim, id, text};

const SECRET: &str = "whsec_test";

/// A delivery: its signature and its payload.
type Delivery = (String, String);

/// A webhook endpoint that first answers with these statuses, then with 200.
async fn endpoint(statuses: Vec<u16>) -> (Options, UnboundedReceiver<Delivery>) {
    let (sender, receiver) = unbounded_channel();
    let shared = Arc::new((Mutex::new(statuses), sender));
    let router = Router::new().route("/hook", post(take)).with_state(shared);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let webhook = Some(WebhookEndpoint { url, secret: SECRET.to_owned() });
    (Options { webhook, ..Options::default() }, receiver)
}

type Shared = Arc<(Mutex<Vec<u16>>, UnboundedSender<Delivery>)>;

async fn take(State(shared): State<Shared>, headers: HeaderMap, payload: String) -> StatusCode {
    let status = shared.0.lock().await.pop().unwrap_or(200);
    let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
    shared.1.send((signature, payload)).unwrap();
    StatusCode::from_u16(status).unwrap()
}

/// The event of the next delivery, whose signature is checked.
async fn next(receiver: &mut UnboundedReceiver<Delivery>) -> Value {
    let (signature, payload) =
        tokio::time::timeout(Duration::from_secs(10), receiver.recv()).await.unwrap().unwrap();
    let (at, v1) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{at}.{payload}").as_bytes());
    let expected = stripe402_protocol::hex::to_string(&mac.finalize().into_bytes());
    assert_eq!(v1, expected);
    serde_json::from_str(&payload).unwrap()
}

#[tokio::test]
async fn events_are_signed_and_repeated_until_taken() {
    let (options, mut deliveries) = endpoint(vec![302, 500]).await;
    let sim = Sim::start_with(options).await;
    let request = sim.request(reqwest::Method::POST, "/v1/customers").bearer_auth(&sim.key);
    let reply = sim.send(request.header("Idempotency-Key", "k1")).await;
    let request_id = reply.header("request-id").unwrap().to_owned();
    let customer = reply.ok();
    let mut event = Value::Null;
    for _ in 0..3 {
        event = next(&mut deliveries).await;
        assert_eq!(
            (&event["type"], &event["data"]["object"]),
            (&json!("customer.created"), &customer)
        );
        assert_eq!(event["request"], json!({"id": request_id, "idempotency_key": "k1"}));
    }
    while sim.get("/v1/events").await.ok()["data"][0]["pending_webhooks"] != 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sim.play(&format!("events/{}/redeliver", id(&event)), json!({})).await;
    assert_eq!(id(&next(&mut deliveries).await), id(&event), "a duplicate, on request");
    sim.play("webhook", json!({})).await;
    sim.post("/v1/customers", &[]).await.ok();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(deliveries.try_recv().is_err(), "nowhere to go");
}

#[tokio::test]
async fn a_payment_tells_its_story() {
    let (options, mut deliveries) = endpoint(vec![]).await;
    let sim = Sim::start_with(options).await;
    let intent = sim.pay_by("4000000000000259").await.ok();
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let event = next(&mut deliveries).await;
        let object = &event["data"]["object"];
        assert!([&object["id"], &object["payment_intent"]].contains(&&intent["id"]), "{event:#}");
        kinds.push(text(&event, "type"));
    }
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.succeeded",
            "charge.updated",
            "payment_intent.created",
            "payment_intent.succeeded"
        ]
    );
}
