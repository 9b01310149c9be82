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

/// The targets, each with a folder in the corpus.
const TARGETS: [&str; 6] = ["payment", "headers", "config", "path", "metadata", "answer"];

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
