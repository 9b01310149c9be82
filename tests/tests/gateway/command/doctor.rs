//! `doctor`, at the stand-in and on real stores: what is wrong is told, and no secret is.

use std::{collections::BTreeMap, process::Command};

use serde_json::json;
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
    stripe_sim::SECRET_KEY,
};

use super::{Said, run};
use crate::answer::paid_client;

/// A ledger with a charge in its books, in a Redis, and its settings.
struct Patient {
    redis: Redis,
    stack: Stack,
    settings: BTreeMap<&'static str, String>,
}

impl Patient {
    async fn new() -> Self {
        let redis = Redis::start().await.unwrap();
        let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
        paid_client(&stack).await;
        let settings = BTreeMap::from([
            ("LEDGER_STORE", redis.url()),
            ("LEDGER_TOKEN", stack.secrets.ledger_token.clone()),
            ("LEDGER_ADMIN_TOKEN", format!("alice:{}", stack.secrets.admin_token)),
            ("SERVER_SECRET", stack.secrets.server_secret.clone()),
            ("STRIPE_SECRET_KEY", SECRET_KEY.to_owned()),
            ("STRIPE_API_BASE", stack.sim.url("")),
            ("STRIPE_WEBHOOK_SECRET", stack.secrets.webhook_secret.clone()),
        ]);
        Self { redis, stack, settings }
    }

    fn asked(&self, more: &[(&'static str, &str)], arguments: &[&str]) -> Said {
        let mut settings = self.settings.clone();
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let pairs: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let said = run(&[&["doctor"], arguments].concat(), &pairs);
        let secret = ["TOKEN", "SECRET", "KEY"];
        for (name, value) in pairs {
            if !value.is_empty() && secret.iter().any(|part| name.contains(part)) {
                let value = value.trim_start_matches("alice:");
                let shown = said.text.contains(value) || said.error.contains(value);
                assert!(!shown, "{name} is shown: {} {}", said.text, said.error);
            }
        }
        said
    }

    /// The exit code, and what was found by the name of its check.
    fn found(&self, more: &[(&'static str, &str)]) -> (i32, BTreeMap<String, (String, String)>) {
        let said = self.asked(more, &["--json"]);
        let checks = said.json["checks"].as_array().unwrap_or_else(|| panic!("{}", said.error));
        let checks = checks.iter().map(|check| {
            let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
            let needs_mending = check["status"] != "ok";
            assert_eq!(check.get("mend").is_some(), needs_mending, "{check}");
            (text("check"), (text("status"), text("finding")))
        });
        (said.code, checks.collect())
    }

    /// One check has this status, and says that; the command ends with this code.
    fn tells(
        &self,
        more: &[(&'static str, &str)],
        code: i32,
        name: &str,
        status: &str,
        words: &str,
    ) {
        let (ended, found) = self.found(more);
        let (told, finding) = found.get(name).unwrap_or_else(|| panic!("no {name}: {found:?}"));
        assert_eq!(told, status, "{name}: {finding}");
        assert!(finding.contains(words), "{name}: {finding}");
        assert_eq!(ended, code, "{found:?}");
    }
}

#[tokio::test]
async fn a_sound_ledger_passes_and_nothing_is_written() {
    let patient = Patient::new().await;
    let writes = async || {
        let calls = patient.stack.sim.calls("/v1").await.unwrap();
        calls.iter().filter(|call| call.method != "GET").count()
    };
    let before = writes().await;
    let (code, found) = patient.found(&[]);
    assert_eq!(code, 0, "{found:?}");
    // The stand-in sends its events to this machine: in test mode that is to be looked at, and no more.
    let not_ok: Vec<_> = found.iter().filter(|(_, (status, _))| status != "ok").collect();
    assert_eq!(not_ok.len(), 1, "{not_ok:?}");
    assert!(found["webhook"].1.contains("without TLS"), "{found:?}");
    for name in ["Stripe key", "Stripe rights", "clock", "store", "durability", "books"] {
        assert_eq!(found[name].0, "ok", "{name}: {found:?}");
    }
    for name in ["LEDGER_TOKEN", "LEDGER_ADMIN_TOKEN", "SERVER_SECRET", "addresses"] {
        assert_eq!(found[name].0, "ok", "{name}: {found:?}");
    }
    assert_eq!(writes().await, before);
    // For people: a table, and how to mend what is not well.
    let said = patient.asked(&[], &[]);
    for words in ["Stripe rights", "writing is not tried", "webhook: give the endpoint", "0 failed"]
    {
        assert!(said.text.contains(words), "{words}: {}", said.text);
    }
}

#[tokio::test]
async fn what_is_wrong_at_stripe_is_told() {
    let patient = Patient::new().await;
    let other_mode = "a similar object exists in test mode";
    patient.tells(&[("STRIPE_SECRET_KEY", "rk_live_standin")], 1, "books", "fail", other_mode);
    let every_right = "a secret key with every right, live mode";
    patient.tells(
        &[("STRIPE_SECRET_KEY", "sk_live_standin")],
        1,
        "Stripe key",
        "warn",
        every_right,
    );
    let not_taken = "Stripe does not take it";
    patient.tells(&[("STRIPE_SECRET_KEY", "sk_live_other")], 1, "Stripe key", "fail", not_taken);
    let nobody = "http://127.0.0.1:1";
    patient.tells(&[("STRIPE_API_BASE", nobody)], 1, "Stripe key", "fail", "does not answer");
    patient.tells(&[("STRIPE_WEBHOOK_SECRET", "")], 0, "webhook", "warn", "is not set");
    patient.tells(&[("STRIPE_WEBHOOK_SECRET", "whoops")], 1, "webhook", "fail", "none of Stripe's");

    let sim = &patient.stack.sim;
    for (ahead, words) in [(600, "behind Stripe's"), (-600, "ahead of Stripe's")] {
        sim.control("date", &json!({"ahead": ahead})).await.unwrap();
        patient.tells(&[], 1, "clock", "fail", words);
    }
    sim.control("date", &json!({"ahead": 0})).await.unwrap();

    let restricted = [("STRIPE_SECRET_KEY", "rk_test_few")];
    for path in ["/v1/disputes", "/v1/webhook_endpoints"] {
        let rule = json!({"path": path, "action": "status", "status": 403, "times": 0});
        sim.fault(&rule).await.unwrap();
    }
    patient.tells(&restricted, 1, "Stripe rights", "fail", "may not read Disputes");
    patient.tells(&restricted, 1, "webhook", "warn", "does not list endpoints to this key");
    sim.clear_faults().await.unwrap();
    patient.tells(&restricted, 0, "Stripe key", "ok", "a restricted key, test mode");
    // A Stripe that is silent holds doctor up for no longer than its time-out.
    sim.fault(&json!({"action": "latency", "ms": 60_000, "times": 0})).await.unwrap();
    let began = std::time::Instant::now();
    let silent = [("STRIPE_TIMEOUT", "500ms")];
    patient.tells(&silent, 1, "Stripe key", "fail", "does not answer");
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_wrong_with_the_store_is_told() {
    let patient = Patient::new().await;
    let set = |name: &str, value: &str| {
        let port = patient.redis.port().to_string();
        let arguments = ["-p", &port, "config", "set", name, value];
        assert!(Command::new("redis-cli").args(arguments).output().unwrap().status.success());
    };
    set("appendfsync", "everysec");
    patient.tells(&[], 0, "durability", "warn", "everysec");
    set("maxmemory-policy", "allkeys-lru");
    patient.tells(&[], 1, "durability", "fail", "allkeys-lru");
    set("appendonly", "no");
    patient.tells(&[], 1, "durability", "fail", "appendonly is no");
    let nobody = [("LEDGER_STORE", "redis://127.0.0.1:1")];
    patient.tells(&nobody, 1, "store", "fail", "cannot be reached");
    patient.tells(&nobody, 1, "books", "fail", "cannot be read");

    let postgres = Postgres::start().await.unwrap();
    let url = postgres.url();
    let there = [("LEDGER_STORE", url.as_str())];
    let psql = |statement: &str| {
        let output = Command::new("psql").args([&url, "-Atc", statement]).output();
        output.unwrap().status.success()
    };
    // A server that takes connections may still be starting.
    let began = std::time::Instant::now();
    while !psql("SELECT 1") {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "PostgreSQL does not start");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    patient.tells(&there, 0, "durability", "ok", "synchronous_commit is on");
    patient.tells(&there, 0, "books", "ok", "none yet");
    assert!(psql("ALTER DATABASE postgres SET synchronous_commit = off"));
    patient.tells(&there, 1, "durability", "fail", "synchronous_commit is off");

    let dir = tempfile::tempdir().unwrap();
    let file = format!("file:{}", dir.path().join("nowhere/ledger.redb").display());
    patient.tells(&[("LEDGER_STORE", file.as_str())], 1, "store", "fail", "cannot be used");
}

#[tokio::test]
async fn weak_secrets_and_open_addresses_are_told() {
    let patient = Patient::new().await;
    let repeated = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    patient.tells(&[("LEDGER_TOKEN", repeated)], 1, "LEDGER_TOKEN", "fail", "weak");
    let example = "replace-with-openssl-rand-hex-32";
    patient.tells(&[("SERVER_SECRET", example)], 1, "SERVER_SECRET", "fail", "placeholder");
    let short = "9b1f44d2c07ae358";
    patient.tells(&[("LEDGER_TOKEN", short)], 0, "LEDGER_TOKEN", "warn", "short");
    let same = patient.settings["SERVER_SECRET"].clone();
    patient.tells(&[("LEDGER_TOKEN", same.as_str())], 1, "secrets", "fail", "are the same");
    let open = [("LEDGER_LISTEN", "0.0.0.0:8402")];
    patient.tells(&open, 0, "addresses", "warn", "LEDGER_LISTEN=0.0.0.0:8402");
    // What the ledger would not start with is a wrong setting, as for every command.
    let said = patient.asked(&[("LEDGER_TOKEN", "short")], &[]);
    assert_eq!(said.code, 2, "{}", said.error);
    assert!(said.error.contains("at least 16 characters"), "{}", said.error);
}
