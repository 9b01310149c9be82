//! The embedded store on a disk that tears writes, is full, fails to read, to write and to sync, loses
//! power, and decays: seeded, one schedule after the other, each compared with the pure books.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "all of this is tests")]

mod books;
pub(super) mod calls;
pub(super) mod media;
mod schedule;
mod shown;

use self::schedule::{Schedule, Seen};

/// What the schedules are drawn from, unless it is said.
const SEED: u64 = 402;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn run(first: u64, schedules: u64) -> Seen {
    let mut seen = Seen::default();
    for seed in first..first + schedules {
        Schedule::new(seed, &mut seen).run().await;
    }
    seen
}

/// So many schedules as `STRIPE402_FAULTS` says, from `STRIPE402_FAULTS_SEED` on.
#[tokio::test]
async fn what_was_acknowledged_survives_every_fault_of_a_disk() {
    let schedules = number("STRIPE402_FAULTS", 300);
    let seen = run(number("STRIPE402_FAULTS_SEED", SEED), schedules).await;
    println!("{seen:?}");
    if schedules < 100 {
        return;
    }
    // A search that meets nothing proves nothing.
    let met = [
        seen.commits,
        seen.failed,
        seen.went_on,
        seen.syncs_failed,
        seen.cuts,
        seen.kills,
        seen.opens_failed,
        seen.damage_refused,
        seen.damage_without_effect,
    ];
    assert!(met.iter().all(|count| *count > 0), "{seen:?}");
    assert!(seen.commits > schedules, "{seen:?}");
}

#[tokio::test]
async fn a_seed_is_one_schedule() {
    let (one, other) = (run(7, 12).await, run(7, 12).await);
    assert_eq!(one.trace, other.trace, "{one:?} {other:?}");
}

/// Each guard that money depends on, taken out: a schedule must miss it. A release has no way of taking
/// them out.
#[cfg(debug_assertions)]
#[test]
fn every_guard_is_missed() {
    for guard in
        ["sync_trusted", "memory_believed", "unchecked", "empty_made_anew", "told_too_early"]
    {
        let missed = std::panic::catch_unwind(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            stripe402_mutant::choose(guard);
            runtime.block_on(run(SEED, 1_000));
        });
        stripe402_mutant::choose("");
        assert!(missed.is_err(), "no schedule misses the guard {guard}");
    }
}
