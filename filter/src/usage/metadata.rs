//! Numbers that other filters of Envoy's wrote into the request's dynamic metadata.

use super::{Wrong, units};
use crate::pricing::Written;

/// What was found of a source's numbers, when the answer was over.
pub(super) type Found = Result<Option<Vec<u64>>, Wrong>;

/// The numbers of a source; `None` if one is not there.
pub(super) fn numbers(written: &Written, mut found: impl FnMut(&str) -> Option<Vec<u8>>) -> Found {
    written.keys.iter().map(|key| found(key).map(|value| number(&value)).transpose()).collect()
}

/// A number as Envoy hands it over: a double of eight bytes, or digits if a filter wrote text. Eight digits
/// are no double that is a whole number.
fn number(value: &[u8]) -> Result<u64, Wrong> {
    match value.first_chunk::<8>().filter(|double| double.len() == value.len()) {
        Some(double) if !value.iter().all(u8::is_ascii_digit) => {
            whole_double(u64::from_le_bytes(*double))
        }
        _ => units::units(value),
    }
}

/// The whole number that the bits of a double are (IEEE 754, binary64), without a float in between.
///
/// # Errors
/// Why it is none: [`Wrong`].
pub fn whole_double(bits: u64) -> Result<u64, Wrong> {
    const FRACTION: u32 = 52;
    let (sign, exponent) = (bits >> 63, (bits >> FRACTION) & 0x7ff);
    if bits << 1 == 0 {
        return Ok(0);
    }
    if exponent == 0x7ff {
        return Err(Wrong::NotANumber);
    }
    if sign == 1 {
        return Err(Wrong::Negative);
    }
    let digits = bits & ((1 << FRACTION) - 1) | 1 << FRACTION;
    // 1,075 is the exponent of a number that is all of these digits.
    let Some(below) = 1_075_u64.checked_sub(exponent) else { return Err(Wrong::TooLarge) };
    let Some(shift) = u32::try_from(below).ok().filter(|below| *below <= FRACTION) else {
        return Err(Wrong::Fraction);
    };
    if digits.trailing_zeros() < shift { Err(Wrong::Fraction) } else { Ok(digits >> shift) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_digits_are_numbers() {
        for (double, number) in [
            (0.0_f64, Ok(0)),
            (-0.0, Ok(0)),
            (1.0, Ok(1)),
            (130.0, Ok(130)),
            (9_007_199_254_740_991.0, Ok(9_007_199_254_740_991)),
            (9_007_199_254_740_992.0, Err(Wrong::TooLarge)),
            (1e300, Err(Wrong::TooLarge)),
            (0.5, Err(Wrong::Fraction)),
            (1.5, Err(Wrong::Fraction)),
            (1e-300, Err(Wrong::Fraction)),
            (f64::MIN_POSITIVE / 4.0, Err(Wrong::Fraction)),
            (-1.0, Err(Wrong::Negative)),
            (f64::NAN, Err(Wrong::NotANumber)),
            (f64::INFINITY, Err(Wrong::NotANumber)),
        ] {
            assert_eq!(super::number(&double.to_le_bytes()), number, "{double}");
        }
        for (text, number) in [
            ("7", Ok(7)),
            ("12345678", Ok(12_345_678)),
            ("seven", Err(Wrong::NotANumber)),
            ("", Err(Wrong::NotANumber)),
            ("-7", Err(Wrong::Negative)),
        ] {
            assert_eq!(super::number(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn all_of_them_are_needed() {
        let written = Written {
            names: vec!["in".into(), "out".into()],
            keys: vec!["ns\0in".into(), "ns\0out".into()],
            per_1000: None,
        };
        let found = |out: Option<f64>| {
            move |key: &str| match key {
                "ns\0in" => Some(3_f64.to_le_bytes().to_vec()),
                _ => out.map(|out| out.to_le_bytes().to_vec()),
            }
        };
        assert_eq!(numbers(&written, found(Some(4.0))), Ok(Some(vec![3, 4])));
        assert_eq!(numbers(&written, found(None)), Ok(None));
        assert_eq!(numbers(&written, found(Some(0.1))), Err(Wrong::Fraction));
    }
}
