//! Strangers with made-up ids use up neither the reads at Stripe nor the places for card payments.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{Answer, send};

/// Where the stranger is, and an honest client behind the same address; another one elsewhere.
const STRANGER: &str = "203.0.113.7";
const ELSEWHERE: &str = "203.0.113.8";

async fn start(options: StackOptions) -> Stack {
    let options = options.config(|config| {
        config.connection_manager()?["xff_num_trusted_hops"] = 1.into();
        Ok(())
    });
    Stack::start(options).await.unwrap()
}

async fn pay_from(stack: &Stack, address: &str, payment: Value) -> Answer {
    let request = stack.get("/api/joke").header(wire::PAYMENT, wire::encode(&payment));
    send(request.header("x-forwarded-for", address)).await
}

fn card(id: &str) -> Value {
    json!({"paymentMethodId": id})
}

async fn reads(stack: &Stack, path: &str) -> usize {
    let calls = stack.sim.calls(path).await.unwrap();
    calls.iter().filter(|call| call.method == "GET").count()
}

#[tokio::test]
async fn made_up_ids_are_read_so_often_and_no_more() {
    let stack = start(StackOptions::new()).await;
    let (regular, new) =
        (stack.sim.fresh_card().await.unwrap(), stack.sim.fresh_card().await.unwrap());
    pay_from(&stack, STRANGER, card(&regular)).await.receipt();
    let before = reads(&stack, "/v1/payment_methods").await;
    // The same one again and again is read once.
    for _ in 0..20 {
        let answer = pay_from(&stack, STRANGER, card("pm_madeup")).await;
        assert_eq!((answer.refused(), answer.reason()), ("payment_failed", None));
    }
    assert_eq!(reads(&stack, "/v1/payment_methods").await - before, 1);
    // Others are, up to the limit.
    for number in 1..40 {
        let answer = pay_from(&stack, STRANGER, card(&format!("pm_madeup{number}"))).await;
        assert_eq!(answer.refused(), "payment_failed");
        let limited = answer.reason() == Some("rate_limited");
        assert_eq!(limited, number >= 30, "{number}");
        if limited {
            let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((500..=660).contains(&wait), "{wait}");
        }
    }
    assert_eq!(reads(&stack, "/v1/payment_methods").await - before, 30);
    // A card that was known a moment ago pays from there, and a new one from elsewhere.
    pay_from(&stack, STRANGER, card(&regular)).await.receipt();
    assert_eq!(pay_from(&stack, STRANGER, card(&new)).await.reason(), Some("rate_limited"));
    pay_from(&stack, ELSEWHERE, card(&new)).await.receipt();
}

/// A card that is good opens no way to read PaymentIntents without end.
#[tokio::test]
async fn made_up_payment_intents_count_too() {
    let stack = start(StackOptions::new().ledger_env("LEDGER_LIMIT_SOURCE_UNKNOWN", "5")).await;
    let good = stack.sim.fresh_card().await.unwrap();
    pay_from(&stack, STRANGER, card(&good)).await.receipt();
    let before = reads(&stack, "/v1/payment_intents/pi_madeup").await;
    for number in 0..10 {
        let intent = format!("pi_madeup{number}");
        let payment = json!({"paymentMethodId": good, "paymentIntentId": intent});
        let answer = pay_from(&stack, STRANGER, payment).await;
        assert_eq!(answer.refused(), "payment_failed");
        assert_eq!(answer.reason() == Some("rate_limited"), number >= 5, "{number}");
    }
    assert_eq!(reads(&stack, "/v1/payment_intents/pi_madeup").await - before, 5);
    pay_from(&stack, STRANGER, card(&good)).await.receipt();
}

/// Stripe is slow, and a stranger asks for many cards at once: others find a place all the same.
#[tokio::test]
async fn slow_reads_of_one_address_hold_up_nobody_else() {
    let options = StackOptions::new()
        .ledger_env("LEDGER_LIMIT_SOURCE_READS", "10")
        .filter(|filter| filter["limits"] = json!({"card_payments": 40}));
    let stack = start(options).await;
    let honest = stack.sim.fresh_card().await.unwrap();
    let slow = json!({
        "path": "/v1/payment_methods/pm_madeup", "method": "GET", "action": "latency", "ms": 5_000,
        "times": 0,
    });
    stack.sim.fault(&slow).await.unwrap();
    let strangers = async {
        for wave in 0..3 {
            let ids = (0..30).map(|number| format!("pm_madeup{wave}x{number}"));
            let all = ids.map(async |id| pay_from(&stack, STRANGER, card(&id)).await.status);
            // They do not wait for their answers; the ledger does.
            let _ = tokio::time::timeout(Duration::from_millis(500), join_all(all)).await;
        }
    };
    let served = async {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let began = Instant::now();
        pay_from(&stack, ELSEWHERE, card(&honest)).await.receipt();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    };
    tokio::join!(strangers, served);
}
