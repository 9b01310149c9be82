//! Step 4: the cardholder confirms, or does not.

use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{Answer, pay};

/// Always asks the cardholder (docs.stripe.com/testing#regulatory-cards).
const ALWAYS: &str = "4000002760003184";

fn to_confirm(answer: &Answer) -> String {
    assert_eq!(answer.refused(), "payment_failed");
    assert_eq!(answer.reason(), Some("authentication_required"), "{answer:?}");
    let secret = answer.body["clientSecret"].as_str().unwrap();
    let intent = answer.body["paymentIntentId"].as_str().unwrap();
    assert!(secret.starts_with(intent));
    intent.to_owned()
}

#[tokio::test]
async fn a_confirmed_payment_is_credited_once() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    let first = json!({"paymentMethodId": card, "topUpAmount": 60_000});
    let intent = to_confirm(&pay(&stack, "/api/weather", first.clone()).await);
    let mut retry = first.clone();
    retry["paymentIntentId"] = json!(intent);

    let early = pay(&stack, "/api/weather", retry.clone()).await;
    assert_eq!(to_confirm(&early), intent, "not confirmed yet: the same PaymentIntent");
    assert_eq!(to_confirm(&pay(&stack, "/api/weather", first).await), intent, "no second one");
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 0);

    stack.sim.authenticate(&intent, true).await.unwrap();
    for left in [59_500, 59_000] {
        let receipt = pay(&stack, "/api/weather", retry.clone()).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left, "credited once");
        assert!(receipt["clientId"].as_str().is_some());
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 600);
}

#[tokio::test]
async fn a_refused_confirmation_takes_nothing_and_blocks_nobody() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    let payment = json!({"paymentMethodId": card});
    let intent = to_confirm(&pay(&stack, "/api/weather", payment.clone()).await);
    stack.sim.authenticate(&intent, false).await.unwrap();
    let retry = json!({"paymentMethodId": card, "paymentIntentId": intent});
    assert_eq!(pay(&stack, "/api/weather", retry).await.refused(), "card_declined");
    // Whoever has the client secret could confirm it again, and pay for nothing.
    let found = stack.sim.api_get(&format!("/v1/payment_intents/{intent}")).await.unwrap();
    assert_eq!(found["status"], "canceled");

    let second = to_confirm(&pay(&stack, "/api/weather", payment).await);
    assert_ne!(second, intent);
    stack.sim.authenticate(&second, true).await.unwrap();
    let retry = json!({"paymentMethodId": card, "paymentIntentId": second});
    assert_eq!(pay(&stack, "/api/weather", retry).await.receipt()["creditsRemaining"], 49_500);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// A second PaymentMethod of the card takes the place of one that waits for its cardholder.
#[tokio::test]
async fn another_card_does_not_wait_for_a_confirmation() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let first = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    let left = to_confirm(&pay(&stack, "/api/joke", json!({"paymentMethodId": first})).await);
    let second = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    let right = to_confirm(&pay(&stack, "/api/joke", json!({"paymentMethodId": second})).await);
    assert_ne!(left, right);
    let found = stack.sim.api_get(&format!("/v1/payment_intents/{left}")).await.unwrap();
    assert_eq!(found["status"], "canceled", "cancelled at Stripe before the next one");
    stack.sim.authenticate(&right, true).await.unwrap();
    let retry = json!({"paymentMethodId": second, "paymentIntentId": right});
    pay(&stack, "/api/joke", retry).await.receipt();
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// Nobody declined a payment that was cancelled because another one took its place.
#[tokio::test]
async fn an_attempt_that_was_given_up_was_not_declined() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let first = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    let first = json!({"paymentMethodId": first, "idempotencyKey": "first"});
    to_confirm(&pay(&stack, "/api/joke", first.clone()).await);
    let second = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    to_confirm(&pay(&stack, "/api/joke", json!({"paymentMethodId": second})).await);
    let again = pay(&stack, "/api/joke", first).await;
    assert_eq!(again.refused(), "payment_failed");
    assert!(again.body["error"].as_str().unwrap().contains("did not confirm"), "{again:?}");
}

/// Confirmed at Stripe, but the client never says so: the next card finds the credit.
#[tokio::test]
async fn what_was_confirmed_in_silence_is_credited() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    let payment = json!({"paymentMethodId": card});
    let intent = to_confirm(&pay(&stack, "/api/joke", payment.clone()).await);
    stack.sim.authenticate(&intent, true).await.unwrap();
    let receipt = pay(&stack, "/api/joke", payment).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_900);
    assert_eq!(receipt.get("chargeId"), None::<&Value>);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}
