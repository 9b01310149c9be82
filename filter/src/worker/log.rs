//! What operators are told: each thing once a second, however often it happens.

use rustc_hash::FxHashMap;

use crate::host::Host;

/// More things than that in one second are not told.
const MOST_KINDS: usize = 64;

/// What was said in this second, and how often.
#[derive(Debug, Default)]
pub(super) struct Log {
    said: FxHashMap<Box<str>, u32>,
}

impl Log {
    /// Says something that strangers can make happen as often as they like.
    pub(super) fn warn(&mut self, host: &mut impl Host, text: &str) {
        if let Some(times) = self.said.get_mut(text) {
            *times = times.saturating_add(1);
        } else if self.said.len() < MOST_KINDS {
            self.said.insert(text.into(), 0);
            host.warn(text);
        }
    }

    /// A second has passed.
    pub(super) fn tick(&mut self, host: &mut impl Host) {
        for (text, times) in self.said.drain().filter(|(_, times)| *times > 0) {
            host.warn(&format!("{text} ({times} times more in the last second)"));
        }
    }
}
