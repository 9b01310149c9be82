//! The ledger's commands for operators, run as they would run them.

mod absent;
mod exits;

use std::process::Command;

use serde_json::Value;
use stripe402_tests::{binary, stack::Stack, stripe_sim::SECRET_KEY};

/// What a command said: its exit code, and its JSON (or what it complained of).
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) error: String,
}

/// Runs `stripe402-ledger` on these books, at the stack's Stripe and with its secrets.
pub(crate) fn ledger(stack: &Stack, store: &str, arguments: &[&str]) -> Said {
    let (arguments, store) = ([arguments, &["--json"]].concat(), ["--store", store]);
    let secret = stack.secrets.server_secret.as_str();
    let stripe = stack.sim.url("");
    run(
        &[&arguments[..], &store].concat(),
        &[("SERVER_SECRET", secret), ("STRIPE_API_BASE", &stripe)],
    )
}

/// Runs it with nothing but these arguments, these variables and a key for Stripe.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let output = Command::new(binary::ledger().unwrap())
        .args(arguments)
        .env("STRIPE_SECRET_KEY", SECRET_KEY)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Said {
        code: output.status.code().unwrap(),
        json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}
