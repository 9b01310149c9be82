//! The whole stack as tests use it: what they change is changed, what they do not is as shipped.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of this file is a test, its helpers too"
)]

use std::path::{Path, PathBuf};

use serde_json::json;
use stripe402_tests::run::Settings;
use stripe402_tests::stack::{Stack, StackOptions};
use stripe402_tests::{binary, envoy, envoy_config::EnvoyConfig, ports, wire};

#[test]
fn envoy_accepts_what_is_shipped() {
    let shipped = EnvoyConfig::shipped().unwrap().to_yaml().unwrap();
    assert_eq!(envoy::validate(&shipped), Ok(()));
}

#[tokio::test]
async fn as_shipped_it_sells_the_demo_api() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let asked = stack.get("/api/weather").send().await.unwrap();
    assert_eq!(asked.status(), 402);
    assert_eq!(wire::header(asked.headers(), wire::PAYMENT_REQUIRED).unwrap()["price"], json!(500));
    assert_eq!(stack.upstream.recorder().count(), 0, "the API was asked without payment");

    let card = stack.sim.fresh_card().await.unwrap();
    let paid = stack.pay("/api/weather", &json!({"paymentMethodId": card})).send().await.unwrap();
    assert_eq!(paid.status(), 200);
    let receipt = wire::header(paid.headers(), wire::PAYMENT_RESPONSE).unwrap();
    assert_eq!(receipt["creditsRemaining"], json!(49_500));
    let received = stack.upstream.recorder().last().unwrap();
    assert_eq!(received.header("x-stripe402-client-id"), receipt["clientId"].as_str());
    assert_eq!(received.header(wire::PAYMENT), None, "the API saw the payment");
}

#[tokio::test]
async fn what_a_test_changes_is_changed() {
    let options =
        StackOptions::new().workers(2).filter(|filter| filter["unmatched"] = json!("deny"));
    let mut stack = Stack::start(options).await.unwrap();
    assert_ne!(stack.get("/api/echo").send().await.unwrap().status(), 200);
    assert_eq!(stack.upstream.recorder().count(), 0);
    assert_eq!(stack.envoy.stat("server.concurrency").await.unwrap(), 2);

    stack.ledger().unwrap().process().kill9();
    stack.healthy_ledgers(0).await.unwrap();
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
    stack.envoy.restart().await.unwrap();
    assert_eq!(stack.get("/api/joke").send().await.unwrap().status(), 402);
}

/// The process and those that it came from.
fn ancestry(pid: &str) -> Vec<String> {
    let mut found = vec![pid.to_owned()];
    while let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", found.last().unwrap())) {
        // Behind the name, which may hold anything: the state, then the parent.
        let parent = stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
        found.push(parent);
    }
    found
}

/// `make test` runs while `make run` is up: nothing that a test starts is where that is.
#[tokio::test]
async fn no_part_of_a_test_is_where_make_run_is() {
    let usual = Settings::from_environment(|_| None).unwrap().ports();
    assert_eq!(usual.len(), 8);
    let us = std::process::id().to_string();
    for file in ["envoy/envoy.yaml", "envoy/minimal/envoy.yaml", "envoy/llm/envoy.yaml"] {
        let stack = Stack::start(StackOptions::new().file(file)).await.unwrap();
        for port in &usual {
            let Some(holder) = ports::holder(port.number) else { continue };
            let pid = holder.split("process ").nth(1).unwrap().trim_end_matches(')').to_owned();
            assert!(!ancestry(&pid).contains(&us), "{file}: {holder} is at {}", port.variable);
        }
        drop(stack);
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// And none asks what is there: the only addresses of `make run` in tests are texts of documents and messages.
#[test]
fn no_test_names_a_port_of_make_run() {
    let texts = [
        "client/python.rs",
        "client/readme.rs",
        "deploy/https.rs",
        "deploy/walks.rs",
        "documents.rs",
        "gateway/command/doctor.rs",
        "gateway/command/remote_trouble.rs",
    ];
    let usual = Settings::from_environment(|_| None).unwrap().ports();
    let workspace = binary::workspace();
    let mut files = Vec::new();
    for folder in ["tests/tests", "tests/src", "dev/tests", "ledger-service/tests", "client/tests"]
    {
        sources(&workspace.join(folder), &mut files);
    }
    assert!(files.len() > 150, "{}", files.len());
    for file in files {
        let (text, name) = (std::fs::read_to_string(&file).unwrap(), file.display().to_string());
        // A ledger that is started by hand would listen where ledgers do.
        if text.contains(".arg(\"serve\")") {
            for variable in ["LEDGER_LISTEN", "LEDGER_ADMIN_LISTEN"] {
                assert!(
                    text.contains(&format!("(\"{variable}\", \"127.0.0.1:0\")")),
                    "{name}: {variable}"
                );
            }
        }
        if texts.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        for port in usual.iter().map(|port| port.number) {
            for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
                let address = format!("{host}:{port}");
                assert!(!text.contains(&address), "{name} names {address}");
            }
            assert!(!text.contains(&format!("local({port})")), "{name} is at {port}");
        }
    }
}
