//! `stripe402 mcp`, by the SDK of MCP for TypeScript: one Node program for many servers.

mod cheated;
mod hostile;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use stripe402_tests::binary;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{cli, lines::Program};

/// A running SDK.
#[derive(Clone)]
pub(crate) struct Sdk(Program);

/// A server of its own, with a credentials file of its own; started with the first step.
pub(crate) struct Server {
    sdk: Sdk,
    number: u32,
    arguments: Vec<String>,
    dir: TempDir,
}

static SERVERS: AtomicU32 = AtomicU32::new(0);

impl Sdk {
    pub(crate) fn start() -> Self {
        let mut node = Command::new("node");
        node.arg("mcp.mjs").current_dir(binary::workspace().join("tests/sdks"));
        Self(Program::start(node))
    }

    /// `stripe402 mcp` with these arguments.
    pub(crate) fn server(&self, arguments: &[&str]) -> Server {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let arguments = ["mcp"].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
        Server { sdk: self.clone(), number, arguments, dir: tempfile::tempdir().unwrap() }
    }
}

impl Server {
    /// `{calls?, list?}` becomes `{results, tools, about, errors, log}`.
    pub(crate) async fn step(&self, mut step: Value) -> Value {
        let file = self.dir.path().join("credentials.json");
        let fields = step.as_object_mut().unwrap();
        fields.insert("server".to_owned(), json!(self.number));
        fields.insert("program".to_owned(), json!(cli::program()));
        fields.insert("arguments".to_owned(), json!(self.arguments));
        fields.insert("env".to_owned(), json!({"STRIPE402_CREDENTIALS": file, "NO_PROXY": "*"}));
        let told = self.sdk.0.step(&step).await;
        // The log is for a person.
        let seen = ["results", "tools", "about", "errors"].map(|name| told[name].to_string());
        self.is_not_secret(&seen.concat());
        told
    }

    /// Calls of tools, all at once: what each answers as JSON, the same in both of its places.
    pub(crate) async fn calls(&self, calls: Value) -> Vec<Value> {
        let told = self.step(json!({"calls": calls})).await;
        assert_eq!(told["errors"], json!([]), "standard output is MCP's alone: {told}");
        told["results"].as_array().unwrap().iter().map(structured).collect()
    }

    pub(crate) async fn call(&self, name: &str, arguments: Value) -> Value {
        self.calls(json!([{"name": name, "arguments": arguments}])).await.remove(0)
    }

    /// What is kept of an origin.
    pub(crate) fn known(&self, url: &str) -> Value {
        let url: reqwest::Url = url.parse().unwrap();
        self.kept()["origins"][url.origin().ascii_serialization()].clone()
    }

    fn kept(&self) -> Value {
        let file = std::fs::read(self.dir.path().join("credentials.json"));
        file.map_or(Value::Null, |file| serde_json::from_slice(&file).unwrap())
    }

    /// No card, no client id, and nothing of Stripe's reaches an agent, whatever it asks for.
    fn is_not_secret(&self, said: &str) {
        let kept = self.kept();
        let ids =
            kept["origins"].as_object().into_iter().flatten().map(|(_, known)| &known["clientId"]);
        let bound = kept["bound"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let secrets =
            ids.filter_map(Value::as_str).chain(bound).chain(["pm_", "pk_test", "pi_", "_secret"]);
        for secret in secrets {
            assert!(!said.contains(secret), "{secret} is told: {said}");
        }
    }
}

fn structured(result: &Value) -> Value {
    let told = &result["structuredContent"];
    let text: Value = serde_json::from_str(
        result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}")),
    )
    .unwrap();
    assert_eq!(text, *told, "{result}");
    assert_eq!(result["isError"] == true, !told["error"].is_null(), "{result}");
    told.clone()
}

/// The scenarios of every adapter, by `fetch_paid`.
pub(crate) struct Payer(Server);

impl Payer {
    pub(crate) fn new(sdk: &Sdk, settings: &Value) -> Self {
        let flags = cli::flags(settings);
        Self(sdk.server(&flags.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        let fetch = |call: &Value| {
            let mut arguments = call.clone();
            // A body is whole here.
            arguments.as_object_mut().unwrap().remove("stream");
            json!({"name": "fetch_paid", "arguments": arguments})
        };
        let answers = self.0.calls(calls.iter().map(fetch).collect()).await;
        calls.iter().zip(answers).map(|(call, answer)| self.understood(call, answer)).collect()
    }

    /// In the words of the others. An agent is not told who pays; the scenarios want to know.
    fn understood(&self, call: &Value, mut answer: Value) -> Value {
        let known = self.0.known(call["url"].as_str().unwrap());
        if answer["error"]["reason"] == "authentication_required" {
            answer["error"]["paymentIntentId"] = known["pending"]["paymentIntent"].clone();
        }
        if let Some(receipt) = answer["receipt"].as_object() {
            assert!(receipt["text"].as_str().unwrap().starts_with("paid"), "{answer}");
            answer["paid"] = json!({
                "creditsRemaining": receipt["left"], "charged": receipt.get("charged"),
                "clientId": known["clientId"],
            });
        }
        answer
    }
}
