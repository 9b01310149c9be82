//! How many card payments are under way, and for whom.

use rustc_hash::FxHashMap;

use crate::{config::SizeLimits, source::Source};

/// The places of card payments: half of them are for whoever comes, the others for sources that
/// hold less than their share.
#[derive(Debug, Default)]
pub(super) struct CardPlaces {
    taken: usize,
    by_source: FxHashMap<Source, usize>,
}

impl CardPlaces {
    /// Takes a place; `false` if there is none for this source.
    pub(super) fn take(&mut self, source: Source, limits: &SizeLimits) -> bool {
        let held = self.by_source.get(&source).copied().unwrap_or(0);
        let share = limits.card_payments.checked_div(limits.source_shares).unwrap_or(1).max(1);
        let half = limits.card_payments.div_ceil(2);
        if self.taken >= limits.card_payments || self.taken >= half && held >= share {
            return false;
        }
        self.taken = self.taken.saturating_add(1);
        self.by_source.insert(source, held.saturating_add(1));
        true
    }

    /// Gives a place back.
    pub(super) fn give_back(&mut self, source: Source) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(held) = self.by_source.get_mut(&source) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_takes_half_of_the_places_and_leaves_the_rest() {
        let limits = SizeLimits { card_payments: 16, source_shares: 8, ..SizeLimits::default() };
        let mut places = CardPlaces::default();
        let mut take = |from: &str, times: usize| {
            (0..times).filter(|_| places.take(Source::of(from), &limits)).count()
        };
        assert_eq!(take("192.0.2.1", 100), 8);
        assert_eq!(take("192.0.2.2", 100), 2, "its share");
        assert_eq!(take("192.0.2.3", 100), 2);
        assert_eq!(take("192.0.2.4", 100), 2);
        assert_eq!(take("192.0.2.5", 100), 2);
        assert_eq!(take("192.0.2.6", 100), 0, "all are taken");
        places.give_back(Source::of("192.0.2.1"));
        assert!(!places.take(Source::of("192.0.2.1"), &limits));
        assert!(places.take(Source::of("192.0.2.6"), &limits));
    }
}
