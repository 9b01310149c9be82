//! Outages of Stripe, with two ledgers on one store and all default settings: each card is charged
//! once, whatever ends when.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::answer::pay;

/// Cards of each case: 8, or what `STRIPE402_CARDS` says.
fn cards_each() -> usize {
    let set = std::env::var("STRIPE402_CARDS").ok();
    set.and_then(|cards| cards.parse().ok()).unwrap_or(8)
}

async fn two_ledgers(store: &str, settle_after: &str, stripe_timeout: &str) -> Stack {
    let options = StackOptions::new().workers(2).replicas(2).store(store);
    let options = options
        .ledger_env("LEDGER_SETTLE_AFTER", settle_after)
        .ledger_env("STRIPE_TIMEOUT", stripe_timeout)
        // All of them come from one address.
        .ledger_env("LEDGER_LIMIT_SOURCE_ATTEMPTS", "1000");
    Stack::start(options).await.unwrap()
}

/// A client that retries as it is told until it is served; how long that took.
async fn persist(stack: &Stack, payment: Value) -> Duration {
    let start = Instant::now();
    loop {
        let answer = pay(stack, "/api/joke", payment.clone()).await;
        if answer.status == 200 {
            return start.elapsed();
        }
        assert_eq!(answer.status, 503, "nobody's card was refused: {answer:?}");
        assert!(start.elapsed() < Duration::from_secs(100), "{answer:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Two clients a card, while something is wrong at Stripe; ends it after that time.
async fn outage(store: &str, fault: Value, lasts: Option<Duration>) {
    outage_with(store, fault, lasts, "10min", "10s").await;
}

async fn outage_with(
    store: &str,
    fault: Value,
    lasts: Option<Duration>,
    settle_after: &str,
    stripe_timeout: &str,
) {
    let stack = two_ledgers(store, settle_after, stripe_timeout).await;
    let mut cards = Vec::new();
    for _ in 0..cards_each() {
        cards.push(stack.sim.fresh_card().await.unwrap());
    }
    stack.sim.fault(&fault).await.unwrap();
    let clients = cards.iter().flat_map(|card| [card, card]);
    let served = join_all(clients.map(|card| persist(&stack, json!({"paymentMethodId": card}))));
    let end = async {
        if let Some(lasts) = lasts {
            tokio::time::sleep(lasts).await;
            stack.sim.clear_faults().await.unwrap();
        }
    };
    let (took, ()) = tokio::join!(served, end);
    let longest = took.into_iter().max().unwrap().saturating_sub(lasts.unwrap_or_default());
    // Each top-up is $5.00; a second charge of a card would show.
    let once = i64::try_from(cards_each()).unwrap() * 500;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, once, "{fault}");
    assert!(longest < Duration::from_secs(15), "served {longest:?} after the end of {fault}");
    // Whatever was still on its way is here by now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, once);
    let mut left = Vec::new();
    for card in &cards {
        let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
        left.push(answer.receipt()["creditsRemaining"].as_i64().unwrap());
    }
    assert_eq!(left, vec![50_000 - 300; cards_each()]);
}

/// One failure that Stripe stores under its key, before or after the work.
fn stored(path: &str, when: &str) -> Value {
    let times = u32::try_from(cards_each()).unwrap();
    json!({
        "method": "POST", "path": path, "action": "status", "status": 500, "when": when,
        "times": times,
    })
}

async fn stored_failures(store: &str) {
    for path in ["/v1/customers", "/v1/payment_intents", "/v1/setup_intents"] {
        for when in ["before", "after"] {
            outage(store, stored(path, when), None).await;
        }
    }
}

async fn outages(store: &str) {
    let mut cases = vec![("drop_before", 1), ("drop_after", 4), ("drop_before", 10)];
    // As long as `make soak` says: one that lasts for 40 s takes a minute.
    let longest = std::env::var("STRIPE402_OUTAGE").ok().and_then(|seconds| seconds.parse().ok());
    cases.extend(longest.map(|longest| ("drop_before", longest)));
    for (action, lasts) in cases {
        let fault = json!({
            "method": "POST", "path": "/v1/payment_intents", "action": action, "times": 0,
        });
        outage(store, fault, Some(Duration::from_secs(lasts))).await;
    }
    let failing = json!({
        "method": "POST", "path": "/v1/payment_intents", "action": "status", "status": 500,
        "times": 0,
    });
    outage(store, failing.clone(), Some(Duration::from_secs(4))).await;
    // Longer than a charge is waited for: Stripe's list is looked through meanwhile, and fails too.
    // Before a list is believed, what may be in flight is waited for: STRIPE_TIMEOUT + 5 s.
    outage_with(store, failing, Some(Duration::from_secs(12)), "5s", "2s").await;
}

#[tokio::test]
async fn failures_that_stripe_stores_charge_each_card_once_on_redis() {
    stored_failures(&Redis::start().await.unwrap().url()).await;
}

#[tokio::test]
async fn failures_that_stripe_stores_charge_each_card_once_on_postgresql() {
    stored_failures(&Postgres::start().await.unwrap().url()).await;
}

#[tokio::test]
async fn outages_charge_each_card_once_on_redis() {
    outages(&Redis::start().await.unwrap().url()).await;
}

#[tokio::test]
async fn outages_charge_each_card_once_on_postgresql() {
    outages(&Postgres::start().await.unwrap().url()).await;
}

/// One lost answer, or one failure, of what is only read or verified is not the client's to retry.
#[tokio::test]
async fn one_failure_of_a_read_or_a_verification_is_not_seen() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let number = stripe402_tests::card::fresh().unwrap();
    let fault = async |method: &str, path: &str, action: &str| {
        let mut rule = json!({"method": method, "path": path, "action": action});
        if action == "status" {
            rule["status"] = json!(500);
        }
        stack.sim.fault(&rule).await.unwrap();
    };
    let by = |card: &str| json!({"paymentMethodId": card});
    for action in ["status", "drop_before", "drop_after"] {
        let card = stack.sim.payment_method(&number, "123").await.unwrap();
        fault("GET", "/v1/payment_methods", action).await;
        pay(&stack, "/api/joke", by(&card)).await.receipt();
        // Another PaymentMethod of the same card is verified before it spends the balance.
        let other = stack.sim.payment_method(&number, "123").await.unwrap();
        fault("POST", "/v1/setup_intents", action).await;
        pay(&stack, "/api/joke", by(&other)).await.receipt();
        stack.sim.clear_faults().await.unwrap();
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// A wrong key, a right that is missing, a closed account: nobody waits for 25 seconds, nobody's card
/// is said to be refused, and nothing stays behind.
#[tokio::test]
async fn what_is_the_operators_fault_is_answered_at_once() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for (path, status, code) in [
        ("/v1/payment_methods", 401, ""),
        ("/v1/payment_intents", 401, ""),
        ("/v1/payment_intents", 403, ""),
        ("/v1/payment_intents", 400, "account_invalid"),
        ("/v1/customers", 403, ""),
    ] {
        let card = stack.sim.fresh_card().await.unwrap();
        let mut rule = json!({"path": path, "action": "status", "status": status, "times": 0});
        if !code.is_empty() {
            rule["code"] = json!(code);
        }
        stack.sim.fault(&rule).await.unwrap();
        let start = Instant::now();
        let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
        assert_eq!(answer.status, 503, "{path} {status}: {answer:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{path} {status}: {:?}", start.elapsed());
        stack.sim.clear_faults().await.unwrap();
        pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 5 * 500);
    let log = std::fs::read_to_string(stack.dir().join("ledger-1.log")).unwrap();
    assert!(log.contains("Stripe refuses STRIPE_SECRET_KEY or its account"), "{log}");
}
