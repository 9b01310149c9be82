//! Those who try stolen cards are stopped; everybody else goes on.

use futures_util::future::join_all;
use serde_json::{Value, json};
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{Answer, pay, send};

/// Lets a request say where it comes from, as a trusted proxy in front of the gateway does.
pub(crate) fn behind_a_proxy(options: StackOptions) -> StackOptions {
    options.config(|config| {
        config.connection_manager()?["xff_num_trusted_hops"] = 1.into();
        Ok(())
    })
}

async fn pay_from(stack: &Stack, address: &str, card: &str) -> Answer {
    let payment = wire::encode(&json!({"paymentMethodId": card}));
    let request = stack.get("/api/joke").header(wire::PAYMENT, payment);
    send(request.header("x-forwarded-for", address)).await
}

async fn attempts(stack: &Stack) -> usize {
    let calls = stack.sim.calls("/v1/payment_intents").await.unwrap();
    calls.iter().filter(|call| call.method == "POST" && !call.replayed).count()
}

#[tokio::test]
async fn declines_from_one_address_are_limited() {
    let stack = Stack::start(behind_a_proxy(StackOptions::new())).await.unwrap();
    let honest = stack.sim.fresh_card().await.unwrap();
    for (number, card) in (0..30).zip(DECLINED.iter().cycle()) {
        let card = stack.sim.payment_method(card, "123").await.unwrap();
        let answer = pay_from(&stack, "203.0.113.7", &card).await;
        if number < 20 {
            assert_eq!(answer.refused(), "card_declined", "{number}");
        } else {
            assert_eq!(answer.refused(), "payment_failed", "{number}");
            assert_eq!(answer.reason(), Some("rate_limited"));
            let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((500..=660).contains(&wait), "{wait}");
        }
    }
    assert_eq!(attempts(&stack).await, 20);
    // Neither a good card from there, nor a balance elsewhere is touched by it.
    let refused = pay_from(&stack, "203.0.113.7", &honest).await;
    assert_eq!(refused.reason(), Some("rate_limited"));
    let served = pay_from(&stack, "203.0.113.8", &honest).await.receipt();
    assert_eq!(served["creditsRemaining"], 49_900);
    // A card that has credits is not tried: it is served from there, too.
    let from_there = pay_from(&stack, "203.0.113.7", &honest).await.receipt();
    assert_eq!(from_there["creditsRemaining"], 49_800);

    let metrics = stack.ledgers[0].admin_url("/metrics");
    let metrics = stack.client.get(metrics).send().await.unwrap().text().await.unwrap();
    for line in [
        "stripe402_card_attempts_total 21",
        "stripe402_card_declines_total{code=\"insufficient_funds\"} 4",
        "stripe402_card_limited_total{limit=\"declines\"} 11",
        "stripe402_top_ups_total{state=\"credited\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

/// Cards of several numbers: the limit for one number is another one.
const DECLINED: [&str; 5] = [
    "4000000000009995",
    "4000000000000002",
    "4000000000009987",
    "4000000000009979",
    "4000000000000127",
];

/// A thousand attempts from one address, at once, on two ledgers: Stripe sees no more than the
/// limit, and an honest client at another address is served meanwhile.
#[tokio::test]
async fn a_thousand_attempts_at_once() {
    let redis = Redis::start().await.unwrap();
    let options = StackOptions::new().store(&redis.url()).replicas(2);
    let stack = Stack::start(behind_a_proxy(options)).await.unwrap();
    let mut cards = Vec::new();
    for _ in 0..100 {
        cards.push(stack.sim.fresh_card().await.unwrap());
    }
    let thief = async {
        let (mut served, mut limited) = (0, 0);
        for round in 0..10 {
            let all = cards.iter().map(|card| pay_from(&stack, "203.0.113.7", card));
            for answer in join_all(all).await {
                match answer.status {
                    200 => served += 1,
                    _ if answer.reason() == Some("rate_limited") => limited += 1,
                    other => panic!("{round}: {other} {}", answer.body),
                }
            }
        }
        (served, limited)
    };
    let honest = async {
        let mut left = Vec::new();
        for _ in 0..10 {
            let card = stack.sim.fresh_card().await.unwrap();
            let receipt = pay_from(&stack, "198.51.100.9", &card).await.receipt();
            left.push(receipt["creditsRemaining"].clone());
        }
        left
    };
    let ((served, limited), left) = tokio::join!(thief, honest);
    assert_eq!(left, vec![Value::from(49_900); 10]);
    // 60 cards came through and went on being served from what they had bought; 40 never did.
    assert_eq!((served, limited), (600, 400));
    assert_eq!(attempts(&stack).await, 60 + 10);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 70 * 500);
}

/// The limits for a card's number, and for all cards together, which proven ones are exempt from.
#[tokio::test]
async fn declines_of_one_card_and_of_all() {
    let options = StackOptions::new()
        .ledger_env("LEDGER_LIMIT_CARD_DECLINES", "2")
        .ledger_env("LEDGER_LIMIT_DECLINES", "3");
    let stack = Stack::start(options).await.unwrap();
    let regular = stack.sim.fresh_card().await.unwrap();
    let buy = json!({"paymentMethodId": regular, "topUpAmount": 50_000});
    pay(&stack, "/api/joke", buy.clone()).await.receipt();
    let mut reasons = Vec::new();
    for number in [DECLINED[0], DECLINED[0], DECLINED[0], DECLINED[1], DECLINED[4]] {
        let card = stack.sim.payment_method(number, "123").await.unwrap();
        let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
        answer.refused();
        reasons.push(answer.reason().map(str::to_owned));
    }
    let limited = Some("rate_limited".to_owned());
    assert_eq!(reasons, [None, None, limited.clone(), None, limited]);
    let fresh = stack.sim.fresh_card().await.unwrap();
    let stranger = pay(&stack, "/api/joke", json!({"paymentMethodId": fresh})).await;
    assert_eq!(stranger.reason(), Some("rate_limited"));
    // Somebody who has paid before can top up: spend what is left, then go on.
    for _ in 0..99 {
        pay(&stack, "/api/weather", buy.clone()).await.receipt();
    }
    let topped_up = pay(&stack, "/api/weather", buy).await.receipt();
    assert!(topped_up["chargeId"].as_str().unwrap().starts_with("pi_"));
}

/// What the bank said is told only where the operator wants it.
#[tokio::test]
async fn why_a_card_was_declined_is_told_if_the_operator_wants_it() {
    let options = StackOptions::new().ledger_env("LEDGER_DECLINE_DETAILS", "true");
    let stack = Stack::start(options).await.unwrap();
    let card = stack.sim.payment_method(DECLINED[0], "123").await.unwrap();
    let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    assert_eq!(answer.refused(), "card_declined");
    let text = answer.body["error"].as_str().unwrap();
    assert_eq!(text, "the card was declined (card_declined: insufficient_funds)");
}
