//! Which adapter has passed which scenario: printed once all have run.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    sync::{Mutex, PoisonError},
};

/// The adapters, in the order of the columns.
pub(crate) const ADAPTERS: [&str; 8] =
    ["reqwest", "command line", "mcp", "fetch", "axios", "httpx", "httpx-async", "requests"];

static PASSED: Mutex<BTreeMap<&str, Vec<&str>>> = Mutex::new(BTreeMap::new());

/// An adapter has passed these. The last one of all prints the matrix, past what the test harness keeps back.
pub(crate) fn passed(adapter: &'static str, scenarios: Vec<&'static str>) {
    assert!(ADAPTERS.contains(&adapter), "{adapter}");
    let mut all = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert(adapter, scenarios);
    if all.len() == ADAPTERS.len() {
        std::io::stderr().write_all(written(&all).as_bytes()).unwrap();
    }
}

/// A row for each scenario that any adapter knows.
fn written(all: &BTreeMap<&str, Vec<&str>>) -> String {
    let rows = all.values().max_by_key(|scenarios| scenarios.len()).unwrap();
    let mut text = format!("\n  {:<40}{}\n", "passed by", ADAPTERS.join("  "));
    for scenario in rows {
        write!(text, "  {:<40}", scenario.replace('_', " ")).unwrap();
        for adapter in ADAPTERS {
            let mark = if all[adapter].contains(scenario) { "yes" } else { "-" };
            write!(text, "{mark:<width$}", width = adapter.len() + 2).unwrap();
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[test]
fn a_matrix_has_a_mark_for_each() {
    let all = ADAPTERS.into_iter().map(|adapter| {
        let scenarios =
            if adapter == "mcp" { vec!["pays"] } else { vec!["pays", "streams_bodies"] };
        (adapter, scenarios)
    });
    let text = written(&all.collect());
    let lines: Vec<&str> = text.trim_matches('\n').lines().collect();
    assert_eq!((lines.len(), lines[1].matches("yes").count()), (3, 8), "{text}");
    assert_eq!(
        (lines[2].matches("yes").count(), lines[2].matches(" - ").count()),
        (7, 1),
        "{text}"
    );
}
