//! Whether tokens and secrets can be guessed. What is said of one never shows it.

use std::collections::BTreeSet;

use secrecy::ExposeSecret as _;

use super::check::{Check, Status};
use crate::config::Config;

/// What stands in examples, in small letters.
const PLACEHOLDERS: [&str; 8] =
    ["replace", "change", "example", "secret", "password", "token", "0123456789", "abcdef0123"];
/// A random text of the usual length has more.
const FEWEST_CHARACTERS: usize = 8;
/// `openssl rand -hex 16` has so many.
const LONG: usize = 32;

const MEND: &str =
    "set it to the output of: openssl rand -hex 32 (docs/operations.md, Rotate a secret)";

/// The tokens of gateways and operators, and the secret of client ids.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let tokens = config.tokens.iter().map(|token| token.expose_secret());
    let admins = config.admin_tokens.iter().map(|(_, token)| token.expose_secret());
    let secrets = config.server_secrets.iter().map(|secret| secret.expose_secret());
    let mut found = vec![of("LEDGER_TOKEN", tokens.clone())];
    if !config.admin_tokens.is_empty() {
        found.push(of("LEDGER_ADMIN_TOKEN", admins.clone()));
    }
    found.push(of("SERVER_SECRET", secrets.clone()));
    let all: Vec<&str> = tokens.chain(admins).chain(secrets).collect();
    if all.iter().collect::<BTreeSet<_>>().len() < all.len() {
        let finding = "two secrets are the same: whoever has one has the other";
        found.push(Check::fail("secrets", finding, "set each to a value of its own"));
    }
    found
}

/// The weakest of several.
fn of<'a>(name: &'static str, values: impl Iterator<Item = &'a str>) -> Check {
    let mut worst = (Status::Ok, "not to be guessed");
    for value in values {
        let found = strength(value);
        let graver = matches!(
            (worst.0, found.0),
            (Status::Ok, Status::Warn | Status::Fail) | (Status::Warn, Status::Fail)
        );
        if graver {
            worst = found;
        }
    }
    match worst {
        (Status::Ok, text) => Check::ok(name, text),
        (Status::Warn, text) => Check::warn(name, text, MEND),
        (Status::Fail, text) => Check::fail(name, text, MEND),
    }
}

fn strength(value: &str) -> (Status, &'static str) {
    let small = value.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|word| small.contains(word)) {
        return (Status::Fail, "weak: it looks like the placeholder of an example");
    }
    if value.chars().collect::<BTreeSet<char>>().len() < FEWEST_CHARACTERS {
        return (Status::Fail, "weak: it has fewer than 8 different characters");
    }
    if value.len() < LONG {
        return (Status::Warn, "short: it has fewer than 32 characters");
    }
    (Status::Ok, "not to be guessed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_ones_are_told_from_strong_ones() {
        for (value, status) in [
            ("9b1f44d2c07ae35890e1c6aa7742bd5f", Status::Ok),
            ("9b1f44d2c07ae358", Status::Warn),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Status::Fail),
            ("replace-with-openssl-rand-hex-32", Status::Fail),
            ("MyPassword-9b1f44d2c07ae35890e1c6aa", Status::Fail),
            ("0123456789abcdef0123456789abcdef", Status::Fail),
        ] {
            assert_eq!(strength(value).0, status, "{value}");
        }
        let several = ["9b1f44d2c07ae35890e1c6aa7742bd5f", "aaaaaaaaaaaaaaaa", "9b1f44d2c07ae358"];
        let found = of("LEDGER_TOKEN", several.into_iter());
        assert_eq!(found.status, Status::Fail);
        assert!(!format!("{found:?}").contains("aaaa"), "{found:?}");
    }
}
