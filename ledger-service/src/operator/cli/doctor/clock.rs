//! This machine's clock beside Stripe's.

use std::time::UNIX_EPOCH;

use super::check::Check;

const CLOCK: &str = "clock";
/// The network and whole seconds explain so many seconds.
const CLOSE: u64 = 5;
/// From here on the ledger refuses deductions of a gateway whose clock is right (LEDGER_CLOCK_SKEW is 60 s).
const FAR: u64 = 60;

/// Compares `now_ms` with the `Date` of Stripe's answer.
pub(super) fn check(date: Option<&str>, now_ms: u64) -> Check {
    let theirs = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let theirs = theirs.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let Some(theirs) = theirs else {
        let mend = "compare this machine's clock with another one";
        return Check::warn(CLOCK, "Stripe's answer has no date to compare with", mend);
    };
    let ours = now_ms / 1_000;
    let off = ours.abs_diff(theirs.as_secs());
    let direction = if ours > theirs.as_secs() { "ahead of" } else { "behind" };
    let finding = format!("{off} s {direction} Stripe's");
    let mend = "synchronise this machine's clock (NTP): deductions carry the time, and certificates end by it";
    if off <= CLOSE {
        return Check::ok(CLOCK, format!("within {CLOSE} s of Stripe's"));
    }
    if off < FAR { Check::warn(CLOCK, finding, mend) } else { Check::fail(CLOCK, finding, mend) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::cli::doctor::check::Status;

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        // Sun, 06 Nov 1994 08:49:37 GMT.
        const THEN: u64 = 784_111_777;
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (seconds, status, words) in [
            (THEN, Status::Ok, "within 5 s"),
            (THEN - 5, Status::Ok, "within 5 s"),
            (THEN + 6, Status::Warn, "6 s ahead of"),
            (THEN - 59, Status::Warn, "59 s behind"),
            (THEN + 60, Status::Fail, "60 s ahead of"),
            (THEN - 600, Status::Fail, "600 s behind"),
        ] {
            let found = check(date, seconds * 1_000);
            assert_eq!(found.status, status, "{seconds}");
            assert!(found.finding.contains(words), "{}", found.finding);
        }
        assert_eq!(check(None, 0).status, Status::Warn);
        assert_eq!(check(Some("yesterday"), 0).status, Status::Warn);
    }
}
