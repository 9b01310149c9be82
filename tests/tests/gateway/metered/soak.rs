//! Requests of random usage by many clients on two ledgers, which die now and then: what is captured is what
//! the API said.
//!
//! A thousand requests here; `make soak` sends a hundred thousand (`STRIPE402_METERED`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;
use stripe402_tests::{postgres::Postgres, redis::Redis, stack::Stack, wire};
use tokio::time::sleep;

use super::{account, options};
use crate::{answer::pay, command};

const CLIENTS: u32 = 50;
const BOUGHT: i64 = 9_000_000;
/// What a request can cost; the route holds 1,000.
const COSTS: u32 = 1_001;
/// Between two requests of a client, so that there is time for ledgers to die.
const PAUSE: Duration = Duration::from_millis(20);

fn requests() -> u32 {
    let set = std::env::var("STRIPE402_METERED").ok();
    set.and_then(|requests| requests.parse().ok()).unwrap_or(1_000)
}

/// What all clients saw.
#[derive(Default)]
struct Seen {
    under_way: AtomicU32,
    whole: AtomicU32,
    unavailable: AtomicU32,
    reported: AtomicI64,
}

/// Numbers that look random: xorshift, after George Marsaglia.
fn next(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

async fn spend(http: reqwest::Client, url: String, payment: String, seed: u32, seen: Arc<Seen>) {
    let mut random = seed;
    for _ in 0..requests() / CLIENTS {
        let cost = next(&mut random) % COSTS;
        loop {
            let request = http.get(format!("{url}?cost={cost}"));
            let answer = request.header(wire::PAYMENT, &payment).send().await.unwrap();
            let status = answer.status().as_u16();
            let said = answer.headers().get("x-stripe402-cost").cloned();
            answer.bytes().await.unwrap();
            match status {
                200 => {
                    let said: i64 = said.unwrap().to_str().unwrap().parse().unwrap();
                    seen.reported.fetch_add(said, Ordering::Relaxed);
                    seen.whole.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                503 => seen.unavailable.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other}"),
            };
            sleep(PAUSE).await;
        }
        sleep(PAUSE).await;
    }
    seen.under_way.fetch_sub(1, Ordering::Relaxed);
}

/// Kills one ledger after the other until all is spent; how many died.
async fn kill_now_and_then(stack: &mut Stack, seen: &Seen) -> u32 {
    let mut kills = 0;
    while seen.under_way.load(Ordering::Relaxed) > 0 {
        // Moments that are not multiples of anything.
        sleep(Duration::from_millis(150 + u64::from(kills) * 397 % 611)).await;
        let all = stack.ledgers.len();
        let ledger = &mut stack.ledgers[usize::try_from(kills).unwrap() % all];
        ledger.process().kill9();
        ledger.restart().await.unwrap();
        kills += 1;
    }
    kills
}

/// What has left this client's account, once nothing is held.
async fn taken(stack: &Stack, client: &str) -> i64 {
    let subject = client.parse::<stripe402_protocol::ClientId>().unwrap().subject();
    for _ in 0..300 {
        let account = account(stack, &subject).await;
        if account["pending"] == 0 {
            return BOUGHT - account["available"].as_i64().unwrap();
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("held for ever: {}", account(stack, &subject).await)
}

#[expect(clippy::print_stdout, reason = "what a long proof counted is for people to read")]
fn tell(text: &str) {
    println!("{text}");
}

async fn captured_is_what_was_reported(name: &str, store: &str) {
    let options = options()
        .store(store)
        .replicas(2)
        .ledger_env("LEDGER_LIMIT_SOURCE_ATTEMPTS", "1000000")
        .ledger_env("LEDGER_LIMIT_ATTEMPTS", "1000000");
    let mut stack = Stack::start(options).await.unwrap();
    let seen = Arc::new(Seen { under_way: AtomicU32::new(CLIENTS), ..Seen::default() });
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let card = stack.sim.fresh_card().await.unwrap();
        let top_up = json!({"paymentMethodId": card, "topUpAmount": BOUGHT});
        let receipt = pay(&stack, "/api/joke", top_up).await.receipt();
        clients.push(receipt["clientId"].as_str().unwrap().to_owned());
    }
    let tasks = (1..).zip(&clients).map(|(seed, client)| {
        let (http, url) = (stack.client.clone(), stack.url("/api/metered"));
        let payment = wire::encode(&json!({"clientId": client}));
        tokio::spawn(spend(http, url, payment, seed * 7_919, Arc::clone(&seen)))
    });
    let tasks: Vec<_> = tasks.collect();
    let kills = kill_now_and_then(&mut stack, &seen).await;
    for task in join_all(tasks).await {
        task.unwrap();
    }
    stack.healthy_ledgers(2).await.unwrap();
    let mut captured = 0;
    for client in &clients {
        captured += taken(&stack, client).await - 100;
    }
    let [whole, unavailable] =
        [&seen.whole, &seen.unavailable].map(|count| count.load(Ordering::Relaxed));
    let reported = seen.reported.load(Ordering::Relaxed);
    tell(&format!(
        "{name}: {kills} ledgers killed, {whole} answers, {unavailable} of 503; {reported} units \
         reported, {captured} captured"
    ));
    assert_eq!(captured, reported, "{name}");
    assert!(kills > 1 && whole == requests() / CLIENTS * CLIENTS, "{kills} kills, {whole} answers");
    let said = command::ledger(&stack, store, &["verify"]);
    assert_eq!(said.code, 0, "{name}: {} {}", said.json, said.error);
}

#[tokio::test]
async fn what_is_captured_is_what_was_reported_on_redis() {
    let redis = Redis::start().await.unwrap();
    captured_is_what_was_reported("redis", &redis.url()).await;
}

#[tokio::test]
async fn what_is_captured_is_what_was_reported_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    captured_is_what_was_reported("postgres", &postgres.url()).await;
}
