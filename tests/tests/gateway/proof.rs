//! A PaymentMethod proves nothing by existing.

use serde_json::{Value, json};
use stripe402_tests::{
    card,
    stack::{Stack, StackOptions},
    stripe_sim::Totals,
};

use crate::answer::{left_before, pay};

/// A client with a card number, its CVC 123, and 49,500 left.
async fn owner(stack: &Stack) -> (String, Value) {
    let number = card::fresh().unwrap();
    let method = stack.sim.payment_method(&number, "123").await.unwrap();
    let receipt = pay(stack, "/api/weather", json!({"paymentMethodId": method})).await.receipt();
    (number, receipt)
}

fn same(one: &Totals, other: &Totals) {
    assert_eq!(one.charged, other.charged, "a card was charged");
}

#[tokio::test]
async fn a_known_number_with_another_cvc_gets_nothing() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (number, receipt) = owner(&stack).await;
    let client = receipt["clientId"].as_str().unwrap();
    let before = stack.sim.totals("usd").await.unwrap();
    let stolen = stack.sim.payment_method(&number, "999").await.unwrap();
    for payment in [
        json!({"paymentMethodId": stolen}),
        json!({"paymentMethodId": stolen, "clientId": "c8a2e"}),
        json!({"paymentMethodId": stolen, "paymentIntentId": receipt["chargeId"]}),
    ] {
        let answer = pay(&stack, "/api/joke", payment.clone()).await;
        assert_eq!(answer.refused(), "card_declined", "{payment}");
        assert!(!answer.body.to_string().contains(client), "the id was given away");
    }
    same(&before, &stack.sim.totals("usd").await.unwrap());
    assert_eq!(left_before(&stack, client).await, 49_500);
    assert_eq!(stack.upstream.recorder().count(), 2);
}

#[tokio::test]
async fn a_second_payment_method_of_the_same_card_is_verified_once() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (number, receipt) = owner(&stack).await;
    let second = stack.sim.payment_method(&number, "123").await.unwrap();
    for left in [49_400, 49_300, 49_200] {
        let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": second})).await.receipt();
        assert_eq!(answer["clientId"], receipt["clientId"]);
        assert_eq!(answer["creditsRemaining"], left);
        assert!(answer.get("chargeId").is_none());
    }
    assert_eq!(stack.sim.calls("/v1/setup_intents").await.unwrap().len(), 1);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

#[tokio::test]
async fn a_payment_method_of_another_customer_is_refused() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (number, receipt) = owner(&stack).await;
    let other = stack.sim.api_post("/v1/customers", &[("name", "somebody else")]).await.unwrap();
    let method = stack.sim.payment_method(&number, "123").await.unwrap();
    let path = format!("/v1/payment_methods/{method}/attach");
    stack.sim.api_post(&path, &[("customer", other["id"].as_str().unwrap())]).await.unwrap();
    let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": method})).await;
    assert_eq!(answer.refused(), "payment_failed");
    assert_eq!(answer.reason(), Some("payment_method_not_yours"));
    assert_eq!(left_before(&stack, receipt["clientId"].as_str().unwrap()).await, 49_500);
}

/// Whoever merely knows a card's number must not learn whether its owner has credits.
#[tokio::test]
async fn a_known_number_tells_nothing_of_its_owners_balance() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (rich, _) = owner(&stack).await;
    let mut answers = Vec::new();
    for number in [rich, card::fresh().unwrap()] {
        let method = stack.sim.payment_method(&number, "999").await.unwrap();
        let payment = json!({"paymentMethodId": method, "topUpAmount": 1});
        answers.push(pay(&stack, "/api/joke", payment).await.body);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["errorCode"], "top_up_below_minimum");
}

/// Every receipt shows a PaymentIntent's id: it must be worth nothing to a stranger.
#[tokio::test]
async fn somebody_elses_payment_intent_is_worth_nothing() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (_, victim) = owner(&stack).await;
    let own = stack.sim.fresh_card().await.unwrap();
    let stolen = json!({"paymentMethodId": own, "paymentIntentId": victim["chargeId"]});
    let answer = pay(&stack, "/api/joke", stolen).await;
    assert_eq!(answer.refused(), "payment_failed");
    let unknown = json!({"paymentMethodId": own, "paymentIntentId": "pi_unknown"});
    let other = pay(&stack, "/api/joke", unknown).await;
    assert_eq!(answer.body, other.body, "known or not, the answer is the same");
    let alone = json!({"paymentIntentId": victim["chargeId"]});
    assert_eq!(pay(&stack, "/api/joke", alone).await.challenge()["error"], Value::Null);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    assert_eq!(left_before(&stack, victim["clientId"].as_str().unwrap()).await, 49_500);
}

/// One that somebody made at Stripe by other means, though succeeded, is no top-up of ours.
#[tokio::test]
async fn a_payment_intent_that_the_ledger_did_not_make_is_not_credited() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let form = [
        ("amount", "5000"),
        ("currency", "usd"),
        ("payment_method", "pm_card_mastercard"),
        ("confirm", "true"),
        ("allowed_payment_method_types[0]", "card"),
    ];
    let intent = stack.sim.api_post("/v1/payment_intents", &form).await.unwrap();
    assert_eq!(intent["status"], "succeeded");
    let payment = json!({"paymentMethodId": "pm_card_mastercard", "paymentIntentId": intent["id"]});
    assert_eq!(pay(&stack, "/api/joke", payment).await.refused(), "payment_failed");
}

/// More requests at once than cards may be tried, with one new PaymentMethod of a client that has
/// credits: one of them verifies it, and all are served.
#[tokio::test]
async fn many_requests_at_once_verify_a_card_once() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let number = card::fresh().unwrap();
    let first = stack.sim.payment_method(&number, "123").await.unwrap();
    pay(&stack, "/api/joke", json!({"paymentMethodId": first})).await.receipt();
    let second = stack.sim.payment_method(&number, "123").await.unwrap();
    let all = (0..80).map(|_| pay(&stack, "/api/joke", json!({"paymentMethodId": second})));
    for answer in futures_util::future::join_all(all).await {
        answer.receipt();
    }
    let verified = stack.sim.calls("/v1/setup_intents").await.unwrap();
    assert_eq!(verified.len(), 1);
}
