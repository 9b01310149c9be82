//! A wrong configuration stops the start, and says which field.

use std::process::Command;

use serde_json::{Value, json};
use stripe402_tests::{
    binary, envoy,
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
};

fn refused_by_envoy(change: impl FnOnce(&mut Value)) -> String {
    let mut config = EnvoyConfig::shipped().unwrap();
    change(config.filter().unwrap());
    envoy::validate(&config.to_yaml().unwrap()).expect_err("Envoy took it")
}

#[test]
fn envoy_refuses_to_start_and_names_the_field() {
    for (pointer, value, named) in [
        ("/prices", json!(1), "prices: unknown field; known fields:"),
        ("/publishable_key", json!("sk_test_x"), "publishable_key: must be a publishable key"),
        ("/currency", json!("usd1"), "currency: must be the lowercase code"),
        ("/min_top_up", json!(4_999), "min_top_up: must be at least 5000 units"),
        ("/ledger/timeout", json!(1), "ledger.timeout: must be a duration"),
        ("/routes/1/price", json!(0), "routes[1].price: must be a whole number of units above 0"),
        ("/routes/1/price", json!(-500), "routes[1].price: must be"),
        ("/routes/1/price", json!("500"), "routes[1].price: must be"),
        ("/routes/1/price", json!(0.5), "routes[1].price: must be"),
        ("/routes/1/min_top_up", json!(100), "routes[1].min_top_up: must be at least 5000 units"),
        ("/routes/1/pryce", json!(500), "routes[1].pryce: unknown field; known fields:"),
        ("/routes/1/price", json!("$0.05"), "without quotes; $0.05 are 500"),
        ("/routes/2/path", json!("/API/Weather/"), "routes[2]: has the same path"),
        ("/ledger/token_env", json!("NOT_SET"), "ledger.token_env: NOT_SET is not set"),
        ("/limits", json!({"batch": 5_000}), "limits.batch: must be between 2 and 1024"),
        ("/limits", json!({"source_shares": 2_000}), "limits.source_shares: must be between 1 and"),
    ] {
        let said = refused_by_envoy(|filter| {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            filter.pointer_mut(parent).unwrap()[field] = value.clone();
        });
        assert!(said.contains(named), "{pointer} = {value}: {said}");
    }
}

/// Which Envoy it is decides whether the gate can start at all; this one is new enough.
#[tokio::test]
async fn the_gate_asks_which_envoy_it_runs_on() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let log = std::fs::read_to_string(stack.dir().join("envoy.log")).unwrap();
    assert!(log.contains("configured: 6 rules, on Envoy 1."), "{log}");
}

fn ledger(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(binary::ledger().unwrap())
        .arg("serve")
        .env_clear()
        .envs([
            ("LEDGER_TOKEN", "0123456789abcdef"),
            ("SERVER_SECRET", "0123456789abcdef"),
            ("STRIPE_SECRET_KEY", "sk_test_x"),
            // Any: at the usual ones somebody's `make run` may be.
            ("LEDGER_LISTEN", "127.0.0.1:0"),
            ("LEDGER_ADMIN_LISTEN", "127.0.0.1:0"),
        ])
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_ledger_refuses_to_start_and_names_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.toml");
    std::fs::write(&file, "listn = '127.0.0.1:1'").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let store = format!("file:{}", folder.path().join("x.redb").display());
    for (name, value, named) in [
        ("LEDGER_TOKEN", "", "token: is missing; set LEDGER_TOKEN"),
        ("LEDGER_TOKEN", "short", "token: each must have at least 16 characters"),
        ("SERVER_SECRET", "short", "server_secret: each must have at least 16 characters"),
        ("STRIPE_SECRET_KEY", "pk_test_x", "stripe_secret_key: must be a secret"),
        ("STRIPE_API_BASE", "localhost", "stripe_api_base: must begin with https://"),
        ("LEDGER_STORE", "mysql://root:hunter2@db", "\"mysql\" is not a kind of store"),
        ("LEDGER_CHARGE_MEMORY", "1h", "charge_memory: must be at least 2h"),
        ("STRIPE_TIMEOUT", "soon", "is not a duration: write"),
        ("LEDGER_CONFIG", file.to_str().unwrap(), "unknown field `listn`"),
        ("LEDGER_LISTEN", &address, "listen: cannot listen on"),
        ("LEDGER_ADMIN_LISTEN", &address, "admin_listen: cannot listen on"),
    ] {
        let (code, said) = ledger(&[("LEDGER_STORE", &store), (name, value)]);
        assert!(code.is_some_and(|code| code != 0), "{name}: ended with {code:?}");
        assert!(said.contains(named), "{name}={value}: {said}");
    }
}

#[test]
fn secrets_are_in_no_message() {
    let (_, said) = ledger(&[("LEDGER_STORE", "mysql://root:hunter2@db")]);
    assert!(said.contains("mysql"), "{said}");
    let (_, said) = ledger(&[("STRIPE_SECRET_KEY", "sk-hunter2")]);
    assert!(!said.contains("hunter2"), "{said}");
}
