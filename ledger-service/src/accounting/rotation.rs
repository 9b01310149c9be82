//! Which of a client's own ids may spend its accounts.
//!
//! A card's first id names its accounts for ever. When the id is rotated, the accounts stay where they are, and
//! another id spends them: the next generation, which is looked up as a key is. All accounts of a client say the
//! same, so that what may spend is decided with the account, in the transaction that deducts.

use serde::{Deserialize, Serialize};

/// Whose word a deduction is carried out on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spender {
    /// The client's own id of this generation; 0 is the one that its card was first known by.
    Generation(u32),
    /// A card, or a key with limits of its own: rotation does not concern it.
    Other,
}

impl Spender {
    /// The client's first id.
    pub const FIRST: Self = Self::Generation(0);
}

/// How often a client's id was rotated, and which of its ids still spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The generation that spends; 0 until the first rotation.
    pub generation: u32,
    /// The first generation that goes on spending beside it, for a while; those before it are over.
    pub oldest: u32,
    /// Until when, Unix milliseconds.
    pub until_ms: u64,
    /// By which name it was asked for; 0 if it had none.
    pub name: u64,
}

impl Rotation {
    /// After one more rotation, with the ids so far spending for so long more. While earlier ones spend already,
    /// their end never comes later. Without a grace it is no matter of clocks, which differ: all ids so far are
    /// over. `None` after too many.
    #[must_use]
    pub fn next(self, grace_ms: u64, now_ms: u64, name: u64) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let until_ms = now_ms.saturating_add(grace_ms);
        let is_in_grace = self.oldest < self.generation && self.until_ms > now_ms;
        let (oldest, until_ms) = match grace_ms {
            0 => (generation, until_ms),
            _ if is_in_grace => (self.oldest, until_ms.min(self.until_ms)),
            _ => (self.generation, until_ms),
        };
        Some(Self { generation, oldest, until_ms, name })
    }

    /// Whether this id spends no more.
    #[must_use]
    pub fn is_over(self, spender: Spender, now_ms: u64) -> bool {
        let Spender::Generation(of) = spender else { return false };
        let is_over = of < self.oldest || of < self.generation && self.until_ms <= now_ms;
        is_over && !stripe402_mutant::mutant!("old_id_spends")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(rotation: Rotation, now_ms: u64) -> Vec<u32> {
        let is_over = |of: &u32| rotation.is_over(Spender::Generation(*of), now_ms);
        (0..=rotation.generation).filter(is_over).collect()
    }

    #[test]
    fn ids_so_far_spend_until_the_grace_ends() {
        let first = Rotation::default();
        assert!(over(first, 1_000).is_empty());
        let now = first.next(0, 1_000, 7).unwrap();
        assert_eq!((over(now, 0), now.until_ms, now.name), (vec![0], 1_000, 7));
        let later = now.next(3_000, 2_000, 0).unwrap();
        assert_eq!((over(later, 4_999), over(later, 5_000)), (vec![0], vec![0, 1]));
        assert!(!later.is_over(Spender::Other, u64::MAX));
    }

    #[test]
    fn a_grace_ends_earlier_and_never_later() {
        let first = Rotation::default().next(5_000, 0, 0).unwrap();
        let later = first.next(8_000, 1_000, 0).unwrap();
        assert_eq!((later.until_ms, over(later, 4_999)), (5_000, vec![]));
        assert_eq!(over(later, 5_000), [0, 1]);
        let earlier = first.next(1_000, 1_000, 0).unwrap();
        assert_eq!((over(earlier, 1_999), over(earlier, 2_000)), (vec![], vec![0, 1]));
        assert_eq!(over(first.next(0, 1_000, 0).unwrap(), 1_000), [0, 1]);
        let last = Rotation { generation: u32::MAX, ..first };
        assert_eq!(last.next(0, 0, 0), None);
    }
}
