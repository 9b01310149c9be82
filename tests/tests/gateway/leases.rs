//! Leases: busy clients are paid for in the gateway, and the books come out the same.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stripe402_tests::{
    envoy::Envoy,
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::{Answer, pay, send},
    command::ledger,
    metrics::wait_for,
};

mod deaths;

const JOKE: i64 = 100;

fn with_leases() -> StackOptions {
    StackOptions::new().filter(|filter| filter["leases"] = json!({"enabled": true}))
}

/// A client that has bought so much, and one joke of it.
async fn client_with(stack: &Stack, amount: i64) -> (String, String) {
    let card = stack.sim.fresh_card().await.unwrap();
    let payment = json!({"paymentMethodId": card, "topUpAmount": amount});
    let receipt = pay(stack, "/api/joke", payment).await.receipt();
    (receipt["clientId"].as_str().unwrap().to_owned(), card)
}

async fn balance(stack: &Stack, client: &str) -> i64 {
    let path = "/.well-known/stripe402/balance";
    let answer = pay(stack, path, json!({"clientId": client})).await;
    answer.body["creditsRemaining"].as_i64().unwrap()
}

async fn leased(stack: &Stack, least: u64) -> u64 {
    wait_for(stack, "wasmcustom.stripe402_leased", least).await
}

/// Asks so often, so many at a time, in turns at these gateways; how often each status came.
async fn ask(
    gateways: &[&Envoy],
    payment: Value,
    times: usize,
    at_once: usize,
) -> BTreeMap<u16, usize> {
    let client = stripe402_tests::http::client().unwrap();
    let urls = gateways.iter().map(|gateway| gateway.url("/api/joke")).cycle();
    let asked = urls.take(at_once).map(|url| {
        let (client, header) = (client.clone(), wire::encode(&payment));
        tokio::spawn(async move {
            let mut found = BTreeMap::<u16, usize>::new();
            for _ in 0..times / at_once {
                let request = client.get(&url).header(wire::PAYMENT, &header);
                let Answer { status, .. } = send(request).await;
                *found.entry(status).or_default() += 1;
            }
            found
        })
    });
    let mut all = BTreeMap::new();
    for found in asked.collect::<Vec<_>>() {
        for (status, count) in found.await.unwrap() {
            *all.entry(status).or_default() += count;
        }
    }
    all
}

/// No lease is out any more: an idle one is handed over after a quarter of a second.
async fn settled(stack: &Stack, client: &str, expected: i64) {
    let start = Instant::now();
    let mut found = balance(stack, client).await;
    while found != expected && start.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        found = balance(stack, client).await;
    }
    assert_eq!(found, expected);
}

/// Whether from a lease, on a route without, or by a request that has a card with it.
#[tokio::test]
async fn what_is_left_is_exact_request_by_request() {
    let options = with_leases().filter(|filter| {
        let routes = filter["routes"].as_array_mut().unwrap();
        let weather = routes.iter_mut().find(|route| route["name"] == "weather");
        weather.unwrap()["leases"] = json!(false);
    });
    let stack = Stack::start(options).await.unwrap();
    let (client, card) = client_with(&stack, 1_000_000).await;
    let mut left = 1_000_000 - JOKE;
    for number in 0..600 {
        let (path, price) =
            if number % 10 == 9 { ("/api/weather", 500) } else { ("/api/joke", JOKE) };
        let payment = match number % 50 {
            49 => json!({"paymentMethodId": card}),
            _ => json!({"clientId": client}),
        };
        let answer = pay(&stack, path, payment).await;
        left -= price;
        assert_eq!(answer.receipt()["creditsRemaining"], left, "request {number} to {path}");
    }
    let leased = leased(&stack, 300).await;
    assert!(leased >= 300, "{leased} of 600 requests");
    settled(&stack, &client, left).await;
}

/// Leases are off, and a route of Envoy's own says that it has them.
#[tokio::test]
async fn a_route_in_envoys_configuration_may_have_leases() {
    let route = json!({
        "match": {"prefix": "/leased"},
        "route": {"cluster": "api", "prefix_rewrite": "/api/joke"},
        "metadata": {"filter_metadata": {
            "stripe402": {"name": "leased", "price": JOKE, "leases": true},
        }},
    });
    let options = StackOptions::new().config(move |config| {
        config.routes()?.as_array_mut().unwrap().insert(0, route);
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let (client, _) = client_with(&stack, 1_000_000).await;
    for _ in 0..100 {
        let answer = pay(&stack, "/leased", json!({"clientId": client})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(leased(&stack, 50).await >= 50);
    settled(&stack, &client, 1_000_000 - 101 * JOKE).await;
}

async fn the_books_come_out_the_same(store: &str) {
    let options = with_leases().workers(2).replicas(2).store(store);
    let stack = Stack::start(options).await.unwrap();
    let (client, _) = client_with(&stack, 2_000_000).await;
    // A quarter of them fails, and is given back.
    let spent = ask(&[&stack.envoy], json!({"clientId": client}), 2_000, 16).await;
    assert_eq!(spent, BTreeMap::from([(200, 2_000)]));
    for _ in 0..40 {
        assert_eq!(pay(&stack, "/api/fail", json!({"clientId": client})).await.status, 500);
    }
    settled(&stack, &client, 2_000_000 - 2_001 * JOKE).await;
    assert!(leased(&stack, 500).await >= 500);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ledger(&stack, store, &["verify"]).code, 0);
    let lost = stack.envoy.stat("wasmcustom.stripe402_leased_units_lost").await.unwrap();
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn the_books_come_out_the_same_on_redis() {
    let redis = Redis::start().await.unwrap();
    the_books_come_out_the_same(&redis.url()).await;
}

#[tokio::test]
async fn the_books_come_out_the_same_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    the_books_come_out_the_same(&postgres.url()).await;
}

/// `STRIPE402_LAST_CREDITS`: how often the last credit is spent; often in `make soak`.
fn last_credits() -> usize {
    std::env::var("STRIPE402_LAST_CREDITS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Credit for a thousand requests pays for a thousand, wherever they are asked, and the card is charged
/// again when none is left.
#[tokio::test]
async fn the_last_credit_is_spent_and_then_the_card_is_charged_once() {
    let redis = Redis::start().await.unwrap();
    // By default a lease of a twentieth of such a balance is not worth it.
    let leases = json!({"enabled": true, "most": "20%"});
    let options = StackOptions::new().filter(|filter| filter["leases"] = leases);
    let options = options.workers(2).replicas(2).store(&redis.url());
    let stack = Stack::start(options).await.unwrap();
    let other = stack.another_gateway(2).await.unwrap();
    let gateways = [&stack.envoy, &other];
    let mut charged = 0;
    for run in 0..last_credits() {
        let (client, card) = client_with(&stack, 100_100).await;
        let before = stack.envoy.stat("wasmcustom.stripe402_leased").await.unwrap();
        let spent = ask(&gateways, json!({"clientId": client}), 1_280, 64).await;
        assert_eq!(spent, BTreeMap::from([(200, 1_000), (402, 280)]), "run {run}");
        let leased = leased(&stack, before + 20).await - before;
        settled(&stack, &client, 0).await;
        charged += 1_001;
        assert_eq!(stack.sim.totals("usd").await.unwrap().charged, charged);
        // With a card in hand nobody is refused.
        let with_card =
            json!({"clientId": client, "paymentMethodId": card, "topUpAmount": 100_000});
        let spent = ask(&gateways, with_card, 960, 64).await;
        assert_eq!(spent, BTreeMap::from([(200, 960)]), "run {run}");
        settled(&stack, &client, 4_000).await;
        charged += 1_000;
        assert_eq!(stack.sim.totals("usd").await.unwrap().charged, charged, "one charge more");
        println!("run {run}: 1,000 served of 1,280, {leased} of them from leases of one gateway");
    }
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 0);
}

/// A request that costs nearly all there is comes while another worker's leases are out.
#[tokio::test]
async fn a_dear_request_waits_for_leases_to_come_back() {
    let stack = Arc::new(Stack::start(with_leases().workers(2)).await.unwrap());
    let (client, _) = client_with(&stack, 200_000).await;
    let busy = {
        let (stack, client) = (Arc::clone(&stack), client.clone());
        tokio::spawn(async move { ask(&[&stack.envoy], json!({"clientId": client}), 400, 8).await })
    };
    let mut dear = 0;
    while !busy.is_finished() {
        let answer = pay(&stack, "/api/weather", json!({"clientId": client})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        dear += 1;
    }
    assert_eq!(busy.await.unwrap(), BTreeMap::from([(200, 400)]));
    settled(&stack, &client, 200_000 - 401 * JOKE - dear * 500).await;
}
