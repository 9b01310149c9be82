//! State survives a restart; the process ends cleanly.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use stripe_sim::Options;

use crate::harness::{PAY, Sim, id, text};

#[tokio::test]
async fn everything_that_matters_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options { state_dir: Some(dir.path().to_owned()), ..Options::default() };
    let sim = Sim::start_with(options()).await;
    let customer = sim.customer().await;
    let method = sim.method("4242424242424242", "123").await;
    let used = sim.method("4242424242424242", "123").await;
    sim.pay(&used, &[]).await.ok();
    let form = [&PAY[..], &[("customer", customer.as_str()), ("metadata[a]", "b")]].concat();
    let intent = sim.post_keyed("/v1/payment_intents", &form, "k1").await.ok();
    let paid = sim.pay("pm_card_visa", &[]).await.ok();
    let refund = sim.post("/v1/refunds", &[("payment_intent", &id(&paid))]).await.ok();
    sim.play("disputes", json!({"payment_intent": id(&intent)})).await;
    let disputes = sim.get("/v1/disputes").await.ok();
    let waiting = sim.pay_by("4000002760003184").await.ok();
    let setup = sim.set_up(&sim.method("4000002760003184", "123").await, &[]).await.ok();
    let events = sim.events().await;
    let totals = sim.totals().await;
    sim.handle.shutdown().await;

    let sim = Sim::start_with(options()).await;
    assert_eq!(sim.get(&format!("/v1/payment_intents/{}", id(&intent))).await.ok(), intent);
    assert_eq!(sim.get("/v1/refunds").await.ok()["data"], json!([refund]));
    assert_eq!(sim.get("/v1/disputes").await.ok(), disputes);
    assert_eq!(sim.get(&format!("/v1/customers/{customer}")).await.ok()["id"], json!(customer));
    assert_eq!((sim.events().await, sim.totals().await), (events, totals));
    let again = sim.post_keyed("/v1/payment_intents", &form, "k1").await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &intent));
    assert_eq!(sim.pay(&used, &[]).await.error(400)["type"], "invalid_request_error");
    let thief = sim.method("4242424242424242", "999").await;
    assert_eq!(sim.pay(&thief, &[]).await.error(402)["code"], "incorrect_cvc");
    assert_eq!(sim.pay(&method, &[]).await.ok()["status"], "succeeded");
    for (kind, waits) in [("payment_intent", waiting), ("setup_intent", setup)] {
        let done = sim.play("authenticate", json!({kind: id(&waits), "outcome": "succeed"})).await;
        assert_eq!(done["status"], "succeeded", "{kind}");
    }
}

/// Where a process that has just been started listens, as its log says.
fn address(process: &mut Child) -> String {
    let log = BufReader::new(process.stderr.take().unwrap());
    let mut lines = log.lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("listening")).expect("it does not listen");
    // Whoever does not read on stops the process from writing.
    std::thread::spawn(move || lines.for_each(drop));
    line.rsplit_once("address=").unwrap().1.trim().to_owned()
}

#[tokio::test]
async fn the_process_ends_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut customers = Vec::new();
    for signal in ["-TERM", "-INT"] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_stripe-sim"))
            .env("STRIPE_SIM_LISTEN", "127.0.0.1:0")
            .env("STRIPE_SIM_STATE_DIR", dir.path())
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let base = format!("http://{}/v1/customers", address(&mut process));
        let client = reqwest::Client::new();
        let created = client.post(&base).bearer_auth("sk_test_1").send().await.unwrap();
        customers.insert(0, text(&created.json().await.unwrap(), "id"));
        let list = client.get(&base).bearer_auth("sk_test_1").send().await.unwrap();
        let list: Value = list.json().await.unwrap();
        let kept: Vec<_> = list["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(kept, customers);
        Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        let status = tokio::task::spawn_blocking(move || process.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}
