//! The machine's time, and the calendar.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else asks")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds, as Stripe's timestamps are.
pub(crate) fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

/// The UTC year and month of an instant in Unix seconds: what card expiry is compared with. An instant
/// beyond the calendar is its beginning.
pub(crate) fn year_month(at: i64) -> (i64, i64) {
    let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (i64::from(at.year()), i64::from(u8::from(at.month())))
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
}
