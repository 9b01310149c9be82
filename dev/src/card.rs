//! Card numbers for tests: valid by their check digit, and new each time where a new card is wanted.

use crate::{Error, Result};

/// A card that always pays.
pub const VISA: &str = "4242424242424242";

/// A number like [`VISA`] that nobody used before, so that its client starts without a balance.
///
/// # Errors
/// If the system gives no random bytes.
pub fn fresh() -> Result<String> {
    let mut random = [0; 9];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Invalid(format!("no random bytes: {error}")))?;
    let mut digits = vec![4, 2, 4, 2, 4, 2];
    // The slight bias towards small digits does not matter here.
    digits.extend(random.iter().map(|byte| byte.checked_rem(10).unwrap_or_default()));
    digits.push(check_digit(&digits));
    Ok(digits.iter().map(|digit| char::from(b'0'.saturating_add(*digit))).collect())
}

/// Luhn's check digit for the digits before it.
fn check_digit(digits: &[u8]) -> u8 {
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(place, digit)| weighted(place, *digit)).sum();
    let rest = u8::try_from(sum.checked_rem(10).unwrap_or_default()).unwrap_or_default();
    10_u8.saturating_sub(rest).checked_rem(10).unwrap_or_default()
}

fn weighted(place: usize, digit: u8) -> u32 {
    let digit = u32::from(digit);
    // The digit next to the check digit counts double, then every other one.
    if !place.is_multiple_of(2) {
        return digit;
    }
    let doubled = digit.saturating_mul(2);
    if doubled > 9 { doubled.saturating_sub(9) } else { doubled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_known_cards() {
        for card in [VISA, "4000000000000002", "5555555555554444", "79927398713"] {
            let digits: Vec<u8> = card.bytes().map(|byte| byte - b'0').collect();
            let (last, before) = digits.split_last().unwrap();
            assert_eq!(check_digit(before), *last, "{card}");
        }
    }

    #[test]
    fn fresh_cards_differ() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 16);
        assert!(one.starts_with("424242"));
    }
}
