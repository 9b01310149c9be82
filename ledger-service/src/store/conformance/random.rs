//! Random commands, from a seed that a failure names.

mod by_key;
mod done;
mod tables;
mod world;

use std::sync::Arc;

use stripe402_protocol::message::{Deduction, DeductionOutcome, Void, VoidOutcome};

use super::fixture::{batch, now_ms, units, wanted};
use crate::{
    accounting::{AccountKey, Advance, Opened, State},
    store::Store,
};

/// A small generator of numbers (SplitMix64): the same seed, the same commands.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.throw(from.len() as u64)).unwrap()]
    }
}

/// How many commands [`compare`] runs: 10,000, or what `STRIPE402_RANDOM_STEPS` says.
#[must_use]
pub fn steps() -> usize {
    let set = std::env::var("STRIPE402_RANDOM_STEPS").ok();
    set.and_then(|steps| steps.parse().ok()).unwrap_or(10_000)
}

/// What the commands are drawn from: `STRIPE402_RANDOM_SEED`, or the time.
pub(super) fn seed() -> u64 {
    let set = std::env::var("STRIPE402_RANDOM_SEED").ok();
    set.and_then(|seed| seed.parse().ok()).unwrap_or_else(now_ms)
}

/// Charges, voids and top-ups of these clients; answers what each account gained.
pub async fn hammer(
    store: &Arc<dyn Store>,
    keys: &[AccountKey],
    task: usize,
    rounds: usize,
) -> Vec<i64> {
    let mut dice = Dice::new(task as u64);
    let mut gained = vec![0; keys.len()];
    let mut taken: Vec<(usize, Deduction)> = Vec::new();
    for _ in 0..rounds {
        let at = usize::try_from(dice.throw(keys.len() as u64)).unwrap();
        let amount = i64::try_from(1 + dice.throw(60)).unwrap();
        match dice.throw(10) {
            0 => {
                let wanted = wanted(keys[at], amount, None);
                if let Opened::New(top_up) = store.open_top_up(wanted).await.unwrap() {
                    let payment_intent = format!("pi_{}", top_up.id);
                    let to = State::Credited { payment_intent, amount: units(amount) };
                    let moved = store.advance_top_up(top_up.id, None, to).await.unwrap();
                    assert!(matches!(moved, Advance::Done(_)));
                    gained[at] += amount;
                }
            }
            1 | 2 if !taken.is_empty() => {
                let (at, deduction) = taken.swap_remove(0);
                let void = Void { id: deduction.id, client_id: Some(deduction.client_id) };
                let answer = store.batch(batch(vec![], vec![void])).await.unwrap();
                assert_eq!(answer.voids[0].1, VoidOutcome::Voided);
                gained[at] += deduction.amount.get();
            }
            _ => {
                let deduction = super::fixture::deduction(keys[at], amount);
                let answer = store.batch(batch(vec![deduction.clone()], vec![])).await.unwrap();
                if let DeductionOutcome::Deducted(_) = answer.deductions[0].1 {
                    gained[at] -= amount;
                    taken.push((at, deduction));
                }
            }
        }
    }
    gained
}

/// Runs `steps` random commands on a store and on the books in memory, which must agree: in every
/// answer, and at the end in every table.
pub async fn compare(store: &dyn Store, steps: usize) {
    let seed = seed();
    let mut world = world::World::new(seed);
    for step in 0..steps {
        world.step(store, &format!("STRIPE402_RANDOM_SEED={seed}, step {step}")).await;
    }
    tables::compare(store, &world, &format!("STRIPE402_RANDOM_SEED={seed}")).await;
    world.done.check(steps);
}
