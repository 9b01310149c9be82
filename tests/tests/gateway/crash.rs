//! kill -9 at any moment under load: what was served was paid for, once, and nothing else was.
//!
//! A few rounds here; `make soak` runs many (`STRIPE402_CRASHES`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use stripe402_tests::{
    ledger::Ledger,
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
    wire,
};

use crate::crash_customers::{OPERATOR, come, net};

mod keys;

fn rounds() -> u32 {
    let set = std::env::var("STRIPE402_CRASHES").ok();
    set.and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

/// Asks again and again; answers how often it was served.
async fn hammer(
    client: reqwest::Client,
    url: String,
    payment: String,
    stop: Arc<AtomicBool>,
) -> i64 {
    let mut served = 0;
    while !stop.load(Ordering::SeqCst) {
        let answer = client.get(&url).header(wire::PAYMENT, &payment).send().await.unwrap();
        match answer.status().as_u16() {
            200 => served += 1,
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
    served
}

async fn survives(mut stack: Stack) {
    let card = stack.sim.fresh_card().await.unwrap();
    let top_up = json!({"paymentMethodId": card, "topUpAmount": 10_000_000});
    let paid = crate::answer::pay(&stack, "/api/joke", top_up).await.receipt();
    let client = paid["clientId"].as_str().unwrap().to_owned();
    let payment = wire::encode(&json!({"clientId": client}));
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (http, url) = (stack.client.clone(), stack.url("/api/joke"));
            tokio::spawn(hammer(http, url, payment.clone(), Arc::clone(&stop)))
        })
        .collect();
    for round in 0..rounds() {
        // Moments that are not multiples of anything.
        let moment = 150 + u64::from(round) * 397 % 611;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        stack.ledger().unwrap().process().kill9();
        stack.ledger().unwrap().restart().await.unwrap();
    }
    stack.healthy_ledgers(1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::SeqCst);
    let mut served = 1;
    for task in tasks {
        served += task.await.unwrap();
    }
    assert_eq!(served, i64::try_from(stack.upstream.recorder().count()).unwrap());
    // Voids of what was under way ride with the next batches; each look costs one joke.
    for _ in 0..100 {
        let left = crate::answer::left_before(&stack, &client).await;
        if left == 10_000_000 - served * 100 {
            return;
        }
        served += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let left = crate::answer::left_before(&stack, &client).await;
    panic!("{served} served, {} units taken", 10_000_000 - left);
}

#[tokio::test]
async fn the_embedded_store_survives_its_ledger() {
    survives(Stack::start(StackOptions::new()).await.unwrap()).await;
}

#[tokio::test]
async fn postgresql_survives_its_ledger() {
    let postgres = Postgres::start().await.unwrap();
    survives(Stack::start(StackOptions::new().store(&postgres.url())).await.unwrap()).await;
}

#[tokio::test]
async fn redis_survives_its_ledger() {
    let redis = Redis::start().await.unwrap();
    survives(Stack::start(StackOptions::new().store(&redis.url())).await.unwrap()).await;
}

/// What Stripe may do to a charge: nothing, fail before or after the work, or be slow.
const TROUBLE: [&str; 5] = ["", "drop_before", "drop_after", "status", "latency"];

#[expect(clippy::print_stdout, reason = "what a long proof counted is for people to read")]
fn tell(text: &str) {
    println!("{text}");
}

/// The ledger dies again and again, and Stripe is in trouble meanwhile.
async fn kill_again_and_again(stack: &Stack, ledger: &mut Ledger) {
    for (round, trouble) in (0..rounds() * 4).zip(TROUBLE.iter().cycle()) {
        let moment = 100 + u64::from(round) * 397 % 611;
        if !trouble.is_empty() {
            let path = if round % 2 == 0 { "/v1/payment_intents" } else { "/v1/refunds" };
            let fault = json!({
                "method": "POST", "path": path, "action": trouble, "times": 2,
                "ms": if *trouble == "latency" { 300 } else { 0 },
                "status": if *trouble == "status" { Some(500) } else { None },
            });
            stack.sim.fault(&fault).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(moment)).await;
        ledger.process().kill9();
        ledger.restart().await.unwrap();
    }
    stack.sim.clear_faults().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    // Long enough for what was cut off to be swept up.
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// Card charges, refunds and disputes under load, while the ledger dies and Stripe is in trouble: what
/// Stripe has is what the books say, to the unit, and what was served is what was deducted.
async fn charges_survive(store: Option<String>) {
    let options = StackOptions::new()
        // A card charge for every ten requests, and as many as there are.
        .filter(|filter| filter["min_top_up"] = 5_000.into())
        .filter(|filter| filter["routes"][0]["min_top_up"] = 5_000.into())
        .filter(|filter| filter["routes"][0]["price"] = 500.into())
        .ledger_env("LEDGER_LIMIT_SOURCE_ATTEMPTS", "1000000")
        .ledger_env("LEDGER_LIMIT_ATTEMPTS", "1000000")
        .ledger_env("LEDGER_ADMIN_TOKEN", &format!("alice:{OPERATOR}"))
        .ledger_env("LEDGER_SWEEP", "1s");
    let options = match &store {
        Some(store) => options.store(store),
        None => options,
    };
    let mut stack = Stack::start(options).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let card = stack.sim.fresh_card().await.unwrap();
        let payment = wire::encode(&json!({"paymentMethodId": card}));
        let (http, url) = (stack.client.clone(), stack.url("/api/joke"));
        tasks.push(tokio::spawn(hammer(http, url, payment, Arc::clone(&stop))));
    }
    let mut ledgers = std::mem::take(&mut stack.ledgers);
    let admin = ledgers[0].admin_url("/admin/v1");
    let dying = async {
        kill_again_and_again(&stack, &mut ledgers[0]).await;
        stop.store(true, Ordering::SeqCst);
    };
    let ((), customers) = tokio::join!(dying, come(&stack, &admin, &stop));
    stack.ledgers = ledgers;
    let mut served = customers;
    for task in tasks {
        served += task.await.unwrap();
    }
    assert_eq!(served, i64::try_from(stack.upstream.recorder().count()).unwrap());
    // The last voids ride with a batch of anybody's.
    let stranger = json!({"clientId": "0".repeat(64)});
    for _ in 0..3 {
        crate::answer::pay(&stack, "/api/joke", stranger.clone()).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    stack.ledger().unwrap().process().stop();
    let file = format!("file:{}", stack.dir().join("ledger.redb").display());
    let store = store.unwrap_or(file);
    // Events that found the ledger dead are sent again in an hour, and in a day.
    crate::command::ledger(&stack, &store, &["reconcile", "--repair"]);
    for command in ["verify", "reconcile"] {
        let said = crate::command::ledger(&stack, &store, &[command]);
        assert_eq!(said.code, 0, "{command}: {} {}", said.json, said.error);
    }
    let movements = crate::command::ledger(&stack, &store, &["transfers"]).json;
    let revenue = crate::command::ledger(&stack, &store, &["revenue"]).json;
    let totals = stack.sim.totals("usd").await.unwrap();
    let at_stripe = (totals.charged - totals.refunded - totals.disputed) * 100;
    assert_eq!(net(&movements), at_stripe, "{totals:?}");
    tell(&format!(
        "{}: {} kills, {served} served, {} card charges of $0.50, {customers} customers had money back, {at_stripe} \
         units at Stripe and in the books",
        store.split(':').next().unwrap_or_default(),
        rounds() * 4,
        totals.charged / 50,
    ));
    assert_eq!(revenue["lines"][0]["units"], served * 500, "{served} served: {revenue}");
}

#[tokio::test]
async fn card_charges_crash_on_the_embedded_store() {
    charges_survive(None).await;
}

#[tokio::test]
async fn card_charges_crash_on_redis() {
    let redis = Redis::start().await.unwrap();
    charges_survive(Some(redis.url())).await;
}

#[tokio::test]
async fn card_charges_crash_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    charges_survive(Some(postgres.url())).await;
}
