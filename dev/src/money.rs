//! Units as money, for people.

/// `$4.95`, or `4.95 EUR`; four decimals where two do not suffice.
pub(crate) fn money(units: i64, currency: &str) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    let (major, rest) = (units / 10_000, units % 10_000);
    let amount = if rest % 100 == 0 {
        format!("{major}.{:02}", rest / 100)
    } else {
        format!("{major}.{rest:04}")
    };
    match currency {
        "usd" => format!("{sign}${amount}"),
        other => format!("{sign}{amount} {}", other.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_price() {
        let rows = [
            (0, "$0.00"),
            (1, "$0.0001"),
            (100, "$0.01"),
            (150, "$0.0150"),
            (500, "$0.05"),
            (10_000, "$1.00"),
            (49_500, "$4.95"),
            (-50_000, "-$5.00"),
        ];
        for (units, text) in rows {
            assert_eq!(money(units, "usd"), text);
        }
        assert_eq!(money(12_500, "eur"), "1.25 EUR");
    }
}
