//! Shared Payment Tokens: limits, one use, and what needs a preview version.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Form, Reply, Sim, id, text};

const PREVIEW: &str = "2026-04-22.preview";
const TOKENS: &str = "/v1/test_helpers/shared_payment/granted_tokens";
const DEACTIVATED: &str =
    "The shared payment granted token cannot be used because it is already in a deactivated state.";
const LIMITS: [(&str, &str); 3] = [
    ("payment_method", "pm_card_visa"),
    ("usage_limits[currency]", "usd"),
    ("usage_limits[max_amount]", "500"),
];

async fn post_as(sim: &Sim, version: &str, path: &str, form: Form<'_>) -> Reply {
    let request = sim.request(Method::POST, path).bearer_auth(&sim.key).form(form);
    sim.send(request.header("Stripe-Version", version)).await
}

async fn post(sim: &Sim, path: &str, form: Form<'_>) -> Reply {
    post_as(sim, PREVIEW, path, form).await
}

async fn get(sim: &Sim, token: &str) -> Reply {
    let path = format!("/v1/shared_payment/granted_tokens/{token}");
    let request = sim.request(Method::GET, &path).bearer_auth(&sim.key);
    sim.send(request.header("Stripe-Version", PREVIEW)).await
}

async fn token(sim: &Sim, more: Form<'_>) -> String {
    let mut form: Vec<_> =
        LIMITS.into_iter().filter(|(key, _)| more.iter().all(|(of, _)| of != key)).collect();
    form.extend_from_slice(more);
    id(&post(sim, TOKENS, &form).await.ok())
}

async fn charge(sim: &Sim, token: &str, more: Form<'_>) -> Reply {
    let mut form =
        vec![("confirm", "true"), ("payment_method_data[shared_payment_granted_token]", token)];
    for (key, usual) in [("amount", "500"), ("currency", "usd")] {
        if more.iter().all(|(of, _)| *of != key) {
            form.push((key, usual));
        }
    }
    form.extend_from_slice(more);
    post(sim, "/v1/payment_intents", &form).await
}

#[tokio::test]
async fn a_token_shows_its_card_and_pays_once() {
    let sim = Sim::start().await;
    let token = token(&sim, &[("shared_metadata[a]", "b")]).await;
    let shown = get(&sim, &token).await.ok();
    assert_eq!(shown["object"], "shared_payment.granted_token");
    assert_eq!(shown["shared_metadata"], json!({"a": "b"}));
    assert_eq!(shown["usage_limits"]["max_amount"], 500);
    assert_eq!(shown["deactivated_reason"], Value::Null);
    let card = &shown["payment_method_details"]["card"];
    let known = sim.get("/v1/payment_methods/pm_card_visa").await.ok();
    assert_eq!(card["fingerprint"], known["card"]["fingerprint"]);
    assert_eq!(card["last4"], "4242");

    // Below its limit, and used up all the same.
    let intent = charge(&sim, &token, &[("amount", "400")]).await.ok();
    assert_eq!((&intent["status"], &intent["amount_received"]), (&json!("succeeded"), &json!(400)));
    assert!(text(&intent, "payment_method").starts_with("pm_"));
    let used = get(&sim, &token).await.ok();
    assert_eq!(used["deactivated_reason"], "consumed");
    assert_eq!(used["usage_details"]["amount_captured"]["value"], 400);
    let again = charge(&sim, &token, &[("amount", "100")]).await.error(400);
    assert_eq!((&again["message"], &again["code"]), (&json!(DEACTIVATED), &Value::Null));
    assert_eq!(sim.get("/_sim/totals").await.ok()["usd"]["charged"], 400);
}

#[tokio::test]
async fn each_limit_has_its_refusal() {
    let sim = Sim::start().await;
    let of = token(&sim, &[]).await;
    for (more, said) in [
        ([("amount", "501")], "greater than the remaining amount capturable"),
        ([("currency", "eur")], "does not match the currency"),
        ([("setup_future_usage", "off_session")], "cannot be used with a shared payment"),
        ([("payment_method", "pm_card_visa")], "only specify one of these"),
    ] {
        let error = charge(&sim, &of, &more).await.error(400);
        assert!(text(&error, "message").contains(said), "{error:#}");
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["code"], Value::Null);
    }
    let error = charge(&sim, "spt_none", &[]).await.error(404);
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(get(&sim, "spt_none").await.error(404)["code"], "resource_missing");
    charge(&sim, &of, &[]).await.ok();
}

#[tokio::test]
async fn a_revoked_and_an_expired_one_cannot_be_charged() {
    let sim = Sim::start().await;
    let revoked = token(&sim, &[]).await;
    let path = format!("{TOKENS}/{revoked}/revoke");
    assert_eq!(post(&sim, &path, &[]).await.ok()["deactivated_reason"], "revoked");
    assert_eq!(charge(&sim, &revoked, &[]).await.error(400)["message"], DEACTIVATED);
    let now = get(&sim, &revoked).await.ok()["created"].as_i64().unwrap();
    let soon = (now + 2).to_string();
    let expired = token(&sim, &[("usage_limits[expires_at]", &soon)]).await;
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(charge(&sim, &expired, &[]).await.error(400)["message"], DEACTIVATED);
    assert_eq!(get(&sim, &expired).await.ok()["deactivated_reason"], "expired");
    for expires_at in ["1", "99999999999"] {
        let form = [&LIMITS[..], &[("usage_limits[expires_at]", expires_at)]].concat();
        post(&sim, TOKENS, &form).await.error(400);
    }
}

#[tokio::test]
async fn a_declined_card_leaves_its_token_as_it_was() {
    let sim = Sim::start().await;
    let declined = token(&sim, &[("payment_method", "pm_card_visa_chargeDeclined")]).await;
    let error = charge(&sim, &declined, &[]).await.error(402);
    assert_eq!((&error["type"], &error["code"]), (&json!("card_error"), &json!("card_declined")));
    assert_eq!(get(&sim, &declined).await.ok()["deactivated_reason"], Value::Null);
}

#[tokio::test]
async fn only_preview_versions_know_tokens() {
    let sim = Sim::start().await;
    sim.post(TOKENS, &LIMITS).await.error(404);
    let of = token(&sim, &[]).await;
    sim.get(&format!("/v1/shared_payment/granted_tokens/{of}")).await.error(404);
    let form = [
        ("amount", "500"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method_data[shared_payment_granted_token]", of.as_str()),
    ];
    let error = sim.post("/v1/payment_intents", &form).await.error(400);
    assert_eq!(
        error["message"],
        "Received unknown parameter: payment_method_data[shared_payment_granted_token]"
    );
    // At the top, as SDKs send it.
    let form = [
        ("amount", "500"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("shared_payment_granted_token", of.as_str()),
    ];
    assert_eq!(post(&sim, "/v1/payment_intents", &form).await.ok()["status"], "succeeded");
}

/// The mppx command line asks in a later version, and leaves out what that one does not know.
#[tokio::test]
async fn whom_a_token_is_for_is_said_in_early_versions_only() {
    let sim = Sim::start().await;
    let for_us = |network| [&LIMITS[..], &[("seller_details[network_id]", network)]].concat();
    post(&sim, TOKENS, &for_us("profile_test_61")).await.ok();
    let error = post(&sim, TOKENS, &for_us("profile_61")).await.error(400);
    assert!(text(&error, "message").contains("livemode"), "{error:#}");
    let late = post_as(&sim, "2026-07-29.preview", TOKENS, &for_us("profile_test_61")).await;
    let error = late.error(400);
    assert!(text(&error, "message").starts_with("Received unknown parameter"), "{error:#}");
}

#[tokio::test]
async fn a_token_names_who_made_it_and_may_hide_its_card() {
    let mut sim = Sim::start().await;
    let profile = |shown: &Value| shown["agent_details"]["network_business_profile"].clone();
    let one = get(&sim, &token(&sim, &[]).await).await.ok();
    let other = get(&sim, &token(&sim, &[]).await).await.ok();
    assert_eq!(profile(&one), profile(&other));
    sim.key = "sk_test_other".to_owned();
    let elsewhere = token(&sim, &[]).await;
    assert_ne!(profile(&one), profile(&get(&sim, &elsewhere).await.ok()));
    sim.play(&format!("granted_tokens/{elsewhere}/conceal"), json!({})).await;
    assert_eq!(get(&sim, &elsewhere).await.ok()["payment_method_details"], Value::Null);
}
