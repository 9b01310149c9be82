//! The command line: a process per call, and a file between them.

use std::{path::PathBuf, process::Stdio};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use stripe402_tests::binary;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

pub(crate) struct Payer {
    dir: TempDir,
    flags: Vec<String>,
}

/// Flags by the names that policies have in JSON.
const FLAGS: [(&str, &str); 9] = [
    ("paymentMethodId", "--payment-method"),
    ("clientId", "--client-id"),
    ("maxPrice", "--max-price"),
    ("maxCharge", "--max-charge"),
    ("budgetTotal", "--budget"),
    ("budgetPerDay", "--budget-per-day"),
    ("currency", "--currency"),
    ("origins", "--allow-origin"),
    ("topUp", "--top-up"),
];

impl Payer {
    pub(crate) fn new(settings: &Value) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), flags: flags(settings) }
    }

    /// All at once, as far as two cores go.
    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        stream::iter(calls).map(|call| self.call(call)).buffered(8).collect().await
    }

    async fn call(&self, call: &Value) -> Value {
        let mut arguments: Vec<String> = ["curl", "--json", "-L"].map(str::to_owned).to_vec();
        arguments.extend(self.flags.clone());
        arguments.push(call["url"].as_str().unwrap().to_owned());
        if let Some(method) = call["method"].as_str() {
            arguments.extend(["-X".to_owned(), method.to_owned()]);
        }
        for (name, value) in call["headers"].as_object().into_iter().flatten() {
            arguments.extend(["-H".to_owned(), format!("{name}: {}", value.as_str().unwrap())]);
        }
        let body = call["body"].as_str();
        if call["stream"] == true {
            arguments.extend(["-T".to_owned(), "-".to_owned()]);
        } else if body.is_some() {
            arguments.extend(["--data-binary".to_owned(), "@-".to_owned()]);
        }
        let said = self.run(&arguments, body.unwrap_or_default()).await;
        let mut answer: Value =
            serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
        answer["exitCode"] = json!(said.code);
        if answer["error"].is_null() {
            assert_eq!(said.code, 0, "{answer}");
        } else {
            assert!(said.code >= 10, "{answer}");
        }
        answer
    }

    pub(crate) async fn run(&self, arguments: &[String], input: &str) -> Said {
        run(&self.dir.path().join("credentials.json"), arguments, input).await
    }
}

/// A policy as options of the program.
pub(crate) fn flags(settings: &Value) -> Vec<String> {
    let mut flags = Vec::new();
    for (name, value) in settings.as_object().unwrap() {
        let (_, flag) = FLAGS.iter().find(|(known, _)| known == name).unwrap();
        let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
        for value in values {
            let text = value.as_str().map_or(value.to_string(), str::to_owned);
            flags.extend([(*flag).to_owned(), text]);
        }
    }
    flags
}

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) error: String,
    pub(crate) code: i32,
}

/// Beside the other programs.
pub(crate) fn program() -> PathBuf {
    binary::client().unwrap()
}

pub(crate) async fn run(credentials: &std::path::Path, arguments: &[String], input: &str) -> Said {
    let mut child = Command::new(program())
        .args(arguments)
        .env("STRIPE402_CREDENTIALS", credentials)
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        out: text(output.stdout),
        error: text(output.stderr),
        code: output.status.code().unwrap(),
    }
}
