//! Step 2: a client id that spends.

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{paid_client, pay, send};

#[tokio::test]
async fn a_balance_is_spent_to_the_last_unit() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    for left in (0..=49_000).rev().step_by(500) {
        let answer = pay(&stack, "/api/weather", json!({"clientId": client})).await;
        let expected = json!({"success": true, "creditsRemaining": left, "clientId": client, "currency": "usd"});
        assert_eq!(answer.receipt(), expected);
        assert_eq!(answer.header("cache-control"), Some("private"));
        assert_eq!(answer.header("vary"), Some("payment"));
    }
    let empty = pay(&stack, "/api/weather", json!({"clientId": client})).await;
    assert_eq!(empty.challenge()["error"], "insufficient_credits");
    assert_eq!(stack.upstream.recorder().count(), 100);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500, "one charge of $5");
}

#[tokio::test]
async fn an_unknown_client_is_asked_to_pay() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let known = paid_client(&stack).await;
    let other = known.chars().rev().collect::<String>();
    for unknown in [other.as_str(), "c8a2e", &known.to_uppercase(), &known[1..]] {
        let answer = pay(&stack, "/api/joke", json!({"clientId": unknown})).await;
        assert_eq!(answer.challenge()["error"], "insufficient_credits", "{unknown}");
    }
    assert_eq!(stack.upstream.recorder().count(), 1);
}

#[tokio::test]
async fn not_enough_and_a_card_tops_up() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let first = pay(&stack, "/api/weather", json!({"paymentMethodId": card})).await.receipt();
    let both = json!({"clientId": first["clientId"], "paymentMethodId": card});
    for left in (0..=49_000).rev().step_by(500) {
        let receipt = pay(&stack, "/api/weather", both.clone()).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left);
        assert!(receipt.get("chargeId").is_none(), "credits suffice: the card is not charged");
    }
    let receipt = pay(&stack, "/api/weather", both).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_500);
    assert!(receipt["chargeId"].as_str().unwrap().starts_with("pi_"));
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 1_000);
}

/// Both protocols, and several workers, share one balance.
#[tokio::test]
async fn http_2_and_every_worker_spend_from_the_same_balance() {
    let stack = Stack::start(StackOptions::new().workers(2)).await.unwrap();
    let client = paid_client(&stack).await;
    let h2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let mut left = 49_500;
    for round in 0..20 {
        let over = if round % 2 == 0 { &h2 } else { &reqwest::Client::new() };
        let payment = stripe402_tests::wire::encode(&json!({"clientId": client}));
        let answer = send(over.get(stack.url("/api/joke")).header("payment", payment)).await;
        left -= 100;
        assert_eq!(answer.receipt()["creditsRemaining"], left);
    }
}
