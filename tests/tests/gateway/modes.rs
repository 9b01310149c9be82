//! Settings that do not fit together, and settings that weaken, are said.

use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{pay, send};

fn log(stack: &Stack) -> String {
    std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap()
}

async fn readiness(stack: &Stack) -> (u16, Value) {
    let answer = stack.client.get(stack.ledgers[0].admin_url("/readyz")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn test_and_live_keys_do_not_mix() {
    let live = |filter: &mut Value| filter["publishable_key"] = "pk_live_x".into();
    let stack = Stack::start(StackOptions::new().filter(live)).await.unwrap();
    assert_eq!(readiness(&stack).await.1, json!({"status": "ready"}));
    let card = stack.sim.fresh_card().await.unwrap();
    let refused = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    assert_eq!(refused.status, 503);
    let (status, said) = readiness(&stack).await;
    assert_eq!(status, 200, "other gateways go on");
    assert!(said["problem"].as_str().unwrap().contains("different modes"), "{said}");
    assert!(log(&stack).contains("different modes"));
    let calls = stack.sim.calls("/v1/").await.unwrap();
    assert_eq!(calls.len(), 1, "Stripe was not asked, but by the payer: {calls:?}");
}

#[tokio::test]
async fn verification_can_be_switched_off_and_is_warned_of() {
    let options = StackOptions::new().ledger_env("LEDGER_VERIFY_CARDS", "false");
    let stack = Stack::start(options).await.unwrap();
    assert!(log(&stack).contains("verify_cards is off"));
    let number = stripe402_tests::card::fresh().unwrap();
    for left in [49_900, 49_800] {
        let card = stack.sim.payment_method(&number, "123").await.unwrap();
        let paid = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
        assert_eq!(paid["creditsRemaining"], left);
    }
    assert_eq!(stack.sim.calls("/v1/setup_intents").await.unwrap(), []);
}

/// A customer that somebody deleted at Stripe does not lock its client out.
#[tokio::test]
async fn a_customer_that_is_gone_at_stripe_is_replaced() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let number = stripe402_tests::card::fresh().unwrap();
    let card = async || stack.sim.payment_method(&number, "123").await.unwrap();
    let first = json!({"paymentMethodId": card().await});
    let client = pay(&stack, "/api/joke", first).await.receipt()["clientId"].clone();
    let gone = async || {
        let customers = stack.sim.api_get("/v1/customers").await.unwrap();
        let customer = customers["data"][0]["id"].as_str().unwrap().to_owned();
        let url = stack.sim.url(&format!("/v1/customers/{customer}"));
        let key = stripe402_tests::stripe_sim::SECRET_KEY;
        let deleted = stack.client.delete(url).bearer_auth(key).send().await.unwrap();
        assert_eq!(deleted.status(), 200);
    };
    gone().await;
    // The balance pays, once the card is verified for the new customer.
    let second = json!({"paymentMethodId": card().await});
    let paid = pay(&stack, "/api/joke", second).await.receipt();
    assert_eq!((&paid["clientId"], &paid["creditsRemaining"]), (&client, &json!(49_800)));

    gone().await;
    for _ in 0..99 {
        let spend = json!({"clientId": client});
        pay(&stack, "/api/weather", spend).await.receipt();
    }
    // A charge: the first finds the customer gone, the next one is made.
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let third = json!({"paymentMethodId": card().await});
        statuses.push(send(stack.pay("/api/weather", &third)).await.status);
    }
    assert_eq!(statuses, [402, 200]);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 1_000);
}
