//! `maxPrice`, `currency` and `idempotencyKey`.

use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{left_before, paid_client, pay};

#[tokio::test]
async fn nothing_is_taken_above_max_price_nor_in_another_currency() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let card = stack.sim.fresh_card().await.unwrap();
    for payment in [
        json!({"clientId": client, "maxPrice": 499}),
        json!({"paymentMethodId": card, "maxPrice": 499}),
        json!({"clientId": client, "maxPrice": 0}),
        json!({"clientId": client, "maxPrice": -1}),
        json!({"clientId": client, "maxPrice": 500, "currency": "eur"}),
        json!({"clientId": client, "paymentMethodId": card, "currency": "quids"}),
        json!({"paymentMethodId": card, "currency": "eur"}),
    ] {
        let challenge = pay(&stack, "/api/weather", payment.clone()).await.challenge();
        assert_eq!((&challenge["price"], &challenge["error"]), (&json!(500), &Value::Null));
    }
    assert_eq!(left_before(&stack, &client).await, 49_500);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    let enough = json!({"clientId": client, "maxPrice": 500, "currency": "USD"});
    assert_eq!(pay(&stack, "/api/weather", enough).await.receipt()["creditsRemaining"], 48_900);
}

#[tokio::test]
async fn a_key_names_one_top_up() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let payment = |amount: i64, key: &str| json!({"paymentMethodId": card, "topUpAmount": amount, "idempotencyKey": key});
    let first = pay(&stack, "/api/weather", payment(50_000, "k1")).await.receipt();
    for left in (0..=49_000).rev().step_by(500) {
        let receipt = pay(&stack, "/api/weather", payment(50_000, "k1")).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left, "a key never makes a deduction free");
    }
    // Empty: the same key charges nothing more, another amount under it is refused.
    let answer = pay(&stack, "/api/weather", payment(50_000, "k1")).await;
    assert_eq!(answer.challenge()["error"], "insufficient_credits");
    let answer = pay(&stack, "/api/weather", payment(60_000, "k1")).await;
    assert_eq!(answer.refused(), "invalid_payment");
    assert_eq!(answer.reason(), Some("idempotency_mismatch"));
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);

    let second = pay(&stack, "/api/weather", payment(50_000, "k2")).await.receipt();
    assert_eq!(second["clientId"], first["clientId"]);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 1_000);
}

#[tokio::test]
async fn after_a_decline_a_key_gives_the_same_refusal() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    let payment = json!({"paymentMethodId": card, "idempotencyKey": "k1"});
    for _ in 0..3 {
        assert_eq!(pay(&stack, "/api/joke", payment.clone()).await.refused(), "card_declined");
    }
    let attempts = stack.sim.calls("/v1/payment_intents").await.unwrap();
    let charges = attempts.iter().filter(|call| call.method == "POST");
    assert_eq!(charges.count(), 1, "the bank is asked once");
}

#[tokio::test]
async fn keys_are_short_printable_ascii() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for wrong in [json!("k".repeat(65)), json!("line\nbreak"), json!("schlüssel"), json!(7)] {
        let payment = json!({"paymentMethodId": "pm_card_visa", "idempotencyKey": wrong});
        assert_eq!(pay(&stack, "/api/joke", payment).await.refused(), "invalid_payment", "{wrong}");
    }
    assert_eq!(stack.sim.calls("/v1").await.unwrap().len(), 0);
}
