//! While ledgers die, customers come, pay once, and get their money back: from an operator, from
//! Stripe's dashboard, or from their bank.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use stripe402_tests::stack::Stack;

use crate::{answer::pay, operator::subject};

pub(super) const OPERATOR: &str = "0123456789abcdef0123456789abcdef";
/// Whoever asks tries again while the ledger is down, so often at the most.
const TRIES: usize = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// How a customer gets money back.
#[derive(Clone, Copy, Debug)]
enum Back {
    Operator,
    Dashboard,
    DisputeLost,
    DisputeWon,
}

const WAYS: [Back; 4] = [Back::Operator, Back::Dashboard, Back::DisputeLost, Back::DisputeWon];

/// One customer after the other until `stop`; answers how many were served. Operators ask at `admin`.
pub(super) async fn come(stack: &Stack, admin: &str, stop: &AtomicBool) -> i64 {
    let mut served = 0;
    for way in WAYS.iter().cycle() {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        comes(stack, admin, *way).await;
        served += 1;
    }
    served
}

async fn comes(stack: &Stack, admin: &str, way: Back) {
    let card = stack.sim.fresh_card().await.unwrap();
    let client = served(stack, &card).await;
    let intent = paid_by(stack, &card).await;
    match way {
        Back::Operator => refunded(stack, admin, &client).await,
        Back::Dashboard => {
            let form = [("payment_intent", intent.as_str()), ("amount", "20")];
            // Stripe may be in trouble just now: whether it went back is Stripe's to know.
            let _maybe = stack.sim.api_post("/v1/refunds", &form).await;
        }
        Back::DisputeLost | Back::DisputeWon => {
            let asked = json!({"payment_intent": intent});
            let opened = stack.sim.control("disputes", &asked).await.unwrap();
            tokio::time::sleep(PAUSE * 4).await;
            let status = if matches!(way, Back::DisputeWon) { "won" } else { "lost" };
            let path = format!("disputes/{}/close", opened["id"].as_str().unwrap());
            stack.sim.control(&path, &json!({"status": status})).await.unwrap();
        }
    }
}

async fn served(stack: &Stack, card: &str) -> String {
    for _ in 0..TRIES {
        let answer = pay(stack, "/api/joke", json!({"paymentMethodId": card})).await;
        match answer.status {
            200 => return answer.receipt()["clientId"].as_str().unwrap().to_owned(),
            503 => tokio::time::sleep(PAUSE).await,
            other => panic!("{other}: {answer:?}"),
        }
    }
    panic!("a new customer is never served");
}

/// The one PaymentIntent of the card that was paid.
async fn paid_by(stack: &Stack, card: &str) -> String {
    let all = stack.sim.api_get("/v1/payment_intents?limit=100").await.unwrap();
    let all = all["data"].as_array().unwrap().iter();
    let of = |intent: &&Value| intent["payment_method"] == card && intent["status"] == "succeeded";
    let ids: Vec<_> = all.filter(of).map(|intent| intent["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{card} was charged {} times", ids.len());
    ids[0].to_owned()
}

/// 20 cents, by the operator API, with one reference until it says yes.
async fn refunded(stack: &Stack, admin: &str, client: &str) {
    let order =
        json!({"currency": "usd", "units": 2_000, "reference": format!("sorry-{}", &client[..16])});
    for _ in 0..TRIES {
        let url = format!("{admin}/clients/{}/refunds", subject(client));
        let asked = stack.client.post(url).bearer_auth(OPERATOR).json(&order);
        match asked.send().await {
            Ok(answer) if answer.status() == 200 => return,
            Ok(answer) if answer.status().is_client_error() => {
                panic!("{}", answer.text().await.unwrap())
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    panic!("an operator's refund is never done");
}

/// What the books say that Stripe should have of it, in units.
pub(super) fn net(movements: &Value) -> i64 {
    let worth = |movement: &Value| {
        let amount = movement["amount"].as_i64().unwrap();
        match movement["kind"].as_str().unwrap() {
            "top_up" | "refund_failed" | "dispute_won" => amount,
            "refund" | "capture" | "dispute_opened" => -amount,
            _ => 0,
        }
    };
    movements["movements"].as_array().unwrap().iter().map(worth).sum()
}
