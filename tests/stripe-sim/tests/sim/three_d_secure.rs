//! Cards that ask for their holder.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

/// Source: docs.stripe.com/testing#regulatory-cards.
#[tokio::test]
async fn cards_ask_for_their_holder_when_they_say_so() {
    // What an on-session payment, an off-session payment, and a set-up end as.
    const ACTION: &str = "requires_action";
    const OK: &str = "succeeded";
    const NEEDED: &str = "authentication_required";
    for (name, on_session, off_session, set_up) in [
        ("pm_card_authenticationRequiredOnSetup", ACTION, NEEDED, ACTION),
        ("pm_card_authenticationRequired", ACTION, NEEDED, ACTION),
        ("pm_card_authenticationRequiredSetupForOffSession", ACTION, OK, ACTION),
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", ACTION, NEEDED, ACTION),
        ("pm_card_threeDSecure2Required", ACTION, NEEDED, ACTION),
        ("pm_card_threeDSecureOptional", OK, OK, OK),
        ("pm_card_amex_threeDSecureNotSupported", OK, OK, OK),
        ("pm_card_visa", OK, OK, OK),
    ] {
        let sim = Sim::start().await;
        assert_eq!(sim.pay_with(name).await.ok()["status"], on_session, "{name} on session");
        let reply = sim.pay(&[("payment_method", name), ("off_session", "true")]).await;
        let off = if reply.status == 402 {
            &reply.body["error"]["decline_code"]
        } else {
            &reply.body["status"]
        };
        assert_eq!(off, off_session, "{name} off session");
        let form =
            [("confirm", "true"), ("payment_method", name), ("payment_method_types[]", "card")];
        let intent = sim.post("/v1/setup_intents", &form).await.ok();
        assert_eq!(intent["status"], set_up, "{name} set up");
    }
}

#[tokio::test]
async fn three_d_secure_succeeds_or_fails() {
    let sim = Sim::start().await;
    for (name, outcome, status, code) in [
        ("pm_card_authenticationRequired", "succeed", "succeeded", None),
        (
            "pm_card_authenticationRequired",
            "fail",
            "requires_payment_method",
            Some("payment_intent_authentication_failure"),
        ),
        (
            "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
            "succeed",
            "requires_payment_method",
            Some("card_declined"),
        ),
    ] {
        let intent = sim.pay_with(name).await.ok();
        assert_eq!(intent["next_action"]["type"], "use_stripe_sdk");
        assert!(intent["next_action"]["use_stripe_sdk"].is_object());
        assert_eq!(intent["latest_charge"], Value::Null, "nothing was charged yet");
        let played = sim
            .play("authenticate", json!({"payment_intent": id(&intent), "outcome": outcome}))
            .await;
        assert_eq!(played["status"], status, "{name} {outcome}");
        assert_eq!(played["last_payment_error"]["code"], json!(code));
        assert_eq!(played["next_action"], Value::Null);
        assert_eq!(played["latest_charge"].is_string(), outcome == "succeed");
    }
}

#[tokio::test]
async fn a_card_set_up_by_its_holder_can_be_charged_off_session() {
    let sim = Sim::start().await;
    let customer = sim.customer().await;
    for (name, then) in
        [("pm_card_authenticationRequiredOnSetup", 200), ("pm_card_authenticationRequired", 402)]
    {
        let form = [
            ("confirm", "true"),
            ("customer", customer.as_str()),
            ("payment_method", name),
            ("payment_method_types[]", "card"),
        ];
        let setup = sim.post("/v1/setup_intents", &form).await.ok();
        assert_eq!(setup["next_action"]["type"], "use_stripe_sdk");
        let setup = sim
            .play("authenticate", json!({"setup_intent": id(&setup), "outcome": "succeed"}))
            .await;
        assert_eq!(setup["status"], "succeeded");
        let method = text(&setup, "payment_method");
        let reply = sim
            .pay(&[("payment_method", &method), ("customer", &customer), ("off_session", "true")])
            .await;
        assert_eq!(reply.status, then, "{name}: {:#}", reply.body);
    }
    let form = [
        ("confirm", "true"),
        ("payment_method", "pm_card_threeDSecure2Required"),
        ("payment_method_types[]", "card"),
    ];
    let setup = sim.post("/v1/setup_intents", &form).await.ok();
    let setup =
        sim.play("authenticate", json!({"setup_intent": id(&setup), "outcome": "fail"})).await;
    assert_eq!(setup["status"], "requires_payment_method");
    assert_eq!(setup["last_setup_error"]["code"], "setup_intent_authentication_failure");
}

#[tokio::test]
async fn asking_for_an_error_instead_of_an_action() {
    let sim = Sim::start().await;
    let form = [
        ("payment_method", "pm_card_authenticationRequired"),
        ("error_on_requires_action", "true"),
    ];
    let error = sim.pay(&form).await.error(402);
    assert_eq!(error["decline_code"], "authentication_not_handled");
    assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
    // With a way back to the merchant's page, the action is a redirect.
    let form = [
        ("payment_method", "pm_card_authenticationRequired"),
        ("return_url", "https://example.com/back"),
    ];
    let intent = sim.pay(&form).await.ok();
    assert_eq!(intent["next_action"]["redirect_to_url"]["return_url"], "https://example.com/back");
}
