//! Worlds, as many as there is time for: no rule is broken, a guard that is missing is noticed, and the
//! same seed is the same world.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "all of this file is tests, their helpers too"
)]

use std::{collections::BTreeSet, fs, path::Path};

use stripe402_simulation::{
    mutants,
    plan::Plan,
    run::run,
    search::{Seeds, cores, search},
    shrink::shrink,
};

/// How many worlds: 450, or what `STRIPE402_SCHEDULES` says.
fn schedules() -> u64 {
    let set = std::env::var("STRIPE402_SCHEDULES").ok();
    set.and_then(|schedules| schedules.parse().ok()).unwrap_or(450)
}

#[test]
fn no_schedule_breaks_a_rule() {
    let searched = search(Seeds { first: 1, every: 1 }, schedules(), cores(), |_| {});
    assert_eq!(searched.found, [], "make simulate SEED=… tells the story of one");
    assert!(searched.lasted_s > 3_600, "hardly anything happened");
}

/// As the help of `--every` says.
#[test]
fn kinds_of_worlds_come_back_at_a_distance() {
    for at in 0..20 {
        assert!(Plan::draw(5 + at * 6).is_leased());
        assert!(Plan::draw(1 + at * 3).is_metered());
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in 1..40 {
        let plan = Plan::draw(seed);
        let (one, other) = (run(&plan, true), run(&plan, true));
        assert_eq!(one.story, other.story, "seed {seed}");
        assert!(one.story.len() > 5, "seed {seed} tells nothing");
    }
}

/// Those that are noticed within a few worlds; all of them are hunted by `make soak`.
#[test]
fn guards_that_are_missing_are_noticed() {
    // A mutant may panic, which is one way of being noticed.
    std::panic::set_hook(Box::new(|_| {}));
    let soon = [
        "key_of_the_attempt",
        "not_looked_again",
        "two_at_a_time",
        "void_leaves_charge",
        "trust_metadata",
        "gone_is_gone",
        "no_answer_no_void",
        "no_heir",
        "deduct_last",
        "captured_twice",
        "captures_all",
        "void_leaves_hold",
        "trial_twice",
        "auto_twice",
        "credited_twice",
    ];
    for mutant in mutants::ALL.iter().filter(|mutant| soon.contains(&mutant.name)) {
        let noticed = mutants::hunt(*mutant, 1, 120);
        let (took, violation) = noticed.unwrap_or_else(|| panic!("{} lives", mutant.name));
        println!("{}: {} after {took} schedules", mutant.name, violation.rule);
    }
}

#[test]
fn a_world_that_breaks_a_rule_is_made_smaller() {
    stripe402_mutant::choose("two_at_a_time");
    let broken = (1..60).find_map(|seed| {
        let plan = Plan::draw(seed);
        run(&plan, false).found.first().map(|violation| (plan.clone(), violation.rule))
    });
    let (plan, rule) = broken.expect("two top-ups at a time are noticed");
    let (smallest, outcome) = shrink(&plan, rule, |_| {});
    stripe402_mutant::choose("");
    assert!(outcome.found.iter().any(|violation| violation.rule == rule));
    assert!(outcome.story.iter().any(|line| line.contains("RULE")), "it is told");
    let size = |plan: &Plan| plan.acts.len() + plan.faults.len();
    assert!(size(&smallest) < size(&plan), "{smallest:?}");
}

fn sources(of: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(of).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap().to_owned();
        if path.is_dir() {
            sources(&name, files);
        } else if Path::new(&name).extension().is_some_and(|kind| kind == "rs") {
            files.push((name.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What is simulated takes time, chance and order from nowhere else.
#[test]
fn time_chance_and_order_enter_through_seams_only() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut files = Vec::new();
    for of in [
        "ledger-service/src/accounting",
        "ledger-service/src/payments",
        "ledger-service/src/postings",
        "ledger-service/src/refunds",
        "ledger-service/src/sync",
        "ledger-service/src/topups",
        "protocol/src",
    ] {
        sources(&format!("{root}/{of}"), &mut files);
    }
    for of in ["worker", "queue", "gate", "pricing"] {
        sources(&format!("{root}/filter/src/{of}"), &mut files);
    }
    let store = format!("{root}/ledger-service/src/store/memory.rs");
    files.push((store.clone(), fs::read_to_string(store).unwrap()));
    let forbidden = [
        "SystemTime",
        "std::time::Instant",
        "new_v4",
        "getrandom",
        "thread_rng",
        "HashMap",
        "HashSet",
        "RandomState",
        "thread::spawn",
    ];
    let mut found = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| !name.contains("tests")) {
        // Tests in a file come last.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in forbidden {
            // The filter's maps are hashed without a secret, and in the same order each time.
            if code.replace("FxHashMap", "").replace("FxHashSet", "").contains(word) {
                found.push(format!("{name}: {word}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert!(files.len() > 60, "only {} files were read", files.len());
}

#[test]
fn every_mutant_is_in_the_code_and_hunted() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut files = Vec::new();
    sources(&format!("{root}/ledger-service/src"), &mut files);
    sources(&format!("{root}/filter/src"), &mut files);
    let mut named = BTreeSet::new();
    // The file store's are hunted by its own schedules of a disk that fails.
    for (_, text) in files.iter().filter(|(name, _)| !name.contains("store/embedded")) {
        for rest in text.split("mutant!(\"").skip(1) {
            named.insert(rest.split('"').next().unwrap().to_owned());
        }
    }
    let hunted: BTreeSet<_> = mutants::ALL.iter().map(|mutant| mutant.name.to_owned()).collect();
    assert_eq!(named, hunted);
}
