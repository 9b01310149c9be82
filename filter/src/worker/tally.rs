//! How often each address has had something in a spell of time, such as a minute or a day of UTC.
//!
//! The memory is bounded: what is full admits no address that is new in this spell. To forget the oldest instead
//! would let whoever has many addresses have as much as they want.

use rustc_hash::FxHashMap;

use crate::source::Source;

/// Counts of one spell.
#[derive(Debug)]
pub(super) struct Tally {
    /// How long a spell is, in milliseconds.
    length_ms: u64,
    /// Of how many addresses the counts are kept.
    most_sources: usize,
    /// Which spell it is, counted from 1970.
    spell: u64,
    counted: FxHashMap<Source, u32>,
}

impl Tally {
    /// Nothing counted yet.
    pub(super) fn new(length_ms: u64, most_sources: usize) -> Self {
        Self { length_ms, most_sources, spell: 0, counted: FxHashMap::default() }
    }

    /// Counts one more of this address, if it has had fewer than `most` in this spell.
    pub(super) fn admits(&mut self, source: Source, most: u32, now_ms: u64) -> bool {
        let spell = now_ms.checked_div(self.length_ms).unwrap_or_default();
        // A clock that is set back begins no new spell.
        if spell > self.spell {
            self.spell = spell;
            self.counted.clear();
        }
        if self.counted.len() >= self.most_sources && !self.counted.contains_key(&source) {
            return false;
        }
        let counted = self.counted.entry(source).or_default();
        let admits = *counted < most;
        if admits {
            *counted = counted.saturating_add(1);
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "all of this is tests")]

    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn numbered(number: u32) -> Source {
        Source::of(&std::net::Ipv4Addr::from_bits(number).to_string())
    }

    #[test]
    fn an_address_has_so_many_in_a_spell_and_no_more() {
        let mut tally = Tally::new(60_000, 10_000);
        let mut ask = |address: &str, now_ms| tally.admits(Source::of(address), 2, now_ms);
        assert!(ask("192.0.2.1", 60_000) && ask("192.0.2.1", 60_001));
        assert!(!ask("192.0.2.1", 60_002), "the third time");
        assert!(ask("192.0.2.2", 60_003), "another one");
        assert!(!ask("192.0.2.1", 119_999));
        assert!(ask("192.0.2.1", 120_000), "another minute");
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let mut tally = Tally::new(60_000, 10_000);
        for number in 0..20_000 {
            assert_eq!(tally.admits(numbered(number), 2, 60_000), number < 10_000);
        }
        assert_eq!(tally.counted.len(), 10_000);
        assert!(tally.admits(numbered(7), 2, 60_000), "one that is known");
        assert!(!tally.admits(numbered(7), 2, 60_000), "and is not forgotten");
    }

    proptest! {
        /// Whoever asks in whatever order, with whatever clock: an address has at most what is asked for, in each
        /// spell, and no more addresses have something than there is room for.
        #[test]
        fn what_is_admitted_is_bounded(
            asked in prop::collection::vec((0..12_u32, 1..4_u32, 0..4_000_u64), 0..200),
        ) {
            let mut tally = Tally::new(1_000, 8);
            let mut had: HashMap<(u64, u32), u32> = HashMap::new();
            let mut latest = 0;
            for (number, most, now_ms) in asked {
                latest = latest.max(now_ms / 1_000);
                let known = had.keys().filter(|(spell, _)| *spell == latest).count();
                let of = had.get(&(latest, number)).copied();
                let expected = of.map_or(known < 8, |had| had < most);
                prop_assert_eq!(tally.admits(numbered(number), most, now_ms), expected);
                if expected {
                    had.insert((latest, number), of.unwrap_or(0) + 1);
                }
            }
        }
    }
}
