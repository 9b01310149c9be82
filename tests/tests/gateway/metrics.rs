//! What operators see: numbers in Prometheus' form, and a line per request.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stripe402_tests::{
    http,
    stack::{Stack, StackOptions},
};

use crate::answer::{pay, send};

/// A counter, once it is that large: it is handed over once a second.
pub(crate) async fn wait_for(stack: &Stack, name: &str, least: u64) -> u64 {
    let start = Instant::now();
    loop {
        let found = stack.envoy.stat(name).await.unwrap();
        if found >= least || start.elapsed() > Duration::from_secs(5) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn prometheus_gets_counters_and_histograms_with_labels() {
    let stack = Stack::start(StackOptions::new().workers(2)).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let paid = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let client = json!({"clientId": paid["clientId"]});
    for path in ["/api/joke", "/api/joke", "/api/fail"] {
        pay(&stack, path, client.clone()).await;
    }
    send(stack.get("/api/joke")).await.challenge();
    send(stack.get("/api/health")).await;
    pay(&stack, "/api/joke", json!({"clientId": 7})).await.refused();
    let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    pay(&stack, "/api/joke", json!({"paymentMethodId": declined})).await.refused();
    pay(&stack, "/api/joke", json!({"clientId": "unknown"})).await.challenge();
    pay(&stack, "/.well-known/stripe402/balance", client).await;
    assert_eq!(wait_for(&stack, "wasmcustom.stripe402_voided", 1).await, 1);

    let url = stack.envoy.admin_url("/stats/prometheus");
    let mut text = String::new();
    let expected = [
        "stripe402_challenges{} 1",
        "stripe402_paid{} 4",
        "stripe402_free{} 1",
        "stripe402_voided{} 1",
        "stripe402_refused{code=\"invalid_payment\"} 1",
        "stripe402_refused{code=\"card_declined\"} 1",
        "stripe402_refused{code=\"insufficient_credits\"} 1",
        "stripe402_ledger_calls{call=\"card\",result=\"ok\"} 2",
        "stripe402_ledger_calls{call=\"balance\",result=\"ok\"} 1",
        "stripe402_ledger_ms_count{call=\"card\"} 2",
        "stripe402_batch_charges_count{} 4",
    ];
    // Histograms are merged every five seconds.
    for _ in 0..80 {
        text = http::client().unwrap().get(&url).send().await.unwrap().text().await.unwrap();
        if expected.iter().all(|line| text.lines().any(|own| own == *line)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ours: Vec<_> = text.lines().filter(|line| line.contains("stripe402_")).collect();
    for line in expected {
        assert!(ours.contains(&line), "no line  {line}  in\n{}", ours.join("\n"));
    }
}

/// The access log that is shipped tells what became of each payment, by no credential.
#[tokio::test]
async fn access_logs_tell_what_became_of_a_payment() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let paid = pay(&stack, "/api/joke?secret=1", json!({"paymentMethodId": card})).await.receipt();
    let client = paid["clientId"].as_str().unwrap();
    pay(&stack, "/api/fail", json!({"clientId": client})).await;
    send(stack.get("/api/joke")).await.challenge();
    send(stack.get("/api/health")).await;
    let file = stack.dir().join("envoy.log");
    let mut lines = Vec::new();
    for _ in 0..150 {
        let text = std::fs::read_to_string(&file).unwrap();
        lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["path"].is_string())
            .collect();
        if lines.len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let said = |at: usize| lines[at]["stripe402"].as_str().unwrap_or_default();
    assert_eq!(lines[0]["path"], "/api/joke", "without its query");
    let prefix = "outcome=paid route=joke price=100 currency=usd subject=";
    assert!(said(0).starts_with(prefix) && said(0).ends_with(" left=49900"), "{}", said(0));
    assert!(said(1).starts_with("outcome=voided route=fail price=100"), "{}", said(1));
    assert_eq!(said(2), "outcome=challenge");
    assert_eq!(lines[3]["stripe402"], Value::Null, "free");
    let received = stack.upstream.recorder().requests();
    let charge = received[0].header("x-stripe402-charge-id").unwrap();
    assert!(said(0).contains(&format!("charge={charge}")), "the ledger's books know it");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&client[..16]));
}
