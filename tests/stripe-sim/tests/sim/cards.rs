//! Every test card does what Stripe's documentation says of it.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

/// Source: docs.stripe.com/testing#cards.
#[tokio::test]
async fn cards_of_each_brand_succeed() {
    let sim = Sim::start().await;
    for (number, brand, funding) in [
        ("4242424242424242", "visa", "credit"),
        ("4000056655665556", "visa", "debit"),
        ("5555555555554444", "mastercard", "credit"),
        ("2223003122003222", "mastercard", "credit"),
        ("5200828282828210", "mastercard", "debit"),
        ("5105105105105100", "mastercard", "prepaid"),
        ("378282246310005", "amex", "credit"),
        ("371449635398431", "amex", "credit"),
        ("6011111111111117", "discover", "credit"),
        ("6011000990139424", "discover", "credit"),
        ("3056930009020004", "diners", "credit"),
        ("36227206271667", "diners", "credit"),
        ("3566002020360505", "jcb", "credit"),
        ("6200000000000005", "unionpay", "credit"),
        ("4000000000003055", "visa", "credit"),
    ] {
        let cvc = if brand == "amex" { "1234" } else { "123" };
        let method = sim.method(number, cvc).await;
        let card = sim.get(&format!("/v1/payment_methods/{method}")).await.ok()["card"].clone();
        assert_eq!(
            (&card["brand"], &card["funding"]),
            (&json!(brand), &json!(funding)),
            "{number}"
        );
        let intent = sim.pay(&method, &[]).await.ok();
        assert_eq!(
            (&intent["status"], &intent["amount_received"]),
            (&json!("succeeded"), &json!(500)),
            "{number}"
        );
    }
}

/// Source: docs.stripe.com/testing#declined-payments.
#[tokio::test]
async fn declines_have_their_codes_and_leave_the_intent_open() {
    const GENERIC: &str = "Your card was declined.";
    let sim = Sim::start().await;
    for (number, code, decline_code, message) in [
        ("4000000000000002", "card_declined", "generic_decline", GENERIC),
        (
            "4000000000009995",
            "card_declined",
            "insufficient_funds",
            "Your card has insufficient funds.",
        ),
        ("4000000000009987", "card_declined", "lost_card", GENERIC),
        ("4000000000009979", "card_declined", "stolen_card", GENERIC),
        ("4000000000000069", "expired_card", "expired_card", "Your card has expired."),
        (
            "4000000000000127",
            "incorrect_cvc",
            "incorrect_cvc",
            "Your card's security code is incorrect.",
        ),
        (
            "4000000000000119",
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
        (
            "4000000000006975",
            "card_declined",
            "card_velocity_exceeded",
            "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        ),
        ("4000000000000341", "card_declined", "generic_decline", GENERIC),
        ("4100000000000019", "card_declined", "fraudulent", GENERIC),
    ] {
        let customer = sim.customer().await;
        let method = sim.method(number, "123").await;
        let more = [("customer", customer.as_str()), ("setup_future_usage", "off_session")];
        let error = sim.pay(&method, &more).await.error(402);
        assert_eq!(
            (&error["type"], &error["code"], &error["decline_code"], &error["message"]),
            (&json!("card_error"), &json!(code), &json!(decline_code), &json!(message)),
            "{number}"
        );
        let intent = &error["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method", "{number}");
        assert_eq!(
            (&intent["payment_method"], &intent["amount_received"]),
            (&Value::Null, &json!(0))
        );
        assert_eq!(intent["last_payment_error"]["code"], code);
        assert_eq!(intent["latest_charge"], error["charge"]);
        let kept = sim.get(&format!("/v1/payment_intents/{}", id(intent))).await.ok();
        assert_eq!(kept, *intent, "the intent of a declined payment persists");
        let charge = sim.told("charge.failed").await;
        assert_eq!((&charge["id"], &charge["status"]), (&error["charge"], &json!("failed")));
        assert_eq!((&charge["paid"], &charge["amount_captured"]), (&json!(false), &json!(0)));
        let checked = &charge["payment_method_details"]["card"]["checks"]["cvc_check"];
        let cvc = if code == "incorrect_cvc" { "fail" } else { "unchecked" };
        assert_eq!(checked, cvc, "{number}");
        let now = sim.get(&format!("/v1/payment_methods/{method}")).await.ok();
        assert_eq!(now["customer"], Value::Null, "a declined card is not kept");

        // Attaching and setting up ask the issuer, too, but not for a charge.
        let only_charges_fail = ["4000000000000341", "4100000000000019"].contains(&number);
        let set_up = sim.set_up(&method, &[]).await;
        assert_eq!(set_up.status, if only_charges_fail { 200 } else { 402 }, "{number}");
        if !only_charges_fail {
            let error = set_up.error(402);
            assert_eq!(error["setup_intent"]["status"], "requires_payment_method");
            assert_eq!(error["setup_intent"]["last_setup_error"]["code"], code);
        }
        let attach = format!("/v1/payment_methods/{method}/attach");
        let attached = sim.post(&attach, &[("customer", &customer)]).await;
        assert_eq!(attached.status, if only_charges_fail { 200 } else { 402 }, "{number}");
    }
    assert_eq!(sim.totals().await, Value::Null);
}

/// Source: docs.stripe.com/testing#invalid-data.
#[tokio::test]
async fn wrong_card_data_is_refused_at_once() {
    let sim = Sim::start().await;
    for (number, month, year, cvc, code) in [
        ("4242424242424241", "12", "2040", "123", "incorrect_number"),
        ("4242", "12", "2040", "123", "invalid_number"),
        ("4242424242424242", "13", "2040", "123", "invalid_expiry_month"),
        ("4242424242424242", "12", "2020", "123", "invalid_expiry_year"),
        ("4242424242424242", "12", "20", "123", "invalid_expiry_year"),
        ("4242424242424242", "12", "2040", "99", "invalid_cvc"),
        ("378282246310005", "12", "2040", "123", "invalid_cvc"),
        ("4111111111111111", "12", "2040", "123", "card_declined"),
    ] {
        let form = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", month),
            ("card[exp_year]", year),
            ("card[cvc]", cvc),
        ];
        let error = sim.post("/v1/payment_methods", &form).await.error(402);
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("card_error"), &json!(code)),
            "{number} {month}/{year} {cvc}"
        );
    }
}

/// A thief knows the number but not the security code: the fingerprint is the same, every use is declined.
#[tokio::test]
async fn another_security_code_is_declined_wherever_the_issuer_is_asked() {
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    let owner = sim.method("4242424242424242", "123").await;
    let thief = sim.method("4242424242424242", "999").await;
    assert_eq!(sim.fingerprint(&owner).await, sim.fingerprint(&thief).await);
    assert_eq!(sim.pay(&thief, &[]).await.error(402)["code"], "incorrect_cvc");
    assert_eq!(sim.set_up(&thief, &[]).await.error(402)["code"], "incorrect_cvc");
    let attach = format!("/v1/payment_methods/{thief}/attach");
    let error = sim.post(&attach, &[("customer", &customer)]).await.error(402);
    assert_eq!(error["code"], "incorrect_cvc");
    assert_eq!(sim.pay(&owner, &[]).await.ok()["status"], "succeeded");
    assert_eq!(sim.pay("pm_card_visa", &[]).await.ok()["status"], "succeeded");
}

#[tokio::test]
async fn every_number_has_a_fingerprint_of_its_own() {
    let sim = Sim::start().await;
    let mut prints = std::collections::BTreeSet::new();
    for number in ["4242424242424242", "4242420000000000", "4242421111111116", "4000056655665556"] {
        let method = sim.method(number, "123").await;
        let print = sim.fingerprint(&method).await;
        assert!(print.len() == 16 && print.chars().all(|letter| letter.is_ascii_alphanumeric()));
        assert!(prints.insert(print), "{number}");
        assert_eq!(sim.pay(&method, &[]).await.ok()["status"], "succeeded", "{number}");
    }
}

#[tokio::test]
async fn a_test_name_makes_a_new_payment_method_each_time() {
    let sim = Sim::start().await;
    let first = sim.get("/v1/payment_methods/pm_card_visa").await.ok();
    let second = sim.get("/v1/payment_methods/pm_card_visa").await.ok();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["card"]["fingerprint"], second["card"]["fingerprint"]);
    assert_eq!(sim.get(&format!("/v1/payment_methods/{}", id(&first))).await.ok(), first);
    for (name, last4) in [("pm_card_mastercard", "4444"), ("pm_card_visa_chargeDeclined", "0002")] {
        let method = sim.get(&format!("/v1/payment_methods/{name}")).await.ok();
        assert_eq!(text(&method["card"], "last4"), last4);
    }
}
