//! Stripe's own client library for Node finds nothing to complain about.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::Sim;
use crate::webhooks;

/// Runs a program of Node's, and returns what it printed.
#[track_caller]
fn run(program: &str, arguments: &[&str], input: Option<&Path>) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory);
    if let Some(input) = input {
        command.env("STRIPE_SIM_DELIVERIES", input);
    }
    let output = command.output().unwrap_or_else(|error| {
        panic!("this test needs Node.js 20 or newer (`node` and `npm` on the PATH), and `{program}` cannot be run: {error}")
    });
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "`{program} {}` failed:\n{printed}", arguments.join(" "));
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_library_works() {
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    if !node.join("node_modules/stripe/package.json").exists() {
        tokio::task::spawn_blocking(|| run("npm", &["ci", "--ignore-scripts"], None))
            .await
            .unwrap();
    }
    let sim = Sim::start().await;
    let (url, mut deliveries) = webhooks::endpoint(vec![]).await;
    sim.play("webhook", json!({"url": url, "secret": "whsec_test"})).await;
    sim.pay_with("pm_card_visa").await.ok();
    let (signature, payload) = deliveries.recv().await.unwrap();
    sim.play("webhook", json!({})).await;
    let directory = tempfile::tempdir().unwrap();
    let delivery = directory.path().join("delivery.json");
    let told = json!({"signature": signature, "payload": payload, "secret": "whsec_test"});
    std::fs::write(&delivery, told.to_string()).unwrap();
    let port = sim.handle.address().port().to_string();
    let printed =
        tokio::task::spawn_blocking(move || run("node", &["drive.mjs", &port], Some(&delivery)))
            .await
            .unwrap();
    assert!(printed.contains("all checked"), "{printed}");
}
