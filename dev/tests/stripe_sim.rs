//! The handle of Stripe's stand-in against the stand-in itself.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this file is a test, its helpers too"
)]

use serde_json::json;
use stripe402_dev::ports;
use stripe402_dev::stripe_sim::{StripeSim, StripeSimOptions, Totals};
use tempfile::TempDir;

async fn start() -> (StripeSim, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = StripeSimOptions {
        port: ports::free().unwrap(),
        state_dir: dir.path().join("state"),
        webhook_url: format!("http://{}/", ports::local(ports::free().unwrap())),
        webhook_secret: "whsec_test".to_owned(),
        log: dir.path().join("stripe-sim.log"),
    };
    (StripeSim::start(&options).await.unwrap(), dir)
}

async fn charge(sim: &StripeSim, card: &str) -> serde_json::Value {
    let form = [
        ("amount", "500"),
        ("currency", "usd"),
        ("payment_method", card),
        ("confirm", "true"),
        ("allowed_payment_method_types[0]", "card"),
    ];
    sim.api_post("/v1/payment_intents", &form).await.unwrap()
}

#[tokio::test]
async fn a_payment_shows_in_calls_and_totals_and_survives_a_restart() {
    let (mut sim, _dir) = start().await;
    let card = sim.fresh_card().await.unwrap();
    let intent = charge(&sim, &card).await;
    assert_eq!(intent["status"], json!("succeeded"));
    let calls = sim.calls("/v1/payment_intents").await.unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].method.as_str(), calls[0].status, calls[0].replayed),
        ("POST", Some(200), false)
    );

    sim.process().kill9();
    sim.restart().await.unwrap();
    assert_eq!(sim.totals("usd").await.unwrap(), Totals { charged: 500, refunded: 0, disputed: 0 });
    let id = intent["id"].as_str().unwrap();
    assert_eq!(
        sim.api_get(&format!("/v1/payment_intents/{id}")).await.unwrap()["status"],
        json!("succeeded")
    );
}

#[tokio::test]
async fn a_fault_strikes_once_and_can_be_taken_back() {
    let (sim, _dir) = start().await;
    let rule = json!({"path": "/v1/payment_methods", "action": "status", "status": 500});
    sim.fault(&rule).await.unwrap();
    assert!(sim.fresh_card().await.is_err());
    assert!(sim.fresh_card().await.is_ok());
    sim.fault(&rule).await.unwrap();
    sim.clear_faults().await.unwrap();
    assert!(sim.fresh_card().await.is_ok());
}

#[tokio::test]
async fn a_card_that_wants_its_holder_waits_for_the_holder() {
    let (sim, _dir) = start().await;
    let card = sim.payment_method("4000002760003184", "123").await.unwrap();
    let intent = charge(&sim, &card).await;
    assert_eq!(intent["status"], json!("requires_action"));
    let id = intent["id"].as_str().unwrap();
    assert_eq!(sim.authenticate(id, true).await.unwrap()["status"], json!("succeeded"));
}
