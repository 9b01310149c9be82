//! The stand-in's time: the machine's, plus what a test has asked to skip.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that can be put forward.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// How far ahead of the machine's clock, in milliseconds.
    skew_ms: AtomicI64,
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        machine_ms().saturating_add(self.skew_ms.load(Ordering::SeqCst))
    }

    /// Puts the clock forward, and returns how far it is ahead in all.
    pub(crate) fn advance(&self, ms: i64) -> i64 {
        self.skew_ms.fetch_add(ms, Ordering::SeqCst).saturating_add(ms)
    }

    /// How far the clock is ahead, as it was before a restart.
    pub(crate) fn set_skew(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::SeqCst);
    }
}

/// The machine's own time, in milliseconds since the Unix epoch: what other processes go by.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
pub(crate) fn machine_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds, as Stripe's timestamps are.
pub(crate) fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

/// The UTC year and month of an instant in Unix seconds: what card expiry is compared with.
pub(crate) fn year_month(at: i64) -> (i64, i64) {
    let mut days = at.div_euclid(86_400);
    let mut year: i64 = 1970;
    while days >= year_days(year) {
        days = days.saturating_sub(year_days(year));
        year = year.saturating_add(1);
    }
    let february = year_days(year).saturating_sub(337);
    let mut month: i64 = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days = days.saturating_sub(length);
        month = month.saturating_add(1);
    }
    (year, month)
}

fn year_days(year: i64) -> i64 {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_of_known_instants() {
        for (at, expected) in [
            (0, (1970, 1)),
            (951_782_399, (2000, 2)),
            (951_782_400, (2000, 2)),
            (951_868_800, (2000, 3)),
            (1_767_225_599, (2025, 12)),
            (1_767_225_600, (2026, 1)),
            (4_107_542_400, (2100, 3)),
        ] {
            assert_eq!(year_month(at), expected, "{at}");
        }
    }

    #[test]
    fn advancing_adds_up() {
        let clock = Clock::default();
        let before = clock.now_ms();
        clock.advance(1000);
        assert_eq!(clock.advance(500), 1500);
        assert!(clock.now_ms() >= before + 1500);
    }
}
