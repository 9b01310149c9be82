//! Moments as people read them, UTC. What is beyond the calendar is shown as its number.

use time::{
    Date, OffsetDateTime, format_description::well_known::Rfc3339, formatting::Formattable,
    macros::format_description,
};

/// A day, in milliseconds.
pub(super) const DAY_MS: u64 = 86_400_000;

/// `2026-11-18T11:06:40Z`.
pub(super) fn moment(unix_ms: u64) -> String {
    written(unix_ms, &Rfc3339)
}

/// The moment that [`moment`] has written, in whole seconds.
pub(super) fn read(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    let seconds = time.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
    seconds.and_then(|seconds| seconds.checked_mul(1_000)).or_else(|| text.parse().ok())
}

/// `2026-11-18`.
pub(super) fn date(unix_ms: u64) -> String {
    written(unix_ms, format_description!("[year]-[month]-[day]"))
}

/// When the day `2026-11-18` began, Unix milliseconds.
pub(super) fn midnight(date: &str) -> Option<u64> {
    let day = Date::parse(date, format_description!("[year]-[month]-[day]")).ok()?;
    let seconds = u64::try_from(day.midnight().assume_utc().unix_timestamp()).ok()?;
    seconds.checked_mul(1_000)
}

/// `18 Nov`.
pub(super) fn day(unix_ms: u64) -> String {
    written(unix_ms, format_description!("[day padding:none] [month repr:short]"))
}

/// `11:06`.
pub(super) fn clock(unix_ms: u64) -> String {
    written(unix_ms, format_description!("[hour]:[minute]"))
}

/// `45 s`, `12 min`, `3 h 20 min`.
pub(super) fn span(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Whole seconds in this format.
fn written(unix_ms: u64, format: &(impl Formattable + ?Sized)) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).ok();
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(format).ok()).unwrap_or_else(|| unix_ms.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc() {
        for (unix_ms, whole, of_the_year, of_the_day) in [
            (1_795_000_000_123, "2026-11-18T11:06:40Z", "18 Nov", "11:06"),
            (951_782_400_000, "2000-02-29T00:00:00Z", "29 Feb", "00:00"),
            (0, "1970-01-01T00:00:00Z", "1 Jan", "00:00"),
        ] {
            assert_eq!(moment(unix_ms), whole);
            assert_eq!(date(unix_ms), whole.split('T').next().unwrap());
            assert_eq!((day(unix_ms).as_str(), clock(unix_ms).as_str()), (of_the_year, of_the_day));
        }
        assert_eq!(midnight("2026-11-18"), Some(1_794_960_000_000));
        assert_eq!(
            (midnight("2026-02-30"), midnight("1969-12-31"), midnight("")),
            (None, None, None)
        );
        assert_eq!(moment(u64::MAX), u64::MAX.to_string());
        assert_eq!(read("2026-11-18T11:06:40Z"), Some(1_795_000_000_000));
        assert_eq!((read(&moment(u64::MAX)), read("soon")), (Some(u64::MAX), None));
    }

    #[test]
    fn spans_are_as_short_as_people_need() {
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (12_059, "3 h 20 min"),
            (86_400, "24 h"),
        ] {
            assert_eq!(span(seconds), shown);
        }
    }
}
