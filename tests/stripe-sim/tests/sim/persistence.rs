//! State survives a restart; the process ends cleanly.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stripe_sim::Options;

use crate::harness::{Sim, id, text};

#[tokio::test]
async fn everything_that_matters_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { state_dir: Some(dir.path().to_owned()), ..Options::default() };
    let sim = Sim::start_with(options()).await;
    let customer = sim.customer().await;
    let method = sim.method("4242424242424242", "123").await;
    let used = sim.method("4242424242424242", "123").await;
    sim.pay_with(&used).await.ok();
    let form =
        [("amount", "700"), ("currency", "usd"), ("customer", &customer), ("metadata[a]", "b")];
    let intent = sim.post_keyed("/v1/payment_intents", &form, "k1").await.ok();
    let paid = sim.pay_with("pm_card_visa").await.ok();
    let refund = sim.post("/v1/refunds", &[("payment_intent", &id(&paid))]).await.ok();
    let waiting = sim.pay_with("pm_card_authenticationRequired").await.ok();
    let ahead = sim.play("clock/advance", json!({"seconds": 3600})).await;
    let events = sim.events().await;
    let totals = sim.get("/_sim/totals").await.ok();
    sim.handle.shutdown().await;

    let sim = Sim::start_with(options()).await;
    assert_eq!(sim.get(&format!("/v1/payment_intents/{}", id(&intent))).await.ok(), intent);
    assert_eq!(sim.get(&format!("/v1/refunds/{}", id(&refund))).await.ok(), refund);
    assert_eq!(sim.get(&format!("/v1/customers/{customer}")).await.ok()["id"], json!(customer));
    assert_eq!((sim.events().await, sim.get("/_sim/totals").await.ok()), (events, totals));
    let again = sim.post_keyed("/v1/payment_intents", &form, "k1").await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &intent));
    assert_eq!(sim.pay_with(&used).await.error(400)["type"], "invalid_request_error");
    let thief = sim.method("4242424242424242", "999").await;
    assert_eq!(sim.pay_with(&thief).await.error(402)["code"], "incorrect_cvc");
    assert_eq!(sim.pay_with(&method).await.ok()["status"], "succeeded");
    let search = sim.get("/v1/payment_intents/search?query=metadata[%27a%27]:%27b%27").await.ok();
    assert_eq!(search["data"][0]["id"], intent["id"]);
    let done = sim
        .play("authenticate", json!({"payment_intent": id(&waiting), "outcome": "succeed"}))
        .await;
    assert_eq!(done["status"], "succeeded");
    let now = sim.play("clock/advance", json!({"seconds": 0})).await;
    assert_eq!(now["ahead_seconds"], ahead["ahead_seconds"]);
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_process_ends_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut customers = Vec::new();
    for signal in ["-TERM", "-INT"] {
        let port = free_port();
        let mut process = Command::new(env!("CARGO_BIN_EXE_stripe-sim"))
            .env("STRIPE_SIM_PORT", port.to_string())
            .env("STRIPE_SIM_STATE_DIR", dir.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::new();
        let base = format!("http://127.0.0.1:{port}/v1/customers");
        let until = Instant::now() + Duration::from_secs(10);
        let created: Value = loop {
            match client.post(&base).bearer_auth("sk_test_1").send().await {
                Ok(response) => break response.json().await.unwrap(),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        customers.push(text(&created, "id"));
        let list: Value =
            client.get(&base).bearer_auth("sk_test_1").send().await.unwrap().json().await.unwrap();
        assert_eq!(list["data"].as_array().unwrap().len(), customers.len());
        Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        let status = tokio::task::spawn_blocking(move || process.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}
