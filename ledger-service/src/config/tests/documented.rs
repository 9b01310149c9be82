//! What the help and the documents say of settings is what holds.

use std::collections::BTreeSet;

use clap::{Args as _, FromArgMatches as _};

use super::*;

/// What some defaults are of no consequence without.
const NEEDED: [&str; 6] = [
    "--token=0123456789abcdef",
    "--server-secret=0123456789abcdef",
    "--stripe-secret-key=sk_test_x",
    "--stripe-webhook-secret=whsec_x",
    "--tls-certificate=a",
    "--tls-key=a",
];

fn command() -> clap::Command {
    Settings::augment_args(clap::Command::new("ledger"))
}

/// Everything that these flags come to.
fn resolved(flag: Option<&str>) -> String {
    let flags = ["ledger"].into_iter().chain(NEEDED).chain(flag);
    let matches = command().try_get_matches_from(flags).unwrap();
    format!("{:?}", Config::try_from(Settings::from_arg_matches(&matches).unwrap()).unwrap())
}

#[test]
fn defaults_are_those_that_the_help_names() {
    let usual = resolved(None);
    let mut compared = 0;
    for setting in command().get_arguments() {
        let help = setting.get_help().map(ToString::to_string).unwrap_or_default();
        let Some((_, rest)) = help.split_once("[default: ") else { continue };
        let (name, (default, _)) = (setting.get_id().as_str(), rest.split_once(']').unwrap());
        if name == "redis_wait_replicas" {
            // Nobody knows before the master was asked.
            assert!(default.starts_with("1 "), "{default}");
            assert_eq!(resolve(GOOD).unwrap().redis_wait.replicas, None);
            continue;
        }
        let value = default.split(", ").next().unwrap();
        let flag = format!("--{}={value}", setting.get_long().unwrap());
        assert_eq!(resolved(Some(&flag)), usual, "{name} is not {default} by default");
        compared += 1;
    }
    assert!(compared > 40, "only {compared} settings name their default");
}

#[test]
fn every_setting_is_in_a_document() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    let mut words = BTreeSet::new();
    for entry in std::fs::read_dir(docs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            let text = std::fs::read_to_string(path).unwrap();
            let split = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            words.extend(split.map(ToOwned::to_owned));
        }
    }
    let variables = command();
    let variables = variables.get_arguments().filter_map(|setting| setting.get_env());
    let variables: Vec<_> = variables.map(|name| name.to_str().unwrap()).collect();
    assert!(variables.len() > 50, "{variables:?}");
    let missing: Vec<_> = variables.iter().filter(|name| !words.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/ does not name {missing:?}");
}
