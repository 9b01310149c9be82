//! The lives of PaymentIntents and SetupIntents.

use serde_json::{Value, json};

use crate::harness::{Sim, id, text};

const BASE: [(&str, &str); 3] =
    [("amount", "500"), ("currency", "usd"), ("payment_method_types[]", "card")];

#[tokio::test]
async fn from_creation_to_success() {
    let sim = Sim::start().await;
    let intent = sim.post("/v1/payment_intents", &BASE).await.ok();
    assert_eq!(intent["status"], "requires_payment_method");
    let path = format!("/v1/payment_intents/{}", id(&intent));
    assert!(text(&intent, "client_secret").starts_with(&format!("{}_secret_", id(&intent))));
    let error = sim.post(&format!("{path}/confirm"), &[]).await.error(400);
    assert_eq!(error["code"], "payment_intent_unexpected_state");
    let updated =
        sim.post(&path, &[("amount", "700"), ("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!(
        (&updated["status"], &updated["amount"]),
        (&json!("requires_confirmation"), &json!(700))
    );
    let confirmed = sim.post(&format!("{path}/confirm"), &[]).await.ok();
    assert_eq!(
        (&confirmed["status"], &confirmed["amount_received"]),
        (&json!("succeeded"), &json!(700))
    );
    for action in ["confirm", "cancel", "capture"] {
        let error = sim.post(&format!("{path}/{action}"), &[]).await.error(400);
        assert_eq!(error["code"], "payment_intent_unexpected_state", "{action}");
        assert_eq!(error["payment_intent"]["id"], intent["id"]);
    }
    assert_eq!(
        sim.post(&path, &[("amount", "900")]).await.error(400)["code"],
        "payment_intent_unexpected_state"
    );
    assert_eq!(sim.post(&path, &[("metadata[a]", "b")]).await.ok()["metadata"], json!({"a": "b"}));
    assert_eq!(
        sim.events().await,
        ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    );
}

#[tokio::test]
async fn a_declined_intent_can_be_paid_with_another_card() {
    let sim = Sim::start().await;
    let error = sim.pay_with("pm_card_chargeDeclined").await.error(402);
    let path = format!("/v1/payment_intents/{}", id(&error["payment_intent"]));
    let paid =
        sim.post(&format!("{path}/confirm"), &[("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!((&paid["status"], &paid["last_payment_error"]), (&json!("succeeded"), &Value::Null));
    let charges = sim.get(&format!("/v1/charges?payment_intent={}", id(&paid))).await.ok();
    let statuses: Vec<_> =
        charges["data"].as_array().unwrap().iter().map(|charge| text(charge, "status")).collect();
    assert_eq!(statuses, ["succeeded", "failed"]);
    assert_eq!(
        sim.events().await,
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
}

#[tokio::test]
async fn canceled_ones_stay_so() {
    let sim = Sim::start().await;
    let intent = sim.pay_with("pm_card_authenticationRequired").await.ok();
    let path = format!("/v1/payment_intents/{}", id(&intent));
    let canceled =
        sim.post(&format!("{path}/cancel"), &[("cancellation_reason", "abandoned")]).await.ok();
    assert_eq!(
        (&canceled["status"], &canceled["cancellation_reason"]),
        (&json!("canceled"), &json!("abandoned"))
    );
    assert!(canceled["canceled_at"].is_i64());
    for action in ["confirm", "cancel"] {
        let error = sim.post(&format!("{path}/{action}"), &[]).await.error(400);
        assert_eq!(error["code"], "payment_intent_unexpected_state");
        assert!(text(&error, "message").contains("status of canceled"), "{error:#}");
    }
    let request = sim.request(reqwest::Method::POST, "/_sim/authenticate");
    let late =
        sim.send(request.json(&json!({"payment_intent": id(&intent), "outcome": "succeed"}))).await;
    assert_eq!(late.status, 400, "a holder who comes too late pays nothing");
    assert_eq!(sim.get("/_sim/totals").await.ok(), json!({}));
}

#[tokio::test]
async fn manual_capture() {
    let sim = Sim::start().await;
    let form = [("payment_method", "pm_card_visa"), ("capture_method", "manual")];
    let held = sim.pay(&form).await.ok();
    assert_eq!(
        (&held["status"], &held["amount_capturable"]),
        (&json!("requires_capture"), &json!(500))
    );
    let path = format!("/v1/payment_intents/{}", id(&held));
    let over =
        sim.post(&format!("{path}/capture"), &[("amount_to_capture", "501")]).await.error(400);
    assert_eq!(over["code"], "amount_too_large");
    let captured = sim.post(&format!("{path}/capture"), &[("amount_to_capture", "300")]).await.ok();
    assert_eq!(
        (&captured["status"], &captured["amount_received"]),
        (&json!("succeeded"), &json!(300))
    );
    let held = sim.pay(&form).await.ok();
    sim.post(&format!("/v1/payment_intents/{}/cancel", id(&held)), &[]).await.ok();
    let charge = sim.get(&format!("/v1/charges/{}", text(&held, "latest_charge"))).await.ok();
    assert_eq!((&charge["captured"], &charge["refunded"]), (&json!(false), &json!(true)));
    assert_eq!(sim.get("/_sim/totals").await.ok()["usd"]["charged"], 300);
}

#[tokio::test]
async fn manual_confirmation_comes_back_to_the_server() {
    let sim = Sim::start().await;
    let form =
        [("payment_method", "pm_card_authenticationRequired"), ("confirmation_method", "manual")];
    let intent = sim.pay(&form).await.ok();
    let played = sim
        .play("authenticate", json!({"payment_intent": id(&intent), "outcome": "succeed"}))
        .await;
    assert_eq!(played["status"], "requires_confirmation");
    let paid = sim.post(&format!("/v1/payment_intents/{}/confirm", id(&intent)), &[]).await.ok();
    assert_eq!(paid["status"], "succeeded");
}

#[tokio::test]
async fn a_payment_that_may_redirect_needs_a_way_back() {
    let sim = Sim::start().await;
    let base = [
        ("amount", "500"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
    ];
    for (more, status) in [
        (vec![], 400),
        (vec![("automatic_payment_methods[enabled]", "true")], 400),
        (vec![("return_url", "https://example.com")], 200),
        (
            vec![
                ("automatic_payment_methods[enabled]", "true"),
                ("automatic_payment_methods[allow_redirects]", "never"),
            ],
            200,
        ),
        (vec![("payment_method_types[0]", "card")], 200),
        (vec![("allowed_payment_method_types[0]", "card")], 200),
        (
            vec![("allowed_payment_method_types[0]", "card"), ("payment_method_types[0]", "card")],
            400,
        ),
        (
            vec![
                ("payment_method_types[0]", "card"),
                ("automatic_payment_methods[enabled]", "true"),
            ],
            400,
        ),
    ] {
        let reply = sim.post("/v1/payment_intents", &[base.to_vec(), more.clone()].concat()).await;
        assert_eq!(reply.status, status, "{more:?}: {:#}", reply.body);
    }
}

#[tokio::test]
async fn setup_intents_have_a_life_too() {
    let sim = Sim::start().await;
    let intent = sim.post("/v1/setup_intents", &[("payment_method_types[]", "card")]).await.ok();
    assert_eq!(intent["status"], "requires_payment_method");
    let path = format!("/v1/setup_intents/{}", id(&intent));
    let done =
        sim.post(&format!("{path}/confirm"), &[("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!(done["status"], "succeeded");
    for action in ["confirm", "cancel"] {
        let error = sim.post(&format!("{path}/{action}"), &[]).await.error(400);
        assert_eq!(error["code"], "setup_intent_unexpected_state", "{action}");
    }
    let second = sim.post("/v1/setup_intents", &[]).await.ok();
    let canceled = sim.post(&format!("/v1/setup_intents/{}/cancel", id(&second)), &[]).await.ok();
    assert_eq!(canceled["status"], "canceled");
    let list = sim.get("/v1/setup_intents").await.ok();
    assert_eq!((&list["data"][0]["id"], &list["data"][1]["id"]), (&second["id"], &intent["id"]));
    assert_eq!(
        sim.get("/v1/setup_intents/seti_x").await.error(404)["message"],
        "No such setupintent: 'seti_x'"
    );
    assert_eq!(
        sim.events().await,
        [
            "setup_intent.created",
            "setup_intent.succeeded",
            "setup_intent.created",
            "setup_intent.canceled"
        ]
    );
}
