//! Amounts, numbers and moments as people write them, and back.

use maud::{Markup, html};
use stripe402_protocol::Currency;

use crate::operator::{moment, money};

/// `1,234.56 usd`, as exact as it is.
pub(super) fn money(units: i64, currency: Currency) -> Markup {
    let shown = money::money(units, currency);
    let (number, code) = shown.split_once(' ').unwrap_or((&shown, ""));
    let (whole, rest) = number.split_once('.').unwrap_or((number, "00"));
    html! { span.money { (grouped(whole)) "." (rest) " " small { (code) } } }
}

/// `1,234,567`.
pub(super) fn number(of: i64) -> String {
    grouped(&of.to_string())
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("−", rest));
    let mut shown = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Units of an amount as people write it: `12`, `-0.5`, `3.1415`.
pub(super) fn units(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |of: &str| of.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || digits == "." || fraction.len() > 4 {
        return None;
    }
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let units: i64 = format!("{whole}{fraction:0<4}").parse().ok()?;
    if negative { units.checked_neg() } else { Some(units) }
}

/// `22 Nov, 15:04`, UTC; the whole moment for machines and for who points at it.
pub(super) fn moment(unix_ms: u64) -> Markup {
    let whole = moment::moment(unix_ms);
    html! { time datetime=(whole) title=(whole) { (moment::day(unix_ms)) ", " (moment::clock(unix_ms)) } }
}

/// A word of the books as people read it: `dispute_opened` → `dispute opened`.
pub(super) fn plain(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_there_and_back() {
        for (text, expected) in [
            ("1", Some(10_000)),
            (" 0.5 ", Some(5_000)),
            ("-.5", Some(-5_000)),
            ("3.1415", Some(31_415)),
            ("1.", Some(10_000)),
            ("", None),
            (".", None),
            ("-", None),
            ("1.23456", None),
            ("1,5", None),
            ("1e3", None),
            ("+1", None),
            ("--1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(units(text), expected, "{text:?}");
        }
        let shown = money(-12_345_678_900, Currency::USD).into_string();
        assert_eq!(shown, r#"<span class="money">−1,234,567.89 <small>usd</small></span>"#);
    }

    #[test]
    fn moments_and_numbers() {
        let shown = moment(1_795_000_000_123).into_string();
        assert!(
            shown.contains("2026-11-18T11:06:40Z") && shown.contains("18 Nov, 11:06"),
            "{shown}"
        );
        for (of, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "−1,234,567")]
        {
            assert_eq!(number(of), shown);
        }
    }
}
