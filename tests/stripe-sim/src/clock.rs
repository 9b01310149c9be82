//! The machine's time, and the calendar.

use std::time::{SystemTime, UNIX_EPOCH};

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
}
