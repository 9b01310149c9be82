//! Instants as MPP writes them.

use alloc::{format, string::String};

const DAY: u64 = 86_400;

/// An instant in RFC 3339, in UTC, to the second: `2030-01-15T12:05:00Z`. Of two such texts the later
/// instant is the greater text, up to the year 9999.
#[must_use]
pub fn instant(unix_ms: u64) -> String {
    let seconds = unix_ms / 1_000;
    let (days, of_day) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day since 1970-01-01. Years begin in March here, so that a leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days / ERA, days % ERA);
    let leaps = (of_era / 1_460).saturating_add(of_era / 146_096);
    let of_era_year = of_era.saturating_sub(leaps).saturating_add(of_era / 36_524) / 365;
    let before = of_era_year.saturating_mul(365).saturating_add(of_era_year / 4);
    let of_year = of_era.saturating_add(of_era_year / 100).saturating_sub(before);
    let march_month = of_year.saturating_mul(5).saturating_add(2) / 153;
    let begins = march_month.saturating_mul(153).saturating_add(2) / 5;
    let day = of_year.saturating_sub(begins).saturating_add(1);
    let month = if march_month < 10 {
        march_month.saturating_add(3)
    } else {
        march_month.saturating_sub(9)
    };
    let year = era.saturating_mul(400).saturating_add(of_era_year);
    (year.saturating_add(u64::from(month <= 2)), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `date -u -d @…` of GNU coreutils gives them.
    #[test]
    fn instants_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (1_894_709_100, "2030-01-15T12:05:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(instant(seconds * 1_000 + 999), text);
        }
    }

    #[test]
    fn a_day_follows_a_day() {
        let mut before = instant(0);
        for day in 1..60_000 {
            let next = instant(day * DAY * 1_000);
            assert!(next > before, "{before} {next}");
            before = next;
        }
    }
}
