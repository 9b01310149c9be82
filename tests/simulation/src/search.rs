//! Many worlds, on several threads.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    plan::Plan,
    run::run,
    world::{Violation, lock},
};

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Searched {
    /// Seeds of worlds in which a rule did not hold, and the first of those rules.
    pub found: Vec<(u64, Violation)>,
    /// How long the worlds lasted by their own clocks, in seconds.
    pub lasted_s: u64,
}

/// Which worlds: kinds of them come back at a distance, as every sixth has leases.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// How far the next one is; 1 for all.
    pub every: u64,
}

/// Lets worlds happen; `show` is told every quarter of a second how many are done.
#[must_use]
pub fn search(seeds: Seeds, schedules: u64, threads: usize, show: impl Fn(u64) + Sync) -> Searched {
    let (next, done, lasted) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let found: Mutex<Vec<(u64, Violation)>> = Mutex::default();
    let over = AtomicBool::new(false);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= schedules {
                break;
            }
            let seed = seeds.first.wrapping_add(at.wrapping_mul(seeds.every));
            let outcome = run(&Plan::draw(seed), false);
            lasted.fetch_add(outcome.lasted_ms / 1_000, Ordering::Relaxed);
            done.fetch_add(1, Ordering::Relaxed);
            if let Some(violation) = outcome.found.into_iter().next() {
                lock(&found).push((seed, violation));
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                show(done.load(Ordering::Relaxed));
                std::thread::sleep(Duration::from_millis(250));
            }
        });
        for worker in workers {
            let _ = worker.join();
        }
        over.store(true, Ordering::Relaxed);
    });
    let mut found = lock(&found).clone();
    found.sort_by_key(|(seed, _)| *seed);
    Searched { found, lasted_s: lasted.load(Ordering::Relaxed) }
}

/// On how many threads.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
