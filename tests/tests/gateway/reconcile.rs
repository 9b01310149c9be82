//! The books against Stripe, after something was lost.

use std::process::Command;

use serde_json::{Value, json};
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{left_before, pay},
    command::ledger,
};

fn problems(said: &Value) -> Vec<String> {
    let found = said["differences"].as_array().unwrap();
    let mut found: Vec<_> =
        found.iter().map(|of| of["problem"].as_str().unwrap().to_owned()).collect();
    found.sort();
    found
}

/// Refunds and disputes while no ledger was there to hear of them.
#[tokio::test]
async fn what_happened_unheard_is_posted_once() {
    let redis = Redis::start().await.unwrap();
    let mut stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let card = stack.sim.fresh_card().await.unwrap();
        clients.push(pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt());
    }
    let intent = |at: usize| clients[at]["chargeId"].as_str().unwrap();
    assert_eq!(ledger(&stack, &redis.url(), &["reconcile"]).code, 0);
    stack.ledger().unwrap().process().stop();
    let form = [("payment_intent", intent(0)), ("amount", "300")];
    stack.sim.api_post("/v1/refunds", &form).await.unwrap();
    stack.sim.control("disputes", &json!({"payment_intent": intent(1)})).await.unwrap();

    let said = ledger(&stack, &redis.url(), &["reconcile", "--since", "1h"]);
    assert_eq!(said.code, 1, "{}", said.error);
    assert_eq!(problems(&said.json), ["dispute_not_posted", "refund_not_posted"]);
    for repairs in [2, 0] {
        let said = ledger(&stack, &redis.url(), &["reconcile", "--repair"]);
        assert_eq!(said.code, 0, "{} {}", said.json, said.error);
        assert_eq!(said.json["repaired"].as_array().unwrap().len(), repairs);
    }
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 0);
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    let id = |at: usize| clients[at]["clientId"].as_str().unwrap();
    assert_eq!(left_before(&stack, id(0)).await, 49_900 - 30_000);
    let disputed = pay(&stack, "/api/joke", json!({"clientId": id(1)})).await;
    assert_eq!(disputed.reason(), Some("frozen"));
    assert_eq!(left_before(&stack, id(2)).await, 49_900);
}

/// The books are lost, whole: every client gets back what its card was charged, once.
#[tokio::test]
async fn lost_books_come_back_from_what_stripe_knows() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let receipt = pay(&stack, "/api/weather", json!({"paymentMethodId": card})).await.receipt();
    let client = receipt["clientId"].as_str().unwrap();
    let flushed =
        Command::new("redis-cli").args(["-p", &redis.port().to_string(), "flushall"]).output();
    assert!(flushed.unwrap().status.success());
    let unknown = pay(&stack, "/api/joke", json!({"clientId": client})).await;
    assert_eq!(unknown.challenge()["error"], "insufficient_credits");

    // Books that are new know nothing of it: the charge names other books, and is theirs until somebody
    // says that they were lost.
    let said = ledger(&stack, &redis.url(), &["reconcile", "--repair"]);
    assert_eq!((said.code, problems(&said.json)), (0, vec![]));
    let others = said.json["other_books"].as_object().unwrap();
    let (lost, charges) = others.iter().next().unwrap();
    assert_eq!((others.len(), charges), (1, &json!(1)));
    let lost = ["--lost-books", lost];
    let said = ledger(&stack, &redis.url(), &[&["reconcile"], &lost[..]].concat());
    assert_eq!((said.code, problems(&said.json)), (1, vec!["not_credited".to_owned()]));
    assert_eq!(said.json["differences"][0]["at_stripe"], 50_000);
    let repair = [&["reconcile", "--repair"], &lost[..]].concat();
    let said = ledger(&stack, &redis.url(), &repair);
    assert_eq!(said.code, 0, "{} {}", said.json, said.error);
    assert_eq!(ledger(&stack, &redis.url(), &repair).code, 0);
    assert_eq!(left_before(&stack, client).await, 50_000);
    // Its card is known again, too: it pays from the balance, and is not charged.
    let again = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!((&again["creditsRemaining"], &again["clientId"]), (&json!(49_800), &json!(client)));
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    // What happens to the charge from now on is heard, though its record is lost.
    stack.sim.control("disputes", &json!({"payment_intent": receipt["chargeId"]})).await.unwrap();
    for _ in 0..100 {
        let answer = pay(&stack, "/api/joke", json!({"clientId": client})).await;
        if answer.reason() == Some("frozen") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    }
    panic!("the dispute of a restored top-up was not heard");
}

/// Two ledgers with books and secrets of their own on one Stripe account: neither credits the other's
/// charges.
#[tokio::test]
async fn another_ledgers_charges_are_none_of_ours() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let own = Redis::start().await.unwrap();
    let own = own.url();
    let other = ["reconcile", "--repair", "--server-secret", "the secret of another ledger"];
    let said = ledger(&stack, &own, &other);
    assert_eq!((said.code, problems(&said.json)), (0, vec![]), "{}", said.error);
    assert_eq!(ledger(&stack, &own, &["transfers"]).json, json!({"movements": []}));
    // Nor with the same secret, as long as nobody says that the other books were lost.
    let said = ledger(&stack, &own, &["reconcile", "--repair"]);
    assert_eq!((said.code, problems(&said.json)), (0, vec![]), "{}", said.error);
    assert_eq!(ledger(&stack, &own, &["transfers"]).json, json!({"movements": []}));
}
