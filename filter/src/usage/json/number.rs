//! A number of JSON, digit by digit.

use crate::usage::{
    Wrong,
    units::{LONGEST_NUMBER, append},
};

/// A number that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    part: Part,
    value: u64,
    digits: usize,
    wrong: Option<Wrong>,
}

/// What was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Number {
    /// A number that begins with this byte: a digit, or `-`.
    pub(super) fn begin(byte: u8) -> Self {
        let empty = Self { part: Part::Minus, value: 0, digits: 0, wrong: None };
        if byte == b'-' {
            return Self { wrong: Some(Wrong::Negative), ..empty };
        }
        let mut number = empty;
        number.push(byte);
        number
    }

    /// Takes a byte, if it is part of the number.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        self.part = match (self.part, byte) {
            (Part::Minus, b'0') => Part::Zero,
            (Part::Minus, b'1'..=b'9') | (Part::Digits, b'0'..=b'9') => {
                self.digit(byte);
                Part::Digits
            }
            (Part::Zero | Part::Digits, b'.') => Part::Point,
            (Part::Point | Part::Fraction, b'0'..=b'9') => Part::Fraction,
            (Part::Zero | Part::Digits | Part::Fraction, b'e' | b'E') => Part::Exponent,
            (Part::Exponent, b'+' | b'-') => Part::Sign,
            (Part::Exponent | Part::Sign | Part::Power, b'0'..=b'9') => Part::Power,
            _ => return false,
        };
        if matches!(self.part, Part::Point | Part::Exponent) {
            self.wrong = Some(Wrong::Fraction);
        }
        true
    }

    fn digit(&mut self, byte: u8) {
        self.digits = self.digits.saturating_add(1);
        match append(self.value, byte) {
            Some(longer) if self.digits <= LONGEST_NUMBER => self.value = longer,
            _ => self.wrong = self.wrong.or(Some(Wrong::TooLarge)),
        }
    }

    /// The number, or why it counts for nothing. `None` if it is no number of JSON: it was cut off.
    pub(super) fn end(&self) -> Option<Result<u64, Wrong>> {
        match self.part {
            Part::Zero | Part::Digits | Part::Fraction | Part::Power => {
                Some(self.wrong.map_or(Ok(self.value), Err))
            }
            Part::Minus | Part::Point | Part::Exponent | Part::Sign => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_json() {
        let read = |text: &str| {
            let (first, rest) = text.as_bytes().split_first().unwrap();
            let mut number = Number::begin(*first);
            rest.iter().all(|byte| number.push(*byte)).then(|| number.end()).flatten()
        };
        for (text, expected) in [
            ("0", Some(Ok(0))),
            ("120", Some(Ok(120))),
            ("9007199254740991", Some(Ok(9_007_199_254_740_991))),
            ("9007199254740992", Some(Err(Wrong::TooLarge))),
            ("1000000000000000000000000000000000000000", Some(Err(Wrong::TooLarge))),
            ("-0", Some(Err(Wrong::Negative))),
            ("-7", Some(Err(Wrong::Negative))),
            ("1.0", Some(Err(Wrong::Fraction))),
            ("1e3", Some(Err(Wrong::Fraction))),
            ("-1E-3", Some(Err(Wrong::Fraction))),
            ("0.5e+07", Some(Err(Wrong::Fraction))),
            ("-", None),
            ("1.", None),
            ("1e", None),
            ("1e+", None),
            ("01", None),
            ("1.e1", None),
            ("1.2.3", None),
            ("--1", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
