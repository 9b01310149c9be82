//! The ledger's commands for operators, run as they would run them.

mod absent;
mod doctor;
mod exits;
mod remote;
mod remote_trouble;

use std::process::Command;

use serde_json::Value;
use stripe402_tests::{binary, stack::Stack, stripe_sim::SECRET_KEY};

/// What a command said: its exit code, and its JSON (or what it complained of).
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) text: String,
    pub(crate) error: String,
}

/// Runs `stripe402-ledger` on these books, at the stack's Stripe and with its secrets.
pub(crate) fn ledger(stack: &Stack, store: &str, arguments: &[&str]) -> Said {
    on_store(stack, store, &[arguments, &["--json"]].concat())
}

/// The same, for people.
pub(crate) fn on_store(stack: &Stack, store: &str, arguments: &[&str]) -> Said {
    let stripe = stack.sim.url("");
    let variables = [
        ("STRIPE_SECRET_KEY", SECRET_KEY),
        ("STRIPE_API_BASE", &*stripe),
        ("SERVER_SECRET", &stack.secrets.server_secret),
    ];
    run(&[arguments, &["--store", store]].concat(), &variables)
}

/// Once the stack's ledger has ended, its books explain every balance and are Stripe's; `store` is its file without.
pub(crate) fn ends_sound(stack: &mut Stack, store: Option<&str>, what: &str) {
    stack.ledger().unwrap().process().stop();
    let file = format!("file:{}", stack.dir().join("ledger.redb").display());
    for command in ["verify", "reconcile"] {
        let said = ledger(stack, store.unwrap_or(&file), &[command]);
        assert_eq!(said.code, 0, "{what}: {command}: {} {}", said.json, said.error);
    }
}

/// Asks the stack's ledger instead, which has the secrets.
pub(crate) fn on_ledger(stack: &Stack, arguments: &[&str]) -> Said {
    let url = stack.ledgers[0].admin_url("");
    let token = ("LEDGER_ADMIN_TOKEN", stack.ledgers[0].admin_token());
    run(&[arguments, &["--url", &url]].concat(), &[token])
}

/// Runs it with nothing but these arguments and these variables.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let output = Command::new(binary::ledger().unwrap())
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap(),
        json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        text: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}
