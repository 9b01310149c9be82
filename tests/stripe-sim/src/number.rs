//! Card numbers: their form, check digit and brand.

/// What is wrong with a card number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadNumber {
    /// Not 12 to 19 digits.
    Form,
    /// The check digit is wrong.
    CheckDigit,
}

/// A brand, as `card.brand` spells it, with what people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brand {
    pub(crate) name: &'static str,
    /// How many digits the security code has.
    pub(crate) cvc_len: usize,
}

/// Removes what people put between the digits.
pub(crate) fn normalise(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect()
}

/// Checks the form and the check digit (Luhn).
pub(crate) fn check(number: &str) -> Result<(), BadNumber> {
    let digits: Option<Vec<u32>> = number.chars().map(|letter| letter.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| (12..=19).contains(&digits.len())) else {
        return Err(BadNumber::Form);
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit.saturating_mul(2)) {
            (0, _) => *digit,
            (_, double) if double > 9 => double.saturating_sub(9),
            (_, double) => double,
        })
        .sum();
    if sum.is_multiple_of(10) { Ok(()) } else { Err(BadNumber::CheckDigit) }
}

/// The brand by the leading digits.
pub(crate) fn brand(number: &str) -> Brand {
    let name = match number.get(..2).unwrap_or_default() {
        "34" | "37" => "amex",
        "30" | "36" | "38" | "39" => "diners",
        "35" => "jcb",
        "51" | "52" | "53" | "54" | "55" | "22" | "23" | "24" | "25" | "26" | "27" => "mastercard",
        "60" | "64" | "65" => "discover",
        "62" => "unionpay",
        other if other.starts_with('4') => "visa",
        _ => "unknown",
    };
    Brand { name, cvc_len: if name == "amex" { 4 } else { 3 } }
}

pub(crate) fn last4(number: &str) -> &str {
    number.get(number.len().saturating_sub(4)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_and_check_digit() {
        for (number, expected) in [
            ("4242424242424242", Ok(())),
            ("4242424242424241", Err(BadNumber::CheckDigit)),
            ("424242424242424x", Err(BadNumber::Form)),
            ("42424242", Err(BadNumber::Form)),
            ("42424242424242424242", Err(BadNumber::Form)),
            ("378282246310005", Ok(())),
        ] {
            assert_eq!(check(number), expected, "{number}");
        }
        assert_eq!(normalise("4242 4242-4242 4242"), "4242424242424242");
    }

    #[test]
    fn brands() {
        for (number, name, cvc_len) in [
            ("4242424242424242", "visa", 3),
            ("378282246310005", "amex", 4),
            ("2223003122003222", "mastercard", 3),
            ("3056930009020004", "diners", 3),
            ("3566002020360505", "jcb", 3),
            ("6011111111111117", "discover", 3),
            ("6200000000000005", "unionpay", 3),
        ] {
            assert_eq!(brand(number), Brand { name, cvc_len }, "{number}");
        }
        assert_eq!(last4("378282246310005"), "0005");
    }
}
