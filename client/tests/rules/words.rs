//! The words that TypeScript and Python know are those of the rules.

use std::collections::BTreeSet;

use serde_json::json;
use stripe402_client::SettlementState;
use stripe402_protocol::{Code, Reason};

const ERRORS: &str = include_str!("../../js/src/errors.ts");
const TYPES: &str = include_str!("../../js/src/types.ts");
const PYTHON: &str = include_str!("../../python/stripe402/errors.py");
const RECORDS: &str = include_str!("../../python/stripe402/records.py");
const RULES: &str = include_str!("../../src/error.rs");

/// What follows `start`, up to `end`.
fn section<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{start} is not there"));
    rest.split_once(end).unwrap_or_else(|| panic!("{start} has no end")).0
}

fn quoted(text: &str, quote: char) -> BTreeSet<&str> {
    text.split(quote).skip(1).step_by(2).collect()
}

#[test]
fn a_union_in_typescript_has_the_words_of_its_enum() {
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let reasons: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let local = quoted(section(RULES, "pub fn code(&self)", "\n    }\n"), '"');
    for (union, expected) in [("Code", codes), ("Reason", reasons), ("LocalCode", local)] {
        let told = quoted(section(ERRORS, &format!("export type {union} ="), ";"), '\'');
        assert!(expected.len() > 5, "{expected:?}");
        assert_eq!(told, expected, "{union} in client/js/src/errors.ts");
    }
}

/// Of each code but the two that Python does not raise, and each class is exported.
#[test]
fn python_has_an_exception_for_each_code() {
    let mut expected = quoted(section(RULES, "pub fn code(&self)", "\n    }\n"), '"');
    expected.extend(Code::ALL.iter().map(|code| code.as_str()));
    for (code, why) in [("transport", "the library's own"), ("redirect_unseen", "of browsers")] {
        assert!(expected.remove(code), "{code}: {why}");
    }
    let table = section(PYTHON, "_CLASSES: dict[str, type[Error]] = {", "}");
    assert_eq!(quoted(table, '"'), expected, "_CLASSES in client/python/stripe402/errors.py");
    let entries = table.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(": "));
    let classes: BTreeSet<&str> = entries.map(|(_, class)| class).collect();
    assert_eq!(classes.len(), expected.len(), "one for each");
    let exported = include_str!("../../python/stripe402/__init__.py");
    let exported = quoted(section(exported, "__all__ = [", "]"), '"');
    let missing: Vec<_> = classes.difference(&exported).collect();
    assert!(missing.is_empty(), "{missing:?} in client/python/stripe402/__init__.py");
}

#[test]
fn typescript_and_python_know_how_far_a_payment_can_be() {
    use SettlementState::{Captured, Held, Released};
    let states = [Held, Captured, Released];
    for state in states {
        // A state more does not compile here, and belongs into the list above.
        match state {
            Held | Captured | Released => {}
        }
    }
    let expected: BTreeSet<String> =
        states.iter().map(|state| json!(state).as_str().unwrap().to_owned()).collect();
    let told = quoted(section(TYPES, "export type SettlementState =", ";"), '\'');
    let told: BTreeSet<String> = told.into_iter().map(str::to_owned).collect();
    assert_eq!(told, expected, "SettlementState in client/js/src/types.ts");
    let told = quoted(section(RECORDS, "state: Literal[", "]"), '"');
    let told: BTreeSet<String> = told.into_iter().map(str::to_owned).collect();
    assert_eq!(told, expected, "Settlement in client/python/stripe402/records.py");
}
