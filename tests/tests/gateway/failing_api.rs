//! A request that the API fails gives its price back, once.

use serde_json::json;
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{left_before, paid_client, pay, send};

#[tokio::test]
async fn failures_of_the_api_cost_nothing() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = json!({"clientId": client});
    for _ in 0..3 {
        let answer = pay(&stack, "/api/fail", payment.clone()).await;
        assert_eq!(answer.status, 500);
        assert!(answer.header(wire::PAYMENT_RESPONSE).is_none(), "a receipt for nothing");
    }
    assert_eq!(stack.upstream.recorder().count(), 1 + 3);
    let looks = settled(&stack, &client, 49_500).await;

    stack.upstream.stop();
    let refused = pay(&stack, "/api/joke", payment).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header(wire::PAYMENT_RESPONSE).is_none());
    stack.upstream.restart().unwrap();
    settled(&stack, &client, 49_500 - looks * 100).await;
}

#[tokio::test]
async fn a_card_that_paid_for_a_failure_keeps_its_credits() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let answer = pay(&stack, "/api/fail", json!({"paymentMethodId": card})).await;
    assert_eq!(answer.status, 500);
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert!(receipt.get("chargeId").is_none(), "the card is not charged again");
    let client = receipt["clientId"].as_str().unwrap();
    settled(&stack, client, 49_900).await;
}

#[tokio::test]
async fn what_gives_the_price_back_is_configurable() {
    let options = StackOptions::new().filter(|filter| {
        filter["void_on"] = json!([]);
        filter["routes"][0]["void_on"] = json!(["upstream_4xx"]);
        filter["routes"][0]["path"] = json!("/api/nowhere");
    });
    let stack = Stack::start(options).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = json!({"clientId": client});
    assert_eq!(pay(&stack, "/api/fail", payment.clone()).await.status, 500);
    assert_eq!(pay(&stack, "/api/nowhere", payment.clone()).await.status, 404);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let weather = loop {
        let receipt = pay(&stack, "/api/weather", payment.clone()).await.receipt();
        let left = receipt["creditsRemaining"].as_i64().unwrap();
        let spent = 49_500 - left;
        if spent % 500 == 100 || std::time::Instant::now() > deadline {
            break spent % 500;
        }
    };
    assert_eq!(weather, 100, "the failure was paid for, the missing page was not");
}

/// Voids come after the answer: looks until the balance is what it should be, less what looking
/// costs; answers how many looks it took.
async fn settled(stack: &Stack, client: &str, expected: i64) -> i64 {
    for looked in 0..50 {
        if left_before(stack, client).await == expected - looked * 100 {
            return looked + 1;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let left = left_before(stack, client).await;
    panic!("{left} left after 50 looks at 100 each, where {expected} was expected at first");
}

#[tokio::test]
async fn headers_that_only_the_gate_gives_are_taken_from_the_api() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let answer = send(stack.get("/api/echo?x=1")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header(wire::PAYMENT_REQUIRED).is_none());
}
