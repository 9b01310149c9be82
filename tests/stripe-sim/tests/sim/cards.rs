//! Every test card does what Stripe's documentation says of it.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

/// Source: docs.stripe.com/testing#cards.
#[tokio::test]
async fn cards_of_each_brand_succeed() {
    let sim = Sim::start().await;
    for (name, number, brand, funding) in [
        ("pm_card_visa", "4242424242424242", "visa", "credit"),
        ("pm_card_visa_debit", "4000056655665556", "visa", "debit"),
        ("pm_card_mastercard", "5555555555554444", "mastercard", "credit"),
        ("pm_card_mastercard_debit", "5200828282828210", "mastercard", "debit"),
        ("pm_card_mastercard_prepaid", "5105105105105100", "mastercard", "prepaid"),
        ("pm_card_amex", "378282246310005", "amex", "credit"),
        ("pm_card_discover", "6011111111111117", "discover", "credit"),
        ("pm_card_diners", "3056930009020004", "diners", "credit"),
        ("pm_card_jcb", "3566002020360505", "jcb", "credit"),
        ("pm_card_unionpay", "6200000000000005", "unionpay", "credit"),
    ] {
        let cvc = if brand == "amex" { "1234" } else { "123" };
        let method = sim.method(number, cvc).await;
        let card = sim.get(&format!("/v1/payment_methods/{method}")).await.ok()["card"].clone();
        assert_eq!((&card["brand"], &card["funding"]), (&json!(brand), &json!(funding)), "{name}");
        let intent = sim.pay_with(&method).await.ok();
        assert_eq!(intent["status"], "succeeded", "{name}");
        assert_eq!(intent["amount_received"], 500);

        let intent = sim.pay(&[("payment_method", name), ("expand[]", "latest_charge")]).await.ok();
        let charged = &intent["latest_charge"]["payment_method_details"]["card"];
        assert_eq!(
            charged["fingerprint"], card["fingerprint"],
            "{name}: one card, one fingerprint"
        );
    }
    for number in [
        "2223003122003222",
        "371449635398431",
        "6011000990139424",
        "36227206271667",
        "4000000000003055",
    ] {
        let cvc = if number.starts_with('3') && number.len() == 15 { "1234" } else { "123" };
        let method = sim.method(number, cvc).await;
        assert_eq!(sim.pay_with(&method).await.ok()["status"], "succeeded", "{number}");
    }
}

/// Source: docs.stripe.com/testing#declined-payments.
#[tokio::test]
async fn declines_have_their_codes_and_leave_the_intent_open() {
    let sim = Sim::start().await;
    for (name, number, code, decline_code, message) in [
        (
            "pm_card_visa_chargeDeclined",
            "4000000000000002",
            "card_declined",
            "generic_decline",
            "Your card was declined.",
        ),
        (
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "4000000000009995",
            "card_declined",
            "insufficient_funds",
            "Your card has insufficient funds.",
        ),
        (
            "pm_card_visa_chargeDeclinedLostCard",
            "4000000000009987",
            "card_declined",
            "lost_card",
            "Your card was declined.",
        ),
        (
            "pm_card_visa_chargeDeclinedStolenCard",
            "4000000000009979",
            "card_declined",
            "stolen_card",
            "Your card was declined.",
        ),
        (
            "pm_card_chargeDeclinedExpiredCard",
            "4000000000000069",
            "expired_card",
            "expired_card",
            "Your card has expired.",
        ),
        (
            "pm_card_chargeDeclinedIncorrectCvc",
            "4000000000000127",
            "incorrect_cvc",
            "incorrect_cvc",
            "Your card's security code is incorrect.",
        ),
        (
            "pm_card_chargeDeclinedProcessingError",
            "4000000000000119",
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
        (
            "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
            "4000000000006975",
            "card_declined",
            "card_velocity_exceeded",
            "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        ),
        (
            "pm_card_chargeCustomerFail",
            "4000000000000341",
            "card_declined",
            "generic_decline",
            "Your card was declined.",
        ),
        (
            "pm_card_radarBlock",
            "4100000000000019",
            "card_declined",
            "fraudulent",
            "Your card was declined.",
        ),
    ] {
        let customer = sim.customer().await;
        let by_number = sim.method(number, "123").await;
        for method in [name, &by_number] {
            let error = sim
                .pay(&[
                    ("payment_method", method),
                    ("customer", &customer),
                    ("setup_future_usage", "off_session"),
                ])
                .await
                .error(402);
            assert_eq!(
                (&error["type"], &error["code"], &error["decline_code"], &error["message"]),
                (&json!("card_error"), &json!(code), &json!(decline_code), &json!(message)),
                "{method}"
            );
            let intent = &error["payment_intent"];
            assert_eq!(intent["status"], "requires_payment_method", "{method}");
            assert_eq!(intent["payment_method"], Value::Null);
            assert_eq!(intent["last_payment_error"]["code"], code);
            assert_eq!(intent["latest_charge"], error["charge"]);
            let kept = sim.get(&format!("/v1/payment_intents/{}", id(intent))).await.ok();
            assert_eq!(kept, *intent, "the intent of a declined payment persists");
            let charge = sim.get(&format!("/v1/charges/{}", text(&error, "charge"))).await.ok();
            assert_eq!((&charge["status"], &charge["paid"]), (&json!("failed"), &json!(false)));
            let method = id(&error["payment_method"]);
            let method = sim.get(&format!("/v1/payment_methods/{method}")).await.ok();
            assert_eq!(method["customer"], Value::Null, "a declined card is not kept");
        }
        // Attaching asks the issuer too, but not for a charge.
        let attach = format!("/v1/payment_methods/{name}/attach");
        let attached = sim.post(&attach, &[("customer", &customer)]).await;
        let only_charges_fail =
            ["pm_card_chargeCustomerFail", "pm_card_radarBlock"].contains(&name);
        assert_eq!(attached.status, if only_charges_fail { 200 } else { 402 }, "{name}");
        // So does setting up.
        let form =
            [("confirm", "true"), ("payment_method", name), ("payment_method_types[]", "card")];
        let setup = sim.post("/v1/setup_intents", &form).await;
        assert_eq!(setup.status, if only_charges_fail { 200 } else { 402 }, "{name}");
        if !only_charges_fail {
            let error = setup.error(402);
            assert_eq!(error["setup_intent"]["status"], "requires_payment_method");
            assert_eq!(error["setup_intent"]["last_setup_error"]["code"], code);
        }
    }
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
    let print = |method: String| {
        let sim = &sim;
        async move {
            sim.get(&format!("/v1/payment_methods/{method}")).await.ok()["card"]["fingerprint"]
                .clone()
        }
    };
    assert_eq!(print(owner.clone()).await, print(thief.clone()).await);
    assert_eq!(sim.pay_with(&thief).await.error(402)["code"], "incorrect_cvc");
    let form = [
        ("confirm", "true"),
        ("payment_method", thief.as_str()),
        ("payment_method_types[]", "card"),
    ];
    assert_eq!(sim.post("/v1/setup_intents", &form).await.error(402)["code"], "incorrect_cvc");
    let attach = format!("/v1/payment_methods/{thief}/attach");
    assert_eq!(
        sim.post(&attach, &[("customer", &customer)]).await.error(402)["code"],
        "incorrect_cvc"
    );
    assert_eq!(sim.pay_with(&owner).await.ok()["status"], "succeeded");
    assert_eq!(sim.pay_with("pm_card_visa").await.ok()["status"], "succeeded");
}

#[tokio::test]
async fn every_number_has_a_fingerprint_of_its_own() {
    let sim = Sim::start().await;
    let mut prints = std::collections::BTreeSet::new();
    for number in ["4242424242424242", "4242420000000000", "4242421111111116", "4000056655665556"] {
        let method = sim.method(number, "123").await;
        let object = sim.get(&format!("/v1/payment_methods/{method}")).await.ok();
        let print = text(&object["card"], "fingerprint");
        assert_eq!(
            (print.len(), print.chars().all(|letter| letter.is_ascii_alphanumeric())),
            (16, true)
        );
        assert!(prints.insert(print), "{number}");
        if number.starts_with("4242") {
            assert_eq!(sim.pay_with(&method).await.ok()["status"], "succeeded", "{number}");
        }
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
    let form = [("type", "card"), ("card[token]", "tok_visa")];
    let from_token = sim.post("/v1/payment_methods", &form).await.ok();
    assert_eq!(from_token["card"]["fingerprint"], first["card"]["fingerprint"]);
}
