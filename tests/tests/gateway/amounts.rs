//! How much is charged: `topUpAmount`, least and most, currencies without cents.

use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::pay;

#[tokio::test]
async fn top_ups_between_the_least_and_the_most() {
    let options = StackOptions::new().filter(|filter| filter["max_top_up"] = json!(200_000));
    let stack = Stack::start(options).await.unwrap();
    for (amount, expected) in [
        (json!(49_999), Err(("top_up_below_minimum", None))),
        (json!(0), Err(("top_up_below_minimum", None))),
        (json!(-50_000), Err(("top_up_below_minimum", None))),
        (json!(200_001), Err(("invalid_payment", Some("top_up_above_maximum")))),
        (json!(9_007_199_254_740_993_i64), Err(("invalid_payment", Some("top_up_above_maximum")))),
        (json!("50000"), Err(("invalid_payment", None))),
        (json!(50_000.5), Err(("invalid_payment", None))),
        (json!(50_000), Ok(49_500)),
        (json!(50_001), Ok(49_600)),
        (json!(200_000), Ok(199_500)),
        (Value::Null, Ok(49_500)),
    ] {
        let card = stack.sim.fresh_card().await.unwrap();
        let payment = json!({"paymentMethodId": card, "topUpAmount": amount});
        let answer = pay(&stack, "/api/weather", payment).await;
        match expected {
            Ok(left) => assert_eq!(answer.receipt()["creditsRemaining"], left, "{amount}"),
            Err((code, reason)) => {
                assert_eq!((answer.refused(), answer.reason()), (code, reason), "{amount}");
            }
        }
    }
    // $5.00, $5.01, $20.00 and $5.00, and nothing of what was refused.
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 3_501);
}

#[tokio::test]
async fn the_least_covers_the_price() {
    let options = StackOptions::new().filter(|filter| {
        filter["routes"][0]["price"] = json!(80_000);
        filter["routes"][0]["min_top_up"] = json!(5_000);
    });
    let stack = Stack::start(options).await.unwrap();
    let challenge = crate::answer::send(stack.get("/api/joke")).await.challenge();
    assert_eq!(challenge["minTopUp"], 80_000);
    let card = stack.sim.fresh_card().await.unwrap();
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 0);
}

/// Yen have no cents, fils end in 0, and krónur are sent with two decimals that are 00.
#[tokio::test]
async fn currencies_of_every_kind() {
    let options = StackOptions::new().filter(|filter| {
        let route = |path: &str, currency: &str, price: i64, least: i64| {
            json!({
                "path": path, "currency": currency, "price": price,
                "min_top_up": least, "max_top_up": least * 100,
            })
        };
        filter["routes"] = json!([
            route("/api/joke", "jpy", 10_001, 1_000_001),
            route("/api/weather", "kwd", 1, 20_001),
            route("/api/echo", "isk", 3, 2_000_001),
            route("/api/health", "eur", 1, 50_000),
        ]);
    });
    let stack = Stack::start(options).await.unwrap();
    for (path, currency, minor, left) in [
        ("/api/joke", "jpy", 101, 1_010_000 - 10_001),
        ("/api/weather", "kwd", 2_010, 20_100 - 1),
        ("/api/echo", "isk", 20_100, 2_010_000 - 3),
        ("/api/health", "eur", 500, 50_000 - 1),
    ] {
        // The same card every time: a balance of one currency never pays in another.
        let card = stack.sim.payment_method("4242424242424242", "123").await.unwrap();
        let receipt = pay(&stack, path, json!({"paymentMethodId": card})).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left, "{currency}");
        assert_eq!(stack.sim.totals(currency).await.unwrap().charged, minor, "{currency}");
    }
}
