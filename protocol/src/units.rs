//! Amounts. One unit is 1/10,000 of a currency's major unit: 10,000 units are $1.00.

use core::fmt;

use serde::{Deserialize, Serialize};

/// An amount of credit: never negative, at most [`Units::MAX`].
///
/// Arithmetic is checked; there is no operator that could wrap or saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Units(i64);

/// An amount below zero or above [`Units::MAX`]. Retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount must be between 0 and 9007199254740991 units")]
pub struct AmountOutOfRange;

impl Units {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// 2^53 − 1: the largest integer that JSON readers and Lua, whose numbers are doubles, keep exact.
    pub const MAX: Self = Self(9_007_199_254_740_991);

    /// An amount of `units`.
    ///
    /// # Errors
    /// [`AmountOutOfRange`] if it is negative or above [`Units::MAX`].
    pub const fn new(units: i64) -> Result<Self, AmountOutOfRange> {
        if units < 0 || units > Self::MAX.0 { Err(AmountOutOfRange) } else { Ok(Self(units)) }
    }

    /// An amount known when the program is written.
    #[must_use]
    pub const fn from_u32(units: u32) -> Self {
        // Widening; `i64::from` is not const.
        #[expect(clippy::as_conversions, reason = "u32 to i64 is lossless")]
        Self(units as i64)
    }

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The number in decimal, into a buffer of the caller's: every paid request writes a few.
    #[must_use]
    pub fn digits(self, text: &mut [u8; 16]) -> &str {
        let mut rest = self.0.unsigned_abs();
        let mut places = text.iter_mut().rev();
        let mut unused = 16_usize;
        for place in &mut places {
            *place = u8::try_from(rest % 10).unwrap_or(0).wrapping_add(b'0');
            rest /= 10;
            unused = unused.saturating_sub(1);
            if rest == 0 {
                break;
            }
        }
        let digits = text.get(unused..).unwrap_or_default();
        // Digits are ASCII.
        core::str::from_utf8(digits).unwrap_or_default()
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` above [`Units::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|sum| Self::new(sum).ok())
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(|rest| Self::new(rest).ok())
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<i64> for Units {
    type Error = AmountOutOfRange;

    fn try_from(units: i64) -> Result<Self, AmountOutOfRange> {
        Self::new(units)
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stay_within_their_range() {
        assert_eq!(Units::new(-1), Err(AmountOutOfRange));
        assert_eq!(Units::new(Units::MAX.get() + 1), Err(AmountOutOfRange));
        assert_eq!(Units::MAX.checked_add(Units::from_u32(1)), None);
        assert_eq!(Units::ZERO.checked_sub(Units::from_u32(1)), None);
        assert_eq!(Units::from_u32(7).checked_sub(Units::from_u32(3)), Some(Units::from_u32(4)));
    }

    #[test]
    fn digits_are_what_display_writes() {
        for units in [0, 7, 10, 99, 100, 9_876_543, Units::MAX.get()] {
            let units = Units::new(units).unwrap();
            assert_eq!(units.digits(&mut [0; 16]), alloc::string::ToString::to_string(&units));
        }
    }

    #[test]
    fn json_refuses_what_is_no_amount() {
        for wrong in ["-1", "9007199254740992", "1.5", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Units>(wrong).is_err(), "{wrong}");
        }
    }
}
