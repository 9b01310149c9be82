//! A new server secret: cards and ids that are known under an older one keep their balance.

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{left_before, pay};

pub(crate) async fn with_secrets(stack: &mut Stack, secrets: &str) {
    let process = stack.ledger().unwrap().process();
    process.spec_mut().env.insert("SERVER_SECRET".to_owned(), secrets.to_owned());
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
}

#[tokio::test]
async fn clients_of_an_older_secret_keep_their_balance() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let old = stack.secrets.server_secret.clone();
    let number = stripe402_tests::card::fresh().unwrap();
    let card = stack.sim.payment_method(&number, "123").await.unwrap();
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let client = receipt["clientId"].as_str().unwrap().to_owned();

    let new = "a newer secret of some length";
    with_secrets(&mut stack, &format!("{new},{old}")).await;
    assert_eq!(left_before(&stack, &client).await, 49_900);
    let by_card = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(by_card["clientId"], client.as_str(), "the account stays under its first id");
    assert_eq!(by_card["creditsRemaining"], 49_700);
    let another = stack.sim.payment_method(&number, "123").await.unwrap();
    let by_another = pay(&stack, "/api/joke", json!({"paymentMethodId": another})).await.receipt();
    assert_eq!(
        (&by_another["clientId"], &by_another["creditsRemaining"]),
        (&json!(client), &json!(49_600))
    );
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    // A new card is known by the new secret: it needs the old one no more.
    let fresh = stack.sim.fresh_card().await.unwrap();
    let newcomer = pay(&stack, "/api/joke", json!({"paymentMethodId": fresh})).await.receipt();

    with_secrets(&mut stack, new).await;
    let back = pay(&stack, "/api/joke", json!({"paymentMethodId": fresh})).await.receipt();
    assert_eq!(back["clientId"], newcomer["clientId"]);
    assert_eq!(back["creditsRemaining"], 49_800);
    // Whoever drops the old secret drops what its cards prove by their numbers; ids still spend.
    assert_eq!(left_before(&stack, &client).await, 49_600);
    // A card that was saved for its owner says whose it is; and from then on, so does its number.
    let saved = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(saved["clientId"], client.as_str());
    let another = stack.sim.payment_method(&number, "123").await.unwrap();
    let by_number = pay(&stack, "/api/joke", json!({"paymentMethodId": another})).await.receipt();
    assert_eq!(by_number["clientId"], client.as_str());
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 1_000, "two cards, once each");
}

/// Ledgers take the old and the new one until every gateway has the new one.
#[tokio::test]
async fn a_new_token_of_gateways_takes_the_place_of_the_old_one() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let gateways = stack.secrets.ledger_token.clone();
    let new = "a newer token of some length";
    for (tokens, expected) in
        [(format!("{new}, {gateways}"), 200), (format!("{gateways},{new}"), 200), (new.into(), 503)]
    {
        let process = stack.ledger().unwrap().process();
        process.spec_mut().env.insert("LEDGER_TOKEN".to_owned(), tokens.clone());
        stack.ledger().unwrap().restart().await.unwrap();
        stack.healthy_ledgers(1).await.unwrap();
        let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": "pm_card_visa"})).await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}
