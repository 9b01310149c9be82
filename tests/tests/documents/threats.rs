//! SECURITY.md's table of what is tried with keys: each line is held by tests, by name.

use std::{collections::BTreeSet, path::Path};

use stripe402_tests::binary;

use super::read;

/// What is tried, and the tests that fail where it succeeds.
const HELD_BY: [(&str, &[&str]); 14] = [
    (
        "to spend beyond the budget, by many requests at once over many gateways",
        &[
            "a_budget_is_exact_on_a_file",
            "a_budget_is_exact_on_redis",
            "a_budget_is_exact_on_a_cluster",
            "a_budget_is_exact_on_postgresql",
        ],
    ),
    (
        "to go on after a revocation",
        &["a_budget_is_exact_on_redis", "what_a_key_holds_is_settled_though_it_is_revoked"],
    ),
    (
        "to learn or spend what its owner has",
        &["a_payer_makes_shows_changes_and_revokes_keys", "keys_say_nothing_of_their_owners"],
    ),
    (
        "to have its owner's card charged",
        &[
            "only_the_card_can_agree_to_be_charged",
            "it_tops_up_once_on_a_file",
            "it_tops_up_once_on_redis",
            "it_tops_up_once_on_postgresql",
        ],
    ),
    ("to have the card charged", &["only_the_card_can_agree_to_be_charged"]),
    ("to change its own limits", &["keys_are_managed_by_who_may"]),
    ("to make keys that outlive it", &["keys_are_managed_by_who_may"]),
    ("to make keys for its owner's balance", &["a_card_that_was_merely_typed_in_manages_nothing"]),
    (
        "to go on after its rotation",
        &[
            "a_new_id_has_the_balance_in_a_file",
            "a_new_id_has_the_balance_on_redis",
            "a_new_id_has_the_balance_on_a_cluster",
            "a_new_id_has_the_balance_on_postgresql",
        ],
    ),
    ("to rotate its owner's id", &["a_rotation_is_refused_by_its_cause"]),
    ("to guess keys", &["a_key_that_nobody_made_is_a_client_that_nobody_knows"]),
    ("to manage another client's keys", &["keys_are_managed_by_who_may"]),
    ("to fill the books with keys", &["bad_terms_are_refused_by_their_field"]),
    ("to spend", &["no_file_has_a_key"]),
];

/// Every `async fn` of the tests, by name.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|of| of == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("async fn ").skip(1).filter_map(|rest| rest.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn each_threat_to_keys_has_its_tests() {
    let document = read("SECURITY.md");
    let (_, rest) = document.split_once("## Keys, and what is tried with them").unwrap();
    let (table, _) = rest.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let tried: Vec<_> = rows.map(|row| row.split('|').nth(2).unwrap().trim()).collect();
    assert_eq!(tried, HELD_BY.map(|(tried, _)| tried), "a line without a test, or the other way");
    let mut known = BTreeSet::new();
    for folder in ["tests/tests", "ledger-service/src"] {
        tests(&binary::workspace().join(folder), &mut known);
    }
    for (tried, held_by) in HELD_BY {
        for test in held_by {
            assert!(known.contains(*test), "{tried}: there is no test {test}");
        }
    }
}
