//! Programs in Rust and Node that pay at once from one credentials file.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use stripe402_client::{
    Secret,
    storage::{File, Storage as _},
};
use stripe402_tests::{binary, card, stack::Stack, stack::StackOptions};
use tokio::process::Command;

use crate::cli::{self, Said};

/// Budgets for one card charge: a second one, or one that is counted twice, ends a call.
const BUDGET: &str = "5usd";
const ROUNDS: u32 = 2;

async fn by_command_line(file: &Path, url: &str, card: &str, times: usize) -> Vec<Said> {
    let arguments = ["curl", url, "--payment-method", card, "--budget", BUDGET];
    let arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
    stream::iter(0..times).map(|_| cli::run(file, &arguments, "")).buffered(4).collect().await
}

async fn by_node(file: &Path, url: &str, card: &str, times: &str) -> String {
    let output = Command::new("node")
        .args(["examples/agent.mjs", url, card, times, BUDGET])
        .env("STRIPE402_PURSE", file)
        .current_dir(binary::workspace().join("client/js"))
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn a_budget_is_one_for_all_programs() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let weather = stack.url("/api/weather");
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials.json");
        // All of them come while the first one's charge is under way.
        let slow = json!({"path": "/v1/payment_intents", "action": "latency", "ms": 1_500});
        stack.sim.fault(&slow).await.unwrap();
        let card = stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap();
        let (lines, one, other) = tokio::join!(
            by_command_line(&file, &weather, &card, 12),
            by_node(&file, &weather, &card, "20"),
            by_node(&file, &weather, &card, "20"),
        );
        for said in lines {
            assert_eq!(said.code, 0, "round {round}: {said:?}");
        }
        for said in [one, other] {
            assert!(said.ends_with("20 answers\n"), "round {round}: {said}");
        }
        let purse: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let amounts: Vec<_> =
            purse["charges"].as_array().unwrap().iter().map(|charge| &charge["amount"]).collect();
        assert_eq!(amounts, [50_000], "round {round}: {purse}");
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "nobody leaves a lock behind: {left:?}");
    }
}

/// What one program writes down, another does not undo.
#[tokio::test]
async fn no_change_of_the_file_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let [path, link] = ["credentials.json", "link.json"].map(|name| dir.path().join(name));
    std::fs::write(&path, "{}").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let node = Command::new("node")
        .args(["test/change-purse.mjs", link.to_str().unwrap(), "300"])
        .current_dir(binary::workspace().join("client/js"))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let file = File::new(&path);
    let changes = tokio::task::spawn_blocking(move || {
        for number in 0..300 {
            let by = format!("rust-{number}");
            file.change(&mut |purse| {
                purse.bound.insert(Secret::new(by.clone()), "https://a.example".to_owned());
            })
            .unwrap();
        }
    });
    let (output, changed) = tokio::join!(node.wait_with_output(), changes);
    changed.unwrap();
    assert!(output.unwrap().status.success());
    let purse: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(purse["bound"].as_object().unwrap().len(), 600);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
}
