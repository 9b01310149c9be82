//! The corpus that fuzzing has found so far, run again.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of this is a test"
)]

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use std::path::Path;

use proptest::prelude::*;

/// The targets, each with a folder in the corpus.
const TARGETS: [&str; 8] =
    ["payment", "headers", "config", "path", "metadata", "answer", "meter", "message"];

#[test]
fn nothing_that_was_found_stops_the_gate() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for target in TARGETS {
        let mut count = 0;
        for entry in std::fs::read_dir(corpus.join(target)).unwrap() {
            let data = std::fs::read(entry.unwrap().path()).unwrap();
            bodies::run(target, &data);
            count += 1;
        }
        assert!(count >= 5, "{target} has a corpus of {count}");
    }
}

/// What paths are made of, to be read in as many ways as there are.
const PARTS: [&str; 44] = [
    "/",
    "/",
    "/",
    "//",
    "/..",
    "/.",
    "..",
    ".",
    ";",
    ";x",
    "%3b",
    "%2f",
    "%2F",
    "%252f",
    "\\",
    "%5c",
    "%2e",
    "%2E%2e",
    "%",
    "%25",
    "%00",
    "%3f",
    "%23",
    "#",
    "?",
    "%20",
    " ",
    "api",
    "joke",
    "/users/",
    "me",
    "ME",
    "m%65",
    "orders:cancel",
    "/orders%3Acancel",
    "/parts/",
    "Parts",
    "/items/abc",
    "ABC",
    "/docs/",
    "/v1/bi",
    "\u{e9}",
    "/caf%C3%A9",
    "/CAF%C3%89",
];

/// How many paths are made: `STRIPE402_PATHS` says.
fn paths() -> u32 {
    std::env::var("STRIPE402_PATHS").map_or(20_000, |count| count.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(paths()))]

    /// However a router reads a path, its price is no lower than that of this reading.
    #[test]
    fn no_router_gets_a_path_cheaper(
        parts in prop::collection::vec(prop::sample::select(PARTS.to_vec()), 1..10),
    ) {
        bodies::no_router_gets_it_cheaper(&format!("/{}", parts.concat()));
        bodies::no_router_gets_it_cheaper(&parts.concat());
    }
}
