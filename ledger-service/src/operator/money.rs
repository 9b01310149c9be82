//! Units as people write money.

use stripe402_protocol::Currency;

/// Units as money: `4.95 usd`, down to a hundredth of a cent where there is one.
pub(super) fn money(units: i64, currency: Currency) -> String {
    let (sign, number) = written(units);
    format!("{sign}{number} {currency}")
}

/// Units as money in a sentence: `$4.95`; `4.95 eur` in other currencies.
pub(super) fn in_words(units: i64, currency: Currency) -> String {
    if currency != Currency::USD {
        return money(units, currency);
    }
    let (sign, number) = written(units);
    format!("{sign}${number}")
}

/// The sign and the number.
fn written(units: i64) -> (&'static str, String) {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    let (major, rest) =
        (units.checked_div(10_000).unwrap_or(0), units.checked_rem(10_000).unwrap_or(0));
    let fraction = format!("{rest:04}");
    let shown = fraction.strip_suffix("00").unwrap_or(&fraction);
    (sign, format!("{major}.{shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_as_exactly_as_it_is() {
        for (units, shown, in_a_sentence) in [
            (0, "0.00 usd", "$0.00"),
            (49_500, "4.95 usd", "$4.95"),
            (1, "0.0001 usd", "$0.0001"),
            (-150, "-0.0150 usd", "-$0.0150"),
            (9_007_199_254_740_991, "900719925474.0991 usd", "$900719925474.0991"),
        ] {
            assert_eq!(money(units, Currency::USD), shown);
            assert_eq!(in_words(units, Currency::USD), in_a_sentence);
        }
        assert_eq!(in_words(30_000, "eur".parse().unwrap()), "3.00 eur");
    }
}
