//! The lives of PaymentIntents and SetupIntents.

use serde_json::json;

use crate::harness::{PAY, Sim, id, text};

#[tokio::test]
async fn a_payment_succeeds_and_stays_so() {
    let sim = Sim::start().await;
    let more = [("metadata[a]", "b"), ("description", "API credits")];
    let intent = sim.pay("pm_card_visa", &more).await.ok();
    assert_eq!((&intent["status"], &intent["amount_received"]), (&json!("succeeded"), &json!(500)));
    assert_eq!(
        (&intent["metadata"], &intent["description"]),
        (&json!({"a": "b"}), &json!("API credits"))
    );
    assert!(text(&intent, "client_secret").starts_with(&format!("{}_secret_", id(&intent))));
    let path = format!("/v1/payment_intents/{}", id(&intent));
    let error = sim.post(&format!("{path}/cancel"), &[]).await.error(400);
    assert_eq!(error["code"], "payment_intent_unexpected_state");
    assert_eq!(error["payment_intent"], intent);
    assert_eq!(sim.get(&path).await.ok(), intent);
    assert_eq!(
        sim.events().await,
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    );
}

#[tokio::test]
async fn a_declined_one_tells_its_story() {
    let sim = Sim::start().await;
    sim.pay("pm_card_visa_chargeDeclined", &[]).await.error(402);
    assert_eq!(
        sim.events().await,
        ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]
    );
}

#[tokio::test]
async fn canceled_ones_stay_so() {
    let sim = Sim::start().await;
    let intent = sim.pay_by("4000002760003184").await.ok();
    assert_eq!(intent["status"], "requires_action");
    let path = format!("/v1/payment_intents/{}", id(&intent));
    let canceled = sim.post(&format!("{path}/cancel"), &[]).await.ok();
    assert_eq!(canceled["status"], "canceled");
    assert!(canceled["canceled_at"].is_i64());
    let error = sim.post(&format!("{path}/cancel"), &[]).await.error(400);
    assert_eq!(error["code"], "payment_intent_unexpected_state");
    assert!(text(&error, "message").contains("status of canceled"), "{error:#}");
    let request = sim.request(reqwest::Method::POST, "/_sim/authenticate");
    let late =
        sim.send(request.json(&json!({"payment_intent": id(&intent), "outcome": "succeed"}))).await;
    assert_eq!(late.status, 400, "a holder who comes too late pays nothing");
    assert_eq!(sim.get("/_sim/totals").await.ok(), json!({}));
    assert_eq!(sim.events().await.last().unwrap(), "payment_intent.canceled");
}

/// What Stripe refuses of a confirmation, and what only the stand-in does not do.
#[tokio::test]
async fn a_confirmation_says_how_it_is_paid() {
    let sim = Sim::start().await;
    let without = |name: &str| -> Vec<_> {
        PAY.into_iter().filter(|(param, _)| !param.starts_with(name)).collect()
    };
    for (dropped, status, said) in [
        ("allowed_payment_method_types", 400, "you must provide a `return_url`"),
        ("payment_method", 400, "missing a payment method"),
        ("confirm", 501, "does not leave a PaymentIntent unconfirmed"),
    ] {
        let error = sim.post("/v1/payment_intents", &without(dropped)).await.error(status);
        assert!(text(&error, "message").contains(said), "{dropped}: {error:#}");
        let form: Vec<_> = without(dropped).into_iter().skip(2).collect();
        let error = sim.post("/v1/setup_intents", &form).await.error(status);
        let said = said.replace("PaymentIntent", "SetupIntent");
        assert!(text(&error, "message").contains(&said), "{dropped}: {error:#}");
    }
    assert_eq!(sim.get("/v1/payment_intents").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_card_is_set_up() {
    let sim = Sim::start().await;
    let intent = sim.set_up("pm_card_visa", &[("usage", "off_session")]).await.ok();
    assert_eq!((&intent["status"], &intent["usage"]), (&json!("succeeded"), &json!("off_session")));
    assert!(text(&intent, "client_secret").starts_with(&format!("{}_secret_", id(&intent))));
    assert_eq!(sim.events().await, ["setup_intent.created", "setup_intent.succeeded"]);
}
