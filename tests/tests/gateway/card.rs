//! Step 3: a card pays.

use serde_json::json;
use stripe402_tests::{
    card,
    stack::{Stack, StackOptions},
    stripe_sim::PUBLISHABLE_KEY,
};

use crate::answer::{Answer, pay};

async fn pay_by_number(stack: &Stack, number: &str) -> Answer {
    let method = stack.sim.payment_method(number, "123").await.unwrap();
    pay(stack, "/api/weather", json!({"paymentMethodId": method})).await
}

#[tokio::test]
async fn a_card_is_charged_once_and_the_request_served() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let method = stack.sim.fresh_card().await.unwrap();
    let answer = pay(&stack, "/api/weather", json!({"paymentMethodId": method})).await;
    let receipt = answer.receipt();
    assert_eq!(answer.body, json!({"temp": 72, "conditions": "Sunny"}));
    assert_eq!(receipt["creditsRemaining"], 49_500);
    assert_eq!(receipt["clientId"].as_str().unwrap().len(), 64);

    // The card again: deduct first, charge nothing.
    let again = pay(&stack, "/api/weather", json!({"paymentMethodId": method})).await.receipt();
    assert_eq!(again["clientId"], receipt["clientId"]);
    assert_eq!(again["creditsRemaining"], 49_000);
    assert!(again.get("chargeId").is_none());

    let intent = format!("/v1/payment_intents/{}", receipt["chargeId"].as_str().unwrap());
    let intent = stack.sim.api_get(&intent).await.unwrap();
    assert_eq!((&intent["amount_received"], &intent["currency"]), (&json!(500), &json!("usd")));
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    let metadata = intent["metadata"].to_string();
    assert!(!metadata.contains(receipt["clientId"].as_str().unwrap()), "a credential at Stripe");
}

#[tokio::test]
async fn tokens_of_test_cards_pay_like_cards() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let token = json!({"paymentMethodId": "pm_card_visa"});
    assert_eq!(pay(&stack, "/api/joke", token.clone()).await.receipt()["creditsRemaining"], 49_900);
    // Each use is a new PaymentMethod of the same card: verified, then paid from the balance.
    assert_eq!(pay(&stack, "/api/joke", token).await.receipt()["creditsRemaining"], 49_800);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    let declined = json!({"paymentMethodId": "pm_card_visa_chargeDeclined"});
    assert_eq!(pay(&stack, "/api/joke", declined).await.refused(), "card_declined");
}

#[tokio::test]
async fn a_payment_method_that_is_none_of_stripes() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for wrong in ["pm_does_not_exist", "card_1", "pm_", "pm_a/../../charges", "pm_ü"] {
        let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": wrong})).await;
        assert_eq!(answer.refused(), "payment_failed", "{wrong}");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
}

#[tokio::test]
async fn a_declined_card_can_be_replaced() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let answer = pay_by_number(&stack, "4000000000000002").await;
    assert_eq!(answer.refused(), "card_declined");
    let answer = pay_by_number(&stack, &card::fresh().unwrap()).await;
    assert_eq!(answer.receipt()["creditsRemaining"], 49_500);
}

#[tokio::test]
async fn the_challenge_names_the_key_that_makes_payment_methods() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let challenge = crate::answer::send(stack.get("/api/joke")).await.challenge();
    assert_eq!(challenge["accepts"][0]["publishableKey"], PUBLISHABLE_KEY);
}
