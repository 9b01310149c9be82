//! What Stripe tells of by itself: refunds, disputes, payments that ended in silence.

use std::time::Duration;

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::pay;

/// A client that has bought $5 and one joke: 49,900 left. Its card, id and PaymentIntent.
async fn client(stack: &Stack) -> (String, String, String) {
    let card = stack.sim.fresh_card().await.unwrap();
    let receipt = pay(stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let text = |name: &str| receipt[name].as_str().unwrap().to_owned();
    (card, text("clientId"), text("chargeId"))
}

/// Asks with the client id until the answer is as wanted; each joke that is served costs 100.
async fn until(
    stack: &Stack,
    client: &str,
    what: &str,
    wanted: impl Fn(&Value, u16) -> bool,
) -> Value {
    let mut last = Value::Null;
    for _ in 0..100 {
        let answer = pay(stack, "/api/joke", json!({"clientId": client})).await;
        last = if answer.status == 200 { answer.receipt() } else { answer.body.clone() };
        if wanted(&last, answer.status) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    panic!("{what}: {last}");
}

fn is_frozen(body: &Value, _: u16) -> bool {
    body["reason"] == "frozen"
}

fn is_empty(body: &Value, _: u16) -> bool {
    body["error"] == "insufficient_credits"
}

async fn log_has(stack: &Stack, line: &str) {
    for _ in 0..100 {
        let log = std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap();
        if log.contains(line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    panic!("{line} is not in the ledger's log");
}

#[tokio::test]
async fn a_refund_takes_its_credits_once_and_its_failure_gives_them_back() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (_, client, intent) = client(&stack).await;
    let form = [("payment_intent", intent.as_str()), ("amount", "300")];
    let refund = stack.sim.api_post("/v1/refunds", &form).await.unwrap();
    let taken =
        |left: &Value, _: u16| left["creditsRemaining"].as_i64().is_some_and(|l| l < 20_000);
    let left =
        until(&stack, &client, "the refund", taken).await["creditsRemaining"].as_i64().unwrap();
    // $3.00 of $5.00 are gone, and the jokes.
    assert_eq!((50_000 - 30_000 - left) % 100, 0);

    // Stripe tells again, of every event there is.
    let events = stack.sim.api_get("/v1/events?limit=100").await.unwrap();
    for event in events["data"].as_array().unwrap() {
        let id = event["id"].as_str().unwrap();
        stack.sim.control(&format!("events/{id}/redeliver"), &json!({})).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    let joke = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    assert_eq!(joke["creditsRemaining"], left - 100, "told twice, posted once");

    let id = refund["id"].as_str().unwrap();
    stack.sim.control(&format!("refunds/{id}/fail"), &json!({})).await.unwrap();
    let back = |left: &Value, _: u16| left["creditsRemaining"].as_i64().is_some_and(|l| l > 40_000);
    until(&stack, &client, "the failure of the refund", back).await;
}

/// Opened: the money is taken back and the account frozen. Lost: what is missing is a debt, which
/// the next top-up settles first. Won: it is there again.
#[tokio::test]
async fn a_dispute_freezes_and_its_end_thaws() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, lost, intent) = client(&stack).await;
    // Something is spent that cannot be taken back any more: 100 of 50,000.
    let open = async |intent: &str| {
        let opened = stack.sim.control("disputes", &json!({"payment_intent": intent})).await;
        opened.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let dispute = open(&intent).await;
    until(&stack, &lost, "the freeze", is_frozen).await;
    let by_card = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    assert_eq!((by_card.refused(), by_card.reason()), ("payment_failed", Some("frozen")));
    let close = async |dispute: &str, status: &str| {
        let path = format!("disputes/{dispute}/close");
        stack.sim.control(&path, &json!({"status": status})).await.unwrap();
    };
    close(&dispute, "lost").await;
    until(&stack, &lost, "the end of the freeze", is_empty).await;
    let told = || i64::try_from(stack.upstream.recorder().count()).unwrap();
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let left = receipt["creditsRemaining"].as_i64().unwrap();
    // Each joke was spent of what the dispute took back whole: the next top-up pays for them.
    let jokes = told();
    assert_eq!(left, 50_000 - jokes * 100, "the debt is settled first, to the unit");

    let (_, won, intent) = client(&stack).await;
    let dispute = open(&intent).await;
    until(&stack, &won, "the freeze", is_frozen).await;
    close(&dispute, "won").await;
    let served = |_: &Value, status: u16| status == 200;
    let left = until(&stack, &won, "the end of the freeze", served).await["creditsRemaining"]
        .as_i64()
        .unwrap();
    assert_eq!(left, 50_000 - (told() - jokes) * 100, "the money is back, to the unit");
}

/// A client that owes more than a top-up is told so, and not charged.
#[tokio::test]
async fn a_client_in_debt_is_told_what_it_owes() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, spent, intent) = client(&stack).await;
    for _ in 0..99 {
        pay(&stack, "/api/weather", json!({"clientId": spent})).await.receipt();
    }
    let opened = stack.sim.control("disputes", &json!({"payment_intent": intent})).await.unwrap();
    let dispute = opened["id"].as_str().unwrap();
    let path = format!("disputes/{dispute}/close");
    stack.sim.control(&path, &json!({"status": "lost"})).await.unwrap();
    until(&stack, &spent, "the end of the dispute", is_empty).await;
    let charged = stack.sim.totals("usd").await.unwrap().charged;
    let mut owed = 0;
    for _ in 0..3 {
        let refused = pay(&stack, "/api/weather", json!({"paymentMethodId": card})).await;
        assert_eq!(refused.refused(), "top_up_below_minimum");
        assert_eq!(refused.reason(), Some("debt"));
        owed = refused.body["amountOwed"].as_i64().unwrap();
        assert!(owed >= 49_500, "{owed}");
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, charged, "nothing was charged");
    let alone = pay(&stack, "/api/weather", json!({"clientId": spent})).await.challenge();
    assert_eq!(alone["error"], "insufficient_credits");
    assert_eq!(alone["reason"], "debt");
    assert_eq!(alone["amountOwed"], owed);
    let balance = pay(&stack, "/.well-known/stripe402/balance", json!({"clientId": spent})).await;
    let expected = json!({"creditsRemaining": 0, "currency": "usd", "amountOwed": owed});
    assert_eq!(balance.body, expected);
    let enough = json!({"paymentMethodId": card, "topUpAmount": 100_000});
    let receipt = pay(&stack, "/api/weather", enough).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 100_000 - owed - 500);
    assert!(receipt.get("amountOwed").is_none());
    let balance = pay(&stack, "/.well-known/stripe402/balance", json!({"clientId": spent})).await;
    assert!(balance.body.get("amountOwed").is_none(), "{}", balance.body);
}

/// An inquiry moves nothing.
#[tokio::test]
async fn an_inquiry_moves_nothing() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (_, client, intent) = client(&stack).await;
    let inquiry = json!({"payment_intent": intent, "inquiry": true});
    stack.sim.control("disputes", &inquiry).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let joke = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    assert_eq!(joke["creditsRemaining"], 49_800);
}

/// The cardholder confirms, and nobody comes back to say so: Stripe does.
#[tokio::test]
async fn a_payment_that_was_confirmed_in_silence_is_credited() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    let asked = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    let intent = asked.body["paymentIntentId"].as_str().unwrap();
    stack.sim.authenticate(intent, true).await.unwrap();
    log_has(&stack, "state=\"credited\"").await;
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_900);
}

fn signed(secret: &str, at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let hex = stripe402_protocol::hex::to_string(&mac.finalize().into_bytes());
    format!("t={at},v1={hex}")
}

#[tokio::test]
async fn what_is_not_signed_is_refused() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let (_, _, _) = client(&stack).await;
    let events = stack.sim.api_get("/v1/events?limit=1").await.unwrap();
    let event = events["data"][0].clone();
    let mut unknown = event.clone();
    unknown["type"] = json!("some.new_thing");
    let (body, unknown) = (event.to_string(), unknown.to_string());
    let secret = stack.secrets.webhook_secret.clone();
    let url = stack.ledger().unwrap().webhook_url("/webhooks/stripe");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    for (what, signature, body, status) in [
        ("as it should be", signed(&secret, now, &body), &body, 200),
        ("an unknown type", signed(&secret, now, &unknown), &unknown, 200),
        ("no signature", String::new(), &body, 400),
        ("another secret", signed("whsec_other", now, &body), &body, 400),
        ("another body", signed(&secret, now, "{}"), &body, 400),
        ("too old", signed(&secret, now - 301, &body), &body, 400),
        ("from the future", signed(&secret, now + 301, &body), &body, 400),
        ("nonsense", "t=x,v1=y".to_owned(), &body, 400),
        ("no event", signed(&secret, now, "{}"), &"{}".to_owned(), 400),
    ] {
        let answer = stack.client.post(&url).header("stripe-signature", signature);
        let answer = answer.body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{what}");
    }
}

/// Endpoints are of the API version that was current when they were made, and accounts are old.
#[tokio::test]
async fn events_of_every_api_version_are_heard() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let (_, client, intent) = client(&stack).await;
    // Nobody tells of this dispute but the event below.
    stack.sim.control("webhook", &json!({})).await.unwrap();
    let asked = json!({"payment_intent": intent});
    let dispute = stack.sim.control("disputes", &asked).await.unwrap();
    let dispute = dispute["id"].as_str().unwrap();
    let secret = stack.secrets.webhook_secret.clone();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let url = stack.ledger().unwrap().webhook_url("/webhooks/stripe");
    let events = [
        // As before 2024-10-28.acacia, when a dispute had other fields.
        json!({"id": "evt_1", "object": "event", "api_version": "2019-12-03",
            "type": "charge.dispute.created",
            "data": {"object": {"id": dispute, "object": "dispute", "charge": "ch_1"}}}),
        json!({"id": "evt_2", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found",
            "related_object": null}),
        json!({"id": "evt_3", "object": "event", "api_version": "2015-01-01",
            "type": "customer.created", "data": {"object": {"id": "cus_1"}}}),
        json!({"id": "evt_4", "object": "event", "type": "charge.refunded",
            "data": {"object": {"id": "ch_1", "payment_intent": {"id": intent}}}}),
    ];
    for event in events {
        let body = event.to_string();
        let request =
            stack.client.post(&url).header("stripe-signature", signed(&secret, now, &body));
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{event}");
    }
    until(&stack, &client, "the dispute", is_frozen).await;
}
