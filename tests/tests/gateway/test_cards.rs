//! Every test card of Stripe's, through the gateway. Source: docs.stripe.com/testing.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use stripe402_tests::stack::{Stack, StackOptions};

use crate::answer::{Answer, pay};

/// What a card does when it is charged for a top-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Charged, and the request served.
    Served,
    /// Refused by the bank, or by Stripe's fraud rules.
    Declined,
    /// The cardholder must confirm (3D Secure). Confirmed, it is served; not confirmed, declined.
    Confirm,
    /// The same, but the bank declines even what was confirmed.
    ConfirmInVain,
    /// Charged and served; then the cardholder disputes it, and the account is frozen.
    Disputed,
}
use Then::{Confirm, ConfirmInVain, Declined, Disputed, Served};

const CARDS: [(&str, Then, &str); 32] = [
    ("4242424242424242", Served, "Visa"),
    ("4000056655665556", Served, "Visa, debit"),
    ("5555555555554444", Served, "Mastercard"),
    ("2223003122003222", Served, "Mastercard, 2-series"),
    ("5200828282828210", Served, "Mastercard, debit"),
    ("5105105105105100", Served, "Mastercard, prepaid"),
    ("378282246310005", Served, "American Express"),
    ("371449635398431", Served, "American Express"),
    ("6011111111111117", Served, "Discover"),
    ("6011000990139424", Served, "Discover"),
    ("3056930009020004", Served, "Diners Club"),
    ("36227206271667", Served, "Diners Club, 14 digits"),
    ("3566002020360505", Served, "JCB"),
    ("6200000000000005", Served, "UnionPay"),
    ("4000000000000002", Declined, "generic"),
    ("4000000000009995", Declined, "insufficient funds"),
    ("4000000000009987", Declined, "lost"),
    ("4000000000009979", Declined, "stolen"),
    ("4000000000000069", Declined, "expired"),
    ("4000000000000127", Declined, "incorrect CVC"),
    ("4000000000000119", Declined, "processing error"),
    ("4000000000006975", Declined, "too many charges"),
    ("4000000000000341", Declined, "can be attached, cannot be charged"),
    ("4100000000000019", Declined, "blocked by Radar"),
    ("4000002500003155", Confirm, "3D Secure unless set up"),
    ("4000002760003184", Confirm, "3D Secure always"),
    ("4000003800000446", Confirm, "3D Secure on session"),
    ("4000000000003220", Confirm, "3D Secure 2"),
    ("4000008260003178", ConfirmInVain, "3D Secure, then insufficient funds"),
    ("4000008400001629", ConfirmInVain, "3D Secure, then declined"),
    ("4000000000003055", Served, "3D Secure if wanted"),
    ("4000000000001976", Served, "an inquiry, which moves nothing"),
];
const DISPUTED: [(&str, Then, &str); 2] = [
    ("4000000000000259", Disputed, "disputed as fraudulent"),
    ("4000000000002685", Disputed, "disputed as not received"),
];

fn cvc(number: &str) -> &str {
    // American Express has four digits.
    if number.starts_with("34") || number.starts_with("37") { "1234" } else { "123" }
}

async fn try_card(stack: &Stack, number: &str) -> (serde_json::Value, Answer) {
    let card = stack.sim.payment_method(number, cvc(number)).await.unwrap();
    let payment = json!({"paymentMethodId": card});
    let answer = pay(stack, "/api/weather", payment.clone()).await;
    (payment, answer)
}

/// The cardholder confirms, or does not; then the client retries as the protocol says.
async fn after_confirmation(stack: &Stack, number: &str, confirms: bool) -> Answer {
    let (mut payment, asked) = try_card(stack, number).await;
    assert_eq!(asked.refused(), "payment_failed", "{number}");
    assert_eq!(asked.reason(), Some("authentication_required"), "{number}");
    assert!(asked.body["clientSecret"].as_str().unwrap().contains("_secret_"));
    let intent = asked.body["paymentIntentId"].as_str().unwrap();
    // What is confirmed and then refused by the bank is an error for whoever confirms, too.
    let _ = stack.sim.authenticate(intent, confirms).await;
    payment["paymentIntentId"] = intent.into();
    pay(stack, "/api/weather", payment).await
}

#[tokio::test]
async fn every_test_card() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (mut served, mut charged) = (0, 0);
    for (number, then, what) in CARDS.into_iter().chain(DISPUTED) {
        let what = format!("{number} ({what})");
        match then {
            Served | Disputed => {
                let answer = try_card(&stack, number).await.1;
                charged += 500;
                if then == Disputed && answer.status == 402 {
                    // Its dispute was heard of before the deduction.
                    continue;
                }
                let receipt = answer.receipt();
                assert_eq!(receipt["creditsRemaining"], 49_500, "{what}");
                served += 1;
                if then == Disputed {
                    let client = receipt["clientId"].as_str().unwrap();
                    served += until_frozen(&stack, client, &what).await;
                }
            }
            Declined => {
                let answer = try_card(&stack, number).await.1;
                assert_eq!(answer.refused(), "card_declined", "{what}");
                assert_eq!(answer.body["error"], "the card was declined", "{what}: one text");
            }
            Confirm => {
                let refused = after_confirmation(&stack, number, false).await;
                assert_eq!(refused.refused(), "card_declined", "{what}");
                let receipt = after_confirmation(&stack, number, true).await.receipt();
                assert_eq!(receipt["creditsRemaining"], 49_500, "{what}");
                (served, charged) = (served + 1, charged + 500);
            }
            ConfirmInVain => {
                for confirms in [false, true] {
                    let refused = after_confirmation(&stack, number, confirms).await;
                    assert_eq!(refused.refused(), "card_declined", "{what}, {confirms}");
                }
            }
        }
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, charged);
    assert_eq!(stack.upstream.recorder().count(), served);
}

/// Asks until the dispute is heard of; answers how many jokes were told until then.
async fn until_frozen(stack: &Stack, client: &str, what: &str) -> usize {
    let mut told = 0;
    for _ in 0..100 {
        let answer = pay(stack, "/api/joke", json!({"clientId": client})).await;
        if answer.status == 200 {
            told += 1;
        } else if answer.reason() == Some("frozen") {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: never frozen");
}

/// The table is of all cards that the stand-in knows.
#[test]
fn no_test_card_is_left_out() {
    let source = include_str!("../../stripe-sim/src/cards.rs");
    let (source, _) = source.split_once("static ANY_4242").unwrap();
    let known: BTreeSet<&str> = source
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.len() >= 14 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let tried: BTreeSet<&str> = CARDS.iter().chain(&DISPUTED).map(|(number, ..)| *number).collect();
    assert_eq!(tried, known);
}
