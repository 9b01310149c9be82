//! For how long deduction ids are remembered, and which are therefore taken.

use std::time::Duration;

use stripe402_protocol::DeductionId;

/// What the books remember of deductions, at one moment.
///
/// A deduction is taken only if its id was minted within the later half of what is remembered: then
/// a repetition can never find its record gone.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    now_ms: u64,
    oldest_charge_ms: u64,
    newest_ms: u64,
    forgotten_before_ms: u64,
}

impl Window {
    /// The window at `now_ms` (Unix milliseconds) of books that remember for `memory` and take
    /// gateway clocks that are up to `skew` ahead.
    #[must_use]
    pub fn at(now_ms: u64, memory: Duration, skew: Duration) -> Self {
        let memory = millis(memory);
        Self {
            now_ms,
            oldest_charge_ms: now_ms.saturating_sub(memory / 2),
            newest_ms: now_ms.saturating_add(millis(skew)),
            forgotten_before_ms: now_ms.saturating_sub(memory),
        }
    }

    /// Whether a deduction of this id may be taken.
    #[must_use]
    pub fn takes(&self, id: &DeductionId) -> bool {
        (self.oldest_charge_ms..=self.newest_ms).contains(&id.minted_ms())
    }

    /// The moment, Unix milliseconds.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Whether records of this id are still kept.
    #[must_use]
    pub fn remembers(&self, id: &DeductionId) -> bool {
        (self.forgotten_before_ms..=self.newest_ms).contains(&id.minted_ms())
    }

    /// Records of ids before this one may be forgotten.
    #[must_use]
    pub fn first_remembered(&self) -> DeductionId {
        DeductionId::first_at(self.forgotten_before_ms)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
