//! The quick starts of `client/README.md` and the examples that it names, run.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use serde_json::{Value, json};
use stripe402_client::storage::File;
use stripe402_tests::{
    binary, card,
    stack::{Stack, StackOptions},
};
use tokio::process::Command;

use crate::{cli, python};

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../../client/examples/agent.rs"]
mod agent;
#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../../client/examples/quick_start.rs"]
mod quick_start;

fn readme() -> String {
    std::fs::read_to_string(binary::workspace().join("client/README.md")).unwrap()
}

/// The one block of this language.
fn block(language: &str) -> String {
    let readme = readme();
    let blocks: Vec<&str> = readme.split(&format!("\n```{language}\n")).skip(1).collect();
    assert_eq!(blocks.len(), 1, "{language}");
    blocks[0].split("\n```").next().unwrap().to_owned()
}

async fn fresh(stack: &Stack) -> String {
    stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap()
}

/// As a shell or Node runs it, with addresses that are there.
async fn run(mut command: Command, stack: &Stack, credentials: &Path) -> String {
    let path = format!(
        "{}:{}",
        cli::program().parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = command
        .env("PATH", path)
        .env("STRIPE402_CREDENTIALS", credentials)
        .env("STRIPE402_PURSE", credentials)
        .env("PM", fresh(stack).await)
        .current_dir(binary::workspace().join("client/js"))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn here(text: &str, stack: &Stack) -> String {
    text.replace("http://localhost:10000", stack.url("").trim_end_matches('/'))
        .replace("http://localhost:8405", &stack.sim.url(""))
}

#[tokio::test]
async fn the_three_quick_starts() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();

    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &here(&block("bash"), &stack)]);
    let said = run(shell, &stack, &dir.path().join("shell.json")).await;
    let mut lines = said.lines();
    for shown in here(&block("text"), &stack).lines() {
        let parts: Vec<&str> = shown.split('…').collect();
        let found = lines.any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{said}\nwithout, in its place,\n{shown}");
    }

    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", &here(&block("js"), &stack)]);
    let said = run(node, &stack, &dir.path().join("node.json")).await;
    assert_eq!(said.trim(), "{ conditions: 'Sunny', temp: 72 } 49500");

    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let example = include_str!("../../../client/examples/quick_start.rs");
    let (shown, program) = (words(&block("rust")), words(example));
    assert!(
        program.windows(shown.len()).any(|part| part == shown),
        "another quick start than the README's"
    );
    let card = fresh(&stack).await;
    let left = quick_start::quick_start(&stack.url("/api/weather"), &card).await.unwrap();
    assert_eq!(left.unwrap().get(), 49_500);
}

/// Every option that the configuration for agents has is one.
#[tokio::test]
async fn the_configuration_for_agents() {
    let shown: Value = serde_json::from_str(&block("json")).unwrap();
    let servers = shown["mcpServers"].as_object().unwrap();
    assert_eq!(servers.len(), 2);
    let dir = tempfile::tempdir().unwrap();
    for server in servers.values() {
        assert_eq!((&server["command"], &server["args"][0]), (&json!("stripe402"), &json!("mcp")));
        let arguments = server["args"].as_array().unwrap().iter();
        let arguments = arguments.map(|text| text.as_str().unwrap().to_owned());
        let arguments: Vec<_> = arguments.chain(["--help".to_owned()]).collect();
        let said = cli::run(&dir.path().join("credentials.json"), &arguments, "").await;
        assert_eq!(said.code, 0, "{said:?}");
        // Wrong values are refused, whatever follows.
        let wrong: Vec<_> = arguments.iter().map(|text| text.replace("20usd", "plenty")).collect();
        assert_eq!(cli::run(&dir.path().join("credentials.json"), &wrong, "").await.code, 2);
    }
}

/// With a least top-up of $0.50, $1.00 are twenty answers; the twenty-first would be a third charge.
#[tokio::test]
async fn agents_stop_at_their_budget() {
    let least = |filter: &mut Value| filter["routes"][1]["min_top_up"] = json!(5_000);
    let stack = Stack::start(StackOptions::new().filter(least)).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let weather = stack.url("/api/weather");

    let card = fresh(&stack).await;
    let purse = || File::new(dir.path().join("rust.json"));
    let budget = "1usd".parse().unwrap();
    assert_eq!(agent::agent(&weather, &card, 2, budget, purse()).await.unwrap(), "2 answers");
    let said = agent::agent(&weather, &card, 50, budget, purse()).await.unwrap();
    assert_eq!(said, "19: the budget is spent", "what was spent is remembered");

    let card = fresh(&stack).await;
    let mut node = Command::new("node");
    node.args(["examples/agent.mjs", &weather, &card, "50", "1usd"]);
    let said = run(node, &stack, &dir.path().join("node.json")).await;
    assert_eq!(said.lines().last(), Some("21: the budget is spent"), "{said}");
    let kept = std::fs::metadata(dir.path().join("node.json")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);

    let card = fresh(&stack).await;
    let mut python = Command::new(python::interpreter());
    python.args(["../python/examples/agent.py", &weather, &card, "50", "1usd"]);
    let said = run(python, &stack, &dir.path().join("python.json")).await;
    assert_eq!(said.lines().last(), Some("21: the budget is spent"), "{said}");

    let card = fresh(&stack).await;
    let mut shell = Command::new("bash");
    shell.args(["../examples/agent.sh", &weather, &card, "50", "1usd"]);
    let said = run(shell, &stack, &dir.path().join("shell.json")).await;
    assert_eq!(said.lines().last(), Some("21: the budget is spent"), "{said}");
}
