//! What switches it off: a decline, a bank that wants the cardholder, a freeze. The next receipt tells.

use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use super::{charged, shown, terms};
use crate::{
    answer::pay,
    keys::made,
    operator::{post, subject},
};

/// Set up, and then declined whenever it is charged (docs.stripe.com/testing).
const DECLINES: &str = "4000000000000341";
/// Its bank always wants the cardholder.
const ASKS: &str = "4000002760003184";

/// Pays with the key until its receipt says why it tops up no more; then nothing was charged beside `cents`.
async fn is_told(stack: &Stack, (key, card): (&Value, &str), reason: &str, cents: i64) {
    let mut told = Value::Null;
    for _ in 0..200 {
        let answer = pay(stack, "/api/joke", json!({"clientId": key["key"]})).await;
        told = answer.receipt()["autoTopUp"].clone();
        if !told.is_null() {
            break;
        }
    }
    assert_eq!(told, reason);
    assert_eq!(charged(stack).await, cents);
    let shown = shown(stack, card).await;
    assert_eq!(
        (&shown["off"]["reason"], &shown["thisMonth"]),
        (&json!(reason), &json!(0)),
        "{shown}"
    );
    // Once: it is not tried again.
    let calls = stack.sim.calls("/v1/payment_intents").await.unwrap().len();
    for _ in 0..5 {
        let answer = pay(stack, "/api/joke", json!({"clientId": key["key"]})).await;
        assert_eq!(answer.receipt()["autoTopUp"], reason);
    }
    assert_eq!(stack.sim.calls("/v1/payment_intents").await.unwrap().len(), calls);
}

#[tokio::test]
async fn a_decline_switches_it_off() {
    let trial = json!({"units": 39_000, "per": "card"});
    let options = StackOptions::new().filter(|filter| filter["trial"] = trial);
    let stack = Stack::start(options).await.unwrap();
    let card = stack.sim.payment_method(DECLINES, "123").await.unwrap();
    pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let key = made(&stack, &card, terms()).await;
    is_told(&stack, (&key, &card), "declined", 0).await;
}

#[tokio::test]
async fn a_bank_that_wants_the_cardholder_switches_it_off() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method(ASKS, "123").await.unwrap();
    let mut payment = json!({"paymentMethodId": card});
    let asked = pay(&stack, "/api/weather", payment.clone()).await;
    let intent = asked.body["paymentIntentId"].as_str().unwrap();
    stack.sim.authenticate(intent, true).await.unwrap();
    payment["paymentIntentId"] = json!(intent);
    pay(&stack, "/api/weather", payment).await.receipt();
    let mut terms = terms();
    terms["autoTopUp"]["below"] = json!(49_000);
    let key = made(&stack, &card, terms).await;
    is_told(&stack, (&key, &card), "authentication_required", 500).await;
}

/// Frozen since the card has agreed, and free again: it takes the card to agree again.
#[tokio::test]
async fn a_freeze_switches_it_off() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, client) = crate::keys::payer(&stack, 50_000).await;
    let mut terms = terms();
    terms["autoTopUp"]["below"] = json!(49_000);
    let key = made(&stack, &card, terms.clone()).await;
    for what in ["freeze", "unfreeze"] {
        let path = format!("/clients/{}/{what}", subject(&client));
        assert_eq!(post(&stack, &path, json!({"reason": "a look"})).await.status, 200);
    }
    is_told(&stack, (&key, &card), "frozen", 500).await;
    let again = json!({"paymentMethodId": card, "key": {"autoTopUp": terms["autoTopUp"]}});
    let id = key["id"].as_str();
    let changed = crate::keys::keys(&stack, reqwest::Method::PATCH, id, again).await;
    assert_eq!((changed.status, changed.body["autoTopUp"].get("off")), (200, None), "{changed:?}");
    pay(&stack, "/api/joke", json!({"clientId": key["key"]})).await.receipt();
    assert_eq!(super::charged_in_time(&stack, 1_000).await, 1_000);
}

/// What a dispute took beyond the balance is paid by who owes it, not by a key.
#[tokio::test]
async fn nothing_is_charged_for_a_debt() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let first = pay(&stack, "/api/weather", json!({"paymentMethodId": card})).await.receipt();
    let opened = json!({"payment_intent": first["chargeId"]});
    let dispute = stack.sim.control("disputes", &opened).await.unwrap();
    let by_client = json!({"clientId": first["clientId"]});
    for _ in 0..100 {
        if pay(&stack, "/api/joke", by_client.clone()).await.reason() == Some("frozen") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    }
    let close = format!("disputes/{}/close", dispute["id"].as_str().unwrap());
    stack.sim.control(&close, &json!({"status": "lost"})).await.unwrap();
    let mut refused = Value::Null;
    for _ in 0..100 {
        let answer = pay(&stack, "/api/joke", by_client.clone()).await;
        refused = answer.body["reason"].clone();
        if refused == "debt" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    }
    assert_eq!(refused, "debt");
    let key = made(&stack, &card, terms()).await;
    let calls = stack.sim.calls("/v1/payment_intents").await.unwrap().len();
    for _ in 0..5 {
        let asked = pay(&stack, "/api/joke", json!({"clientId": key["key"]})).await;
        assert_eq!(asked.challenge()["error"], "insufficient_credits");
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(stack.sim.calls("/v1/payment_intents").await.unwrap().len(), calls);
    let shown = shown(&stack, &card).await;
    assert_eq!((&shown["thisMonth"], shown.get("off")), (&json!(0), None), "{shown}");
}
