//! Chance, from a seed: every part of the world has dice of its own, so that taking one part away
//! changes little of what the others do.

use std::sync::{Mutex, PoisonError};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

/// Dice that fall the same for the same seed and name.
#[derive(Debug)]
pub struct Dice(Mutex<ChaCha8Rng>);

impl Dice {
    /// The dice of this part of the world.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: which dice they are, not how well they fall.
        let named = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9) ^ named)))
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// A number below `sides`; 0 if there are none.
    pub fn below(&self, sides: u64) -> u64 {
        self.bits().checked_rem(sides).unwrap_or(0)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// Whether something happens that happens so many times in a thousand.
    pub fn chance(&self, per_thousand: u64) -> bool {
        self.below(1_000) < per_thousand
    }

    /// A place in a list of so many.
    pub fn place(&self, among: usize) -> usize {
        usize::try_from(self.below(u64::try_from(among).unwrap_or(0))).unwrap_or(0)
    }

    /// One of these.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }

    /// A span between `least` and `most` milliseconds, short ones as likely as ten times longer ones.
    pub fn span(&self, least: u64, most: u64) -> u64 {
        let mut bounds = vec![least.max(1)];
        while let Some(next) = bounds.last().map(|last| last * 3).filter(|next| *next < most) {
            bounds.push(next);
        }
        bounds.push(most);
        let at = self.place(bounds.len() - 1);
        self.between(bounds[at], bounds[at + 1])
    }
}
