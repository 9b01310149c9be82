//! The floors of the house: what stands lower knows nothing of what stands on it. Of the ledger here,
//! and of the filter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "all of this file is tests, their helpers too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Lowest first. A room may use those before it.
const LEDGER: [&str; 25] = [
    "clock",
    "failpoint",
    "accounting",
    "options",
    "net",
    "stripe",
    "store",
    "observe",
    "keys",
    "postings",
    "refunds",
    "topups",
    "sync",
    "payments",
    "wiring",
    "config",
    "app",
    "metrics",
    "health",
    "webhook",
    "gateway_api",
    "operator",
    "serve",
    "exit",
    "main",
];
const FILTER: [&str; 13] = [
    "metrics", "pairs", "proxy", "source", "pricing", "usage", "config", "gate", "host", "lease",
    "queue", "worker", "envoy",
];

/// What each room's files name of the others, tests aside.
fn uses(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if name == "tests" || name == "lib" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let inside = path.strip_prefix(src).unwrap().iter().next().unwrap();
            let room = Path::new(inside).file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            found.entry(room).or_default().extend(named(code));
        }
    }
    found
}

/// The rooms behind `crate::`, also in `use crate::{a::B, c}`.
fn named(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let (mut depth, mut begins) = (1, true);
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => begins = true,
                _ if begins && depth == 1 && letter.is_ascii_lowercase() => {
                    rooms.insert(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    rooms
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

fn upwards(uses: &BTreeMap<String, BTreeSet<String>>, floors: &[&str]) -> Vec<String> {
    let floor = |room: &str| floors.iter().position(|of| *of == room);
    let mut wrong = Vec::new();
    for (room, others) in uses {
        let Some(own) = floor(room) else {
            wrong.push(format!("{room} has no floor"));
            continue;
        };
        let above = others.iter().filter(|other| floor(other).is_some_and(|other| other > own));
        wrong.extend(above.map(|other| format!("{room} uses {other}, which stands on it")));
    }
    wrong
}

#[test]
fn nothing_uses_what_stands_on_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (src, floors) in
        [(root.join("src"), &LEDGER[..]), (root.join("../filter/src"), &FILTER[..])]
    {
        let uses = uses(&src);
        assert!(uses.len() >= floors.len() - 1, "{uses:?}");
        assert_eq!(upwards(&uses, floors), Vec::<String>::new(), "{}", src.display());
    }
}

#[test]
fn what_goes_upwards_is_seen() {
    let code = "use crate::{\n    accounting::{Kind, sync::X},\n    sync,\n};\nfn f() { crate::serve::g(); }\n";
    let named = named(code);
    assert_eq!(named, ["accounting", "serve", "sync"].map(str::to_owned).into());
    let uses = BTreeMap::from([("postings".to_owned(), named)]);
    let wrong = upwards(&uses, &LEDGER);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}
