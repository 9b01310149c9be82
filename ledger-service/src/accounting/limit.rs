//! How often something may happen within a time: card attempts, declines.
//!
//! Time is cut into pieces of a tenth of the window. Counted are the current piece and the ten
//! before it: never less than the window, at most a tenth more.

use std::time::Duration;

/// Pieces of a window that are counted beside the current one.
const PIECES: u64 = 10;

/// At most so many events of a name within a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted, e.g. `deductions of 192.0.2.1`.
    pub name: String,
    /// How many.
    pub most: u64,
    /// Within how long.
    pub window: Duration,
}

impl Limit {
    /// The length of a piece, in milliseconds.
    #[must_use]
    pub fn piece_ms(&self) -> u64 {
        let window = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX);
        (window / PIECES).max(1)
    }

    /// When the piece began that this moment lies in, Unix milliseconds.
    #[must_use]
    pub fn piece_at(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(now_ms.checked_rem(self.piece_ms()).unwrap_or(0))
    }

    /// The oldest piece that still counts.
    #[must_use]
    pub fn since(&self, now_ms: u64) -> u64 {
        self.piece_at(now_ms).saturating_sub(self.piece_ms().saturating_mul(PIECES))
    }

    /// What these counts, by piece, mean: `None` if there is room for one more, else after how
    /// long there may be.
    #[must_use]
    pub fn wait(&self, counts: &[(u64, u64)], now_ms: u64) -> Option<Duration> {
        let since = self.since(now_ms);
        let counted = || counts.iter().filter(|(piece, count)| *piece >= since && *count > 0);
        let sum = counted().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if sum < self.most {
            return None;
        }
        let oldest = counted().map(|(piece, _)| *piece).min().unwrap_or(now_ms);
        let leaves =
            oldest.saturating_add(self.piece_ms().saturating_mul(PIECES.saturating_add(1)));
        Some(Duration::from_millis(leaves.saturating_sub(now_ms).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(most: u64) -> Limit {
        Limit { name: "a".into(), most, window: Duration::from_secs(600) }
    }

    #[test]
    fn counted_is_the_window_and_at_most_a_tenth_more() {
        struct Case(u64, &'static [(u64, u64)], Option<u64>);
        let cases = [
            Case(1_000_000, &[], None),
            Case(1_000_000, &[(960_000, 1)], None),
            Case(1_000_000, &[(960_000, 2)], Some(960_000 + 660_000 - 1_000_000)),
            Case(1_000_000, &[(360_000, 1), (960_000, 1)], Some(360_000 + 660_000 - 1_000_000)),
            Case(1_019_999, &[(360_000, 2)], Some(1)),
            Case(1_020_000, &[(360_000, 2)], None),
        ];
        for Case(now, counts, wait) in cases {
            let expected = wait.map(Duration::from_millis);
            assert_eq!(limit(2).wait(counts, now), expected, "{now} {counts:?}");
        }
    }

    #[test]
    fn a_limit_of_none_lets_nothing_through() {
        assert!(limit(0).wait(&[], 1_000_000).is_some());
    }
}
