//! Units that the API says itself, in a header or a trailer.

use stripe402_protocol::Units;

use super::Wrong;

/// Digits of a number that can be an amount: 2^53 − 1 has 16.
pub(super) const LONGEST_NUMBER: usize = 16;

/// What a header or a trailer said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Said {
    #[default]
    Nothing,
    Units(u64),
    Wrong(Wrong),
}

impl Said {
    /// Another place says so. Places that differ cannot be told apart.
    pub(super) fn sight(&mut self, value: &[u8]) {
        let read = units(value);
        *self = match (*self, read) {
            (Self::Wrong(wrong), _) | (_, Err(wrong)) => Self::Wrong(wrong),
            (Self::Nothing, Ok(units)) => Self::Units(units),
            (Self::Units(before), Ok(units)) if before == units => Self::Units(units),
            (Self::Units(_), Ok(_)) => Self::Wrong(Wrong::Differ),
        };
    }

    /// The units, if they were said.
    pub(super) const fn number(self) -> Result<Option<u64>, Wrong> {
        match self {
            Self::Nothing => Ok(None),
            Self::Units(units) => Ok(Some(units)),
            Self::Wrong(wrong) => Err(wrong),
        }
    }
}

pub(super) fn units(value: &[u8]) -> Result<u64, Wrong> {
    let value = value.trim_ascii();
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() {
        return Err(Wrong::NotANumber);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        let fraction = digits.iter().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte))
            && digits.first().is_some_and(u8::is_ascii_digit);
        return Err(if fraction { Wrong::Fraction } else { Wrong::NotANumber });
    }
    if digits.len() != value.len() {
        return Err(Wrong::Negative);
    }
    if digits.len() > LONGEST_NUMBER {
        return Err(Wrong::TooLarge);
    }
    let number = digits.iter().try_fold(0_u64, |number, digit| append(number, *digit));
    number.ok_or(Wrong::TooLarge)
}

/// The number with a digit more; `None` above [`Units::MAX`].
pub(super) fn append(number: u64, digit: u8) -> Option<u64> {
    let digit = u64::from(digit.checked_sub(b'0')?);
    let longer = number.checked_mul(10)?.checked_add(digit)?;
    let most = u64::try_from(Units::MAX.get()).ok()?;
    (longer <= most).then_some(longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_units_and_nothing_else_is() {
        for (value, expected) in [
            ("0", Ok(0)),
            ("0042", Ok(42)),
            (" 7 ", Ok(7)),
            ("9007199254740991", Ok(9_007_199_254_740_991)),
            ("9007199254740992", Err(Wrong::TooLarge)),
            ("99999999999999999999999", Err(Wrong::TooLarge)),
            ("00000000000000007", Err(Wrong::TooLarge)),
            ("-1", Err(Wrong::Negative)),
            ("1.0", Err(Wrong::Fraction)),
            ("1e3", Err(Wrong::Fraction)),
            ("-0.5", Err(Wrong::Fraction)),
            ("", Err(Wrong::NotANumber)),
            ("-", Err(Wrong::NotANumber)),
            ("+1", Err(Wrong::NotANumber)),
            ("1, 1", Err(Wrong::NotANumber)),
            ("0x10", Err(Wrong::NotANumber)),
            ("1 000", Err(Wrong::NotANumber)),
            ("\u{663}", Err(Wrong::NotANumber)),
        ] {
            assert_eq!(units(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn two_places_must_say_the_same() {
        for (values, expected) in [
            (&[][..], Ok(None)),
            (&["5"][..], Ok(Some(5))),
            (&["5", "5"][..], Ok(Some(5))),
            (&["5", "6"][..], Err(Wrong::Differ)),
            (&["5", "6", "5"][..], Err(Wrong::Differ)),
            (&["x", "5"][..], Err(Wrong::NotANumber)),
        ] {
            let mut said = Said::default();
            values.iter().for_each(|value| said.sight(value.as_bytes()));
            assert_eq!(said.number(), expected, "{values:?}");
        }
    }
}
