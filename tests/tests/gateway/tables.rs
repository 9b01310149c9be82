//! Tables of money, chosen and read in pages, on every kind of store.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{paid_client, pay, send},
    operator::{get, post, request, subject},
};

/// Every row of a list, some at a time.
async fn pages(stack: &Stack, list: &str, rows: &str, limit: usize) -> Vec<Value> {
    let separator = if list.contains('?') { '&' } else { '?' };
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(stack, &format!("{list}{separator}limit={limit}{cursor}")).await;
        let some = page[rows].as_array().unwrap();
        assert!(some.len() <= limit);
        found.extend(some.iter().cloned());
        let Some(next) = page["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

async fn tables_are_chosen(store: Option<&str>) {
    let options = StackOptions::new();
    let options = store.map_or_else(StackOptions::new, |store| options.store(store));
    let stack = Stack::start(options).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(paid_client(&stack).await);
    }
    let subjects: Vec<String> = clients.iter().map(|client| subject(client)).collect();
    for number in 0..30 {
        let path = format!("/clients/{}/adjustments", subjects[number % 3]);
        let order = json!({
            "units": 100 + number, "currency": "usd", "reference": format!("r{number}"), "reason": "x",
        });
        assert_eq!(post(&stack, &path, order).await.status, 200);
    }
    let refund = json!({"units": 10_000, "currency": "usd", "reference": "case-7"});
    let path = format!("/clients/{}/refunds", subjects[0]);
    let refunded = post(&stack, &path, refund).await;
    let intent = refunded.body["parts"][0]["payment_intent"].as_str().unwrap().to_owned();
    stack.sim.control("disputes", &json!({"payment_intent": intent})).await.unwrap();
    while get(&stack, "/disputes").await["movements"] == json!([]) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    // Each row once, newest first, however they are read.
    let all = get(&stack, "/transfers?limit=500").await;
    let all = all["movements"].as_array().unwrap().clone();
    assert!(all.len() >= 3 + 30 + 2, "{all:?}");
    assert_eq!(pages(&stack, "/transfers", "movements", 7).await, all);
    let text = serde_json::to_string(&all).unwrap();
    assert!(clients.iter().all(|client| !text.contains(client.as_str())));
    let of = async |list: String| pages(&stack, &list, "movements", 500).await.len();
    let own = all.iter().filter(|row| row["subject"] == subjects[1].as_str()).count();
    assert_eq!(of(format!("/transfers?client={}", subjects[1])).await, own);
    assert_eq!(of(format!("/transfers?client={}", clients[1])).await, own);
    for (filter, many) in [
        ("kind=adjustment_up", 30),
        ("kind=adjustment_up&least=120", 10),
        ("kind=adjustment_up&most=101", 2),
        ("kind=adjustment_up&currency=eur", 0),
        ("about=r7", 1),
        ("until_ms=1", 0),
        ("kind=top_up", 3),
    ] {
        assert_eq!(of(format!("/transfers?{filter}")).await, many, "{filter}");
    }
    let named = format!("/transfers?about={intent}");
    let kinds: BTreeSet<String> = pages(&stack, &named, "movements", 2)
        .await
        .iter()
        .map(|row| row["kind"].as_str().unwrap().to_owned())
        .collect();
    let expected = ["capture", "hold", "top_up"].map(str::to_owned);
    assert_eq!(kinds, expected.into(), "what a PaymentIntent is behind");
    assert_eq!(of("/refunds".to_owned()).await, 1);
    assert_eq!(of(format!("/refunds?about={intent}&client={}", subjects[0])).await, 1);
    assert_eq!(of(format!("/refunds?client={}", subjects[1])).await, 0);
    assert_eq!(of("/disputes".to_owned()).await, 1);

    // Card charges: by card, state, PaymentIntent.
    let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    pay(&stack, "/api/weather", json!({"paymentMethodId": declined})).await.refused();
    let charges = pages(&stack, "/top-ups", "top_ups", 1).await;
    let credited: Vec<_> = charges.iter().filter(|of| of["state"] == "credited").collect();
    assert_eq!(credited.len(), 3);
    let card = credited[0]["card"].as_str().unwrap();
    let (brand, last4) = card.split_once(' ').unwrap();
    assert_eq!(brand, "visa");
    let of_card = pages(&stack, &format!("/top-ups?card={last4}"), "top_ups", 2).await;
    assert!(of_card.contains(credited[0]), "{of_card:?}");
    assert!(of_card.iter().all(|of| of["card"].as_str().unwrap().ends_with(last4)));
    let found = pages(&stack, &format!("/top-ups?about={intent}"), "top_ups", 2).await;
    assert_eq!((found.len(), &found[0]["payment_intent"]), (1, &json!(intent)));
    assert_eq!(pages(&stack, "/top-ups?state=credited", "top_ups", 2).await.len(), 3);
    let refused = pages(&stack, "/top-ups?state=refused&card=0002", "top_ups", 2).await;
    assert_eq!(refused.len(), 1);

    // What operators did.
    let entries =
        async |filter: &str| pages(&stack, &format!("/audit?{filter}"), "entries", 9).await.len();
    assert_eq!(entries("kind=refund").await, 2);
    assert_eq!(entries("about=r7").await, 2);
    assert_eq!(entries(&format!("kind=adjust&client={}", subjects[2])).await, 20);
    assert_eq!(entries("actor=nobody").await, 0);
    assert_eq!(entries("least=129&kind=adjust").await, 2);
    wrong_questions(&stack).await;
}

async fn wrong_questions(stack: &Stack) {
    let cursor = "000000000000001.00000000000000000000000000000000";
    for (path, status, said) in [
        ("/transfers?state=credited", 400, "state: this list is not chosen by it"),
        ("/refunds?kind=capture", 400, "kind: this list is not chosen by it"),
        ("/transfers?kind=nonsense", 400, "kind: must be one of top_up, "),
        ("/audit?kind=top_up", 400, "kind: must be one of freeze, "),
        ("/top-ups?state=none", 400, "state: must be one of in_flight, "),
        ("/top-ups?card=42", 400, "card: must be the last four digits"),
        ("/top-ups?cursor=x", 400, "cursor: must be `next`"),
        ("/audit?cursor=000000000000001.x", 400, "cursor: must be `next`"),
        ("/top-ups?format=csv", 400, "format: this list is not chosen by it"),
        ("/top-ups?limit=501", 400, "limit: must be a number from 1 to 500"),
        ("/top-ups?least=9007199254740992", 400, "least: must be a number from 0 to"),
        ("/transfers?client=0123456789abcdef", 404, "there is no such client"),
        ("/transfers?client=x", 400, "name a client by its id"),
        ("/transfers?currency=USD", 400, "currency: must be a lowercase"),
        (&format!("/transfers?cursor={cursor}"), 404, "no movement is known by this cursor"),
        ("/exports/movements?limit=5", 400, "cursor, limit: an export has every row"),
        ("/exports/clients?from_ms=5", 400, "from_ms: this list is not chosen by it"),
    ] {
        let answer = send(request(stack, Method::GET, path)).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(said), "{path}: {message}");
    }
}

#[tokio::test]
async fn tables_are_chosen_in_a_file() {
    tables_are_chosen(None).await;
}

#[tokio::test]
async fn tables_are_chosen_on_redis() {
    let redis = Redis::start().await.unwrap();
    tables_are_chosen(Some(&redis.url())).await;
}

#[tokio::test]
async fn tables_are_chosen_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    tables_are_chosen(Some(&postgres.url())).await;
}
