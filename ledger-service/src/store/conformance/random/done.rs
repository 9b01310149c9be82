//! What the random commands came to: a comparison in which everything is refused shows nothing.

use std::collections::BTreeMap;

use crate::accounting::{Kind, Posted};

/// From so many commands on, every kind of movement must have been posted.
const ENOUGH: usize = 10_000;
/// How often a hold must have ended in each of its two ways by then.
const MANY: usize = 20;

/// How many movements of each kind were posted.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<Kind, usize>);

impl Counts {
    pub(super) fn count(&mut self, kind: Kind, posted: Posted) {
        if matches!(posted, Posted::Done(_)) {
            *self.0.entry(kind).or_default() += 1;
        }
    }

    /// Panics if a long run left a kind out. A shorter one may.
    pub(super) fn check(&self, steps: usize) {
        for kind in Kind::ALL {
            let least = if matches!(kind, Kind::Capture | Kind::Release) { MANY } else { 1 };
            let done = self.0.get(&kind).copied().unwrap_or_default();
            let kind = kind.as_str();
            assert!(
                steps < ENOUGH || done >= least,
                "{kind}: posted {done} times in {steps} commands; of all kinds: {:?}",
                self.0
            );
        }
    }
}
