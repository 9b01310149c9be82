//! What people know a card by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest name of a brand.
const LONGEST: usize = 32;

/// A card's brand as Stripe spells it and its last four digits: `visa 4242`. It says to people which card
/// was charged; it names nobody, since many cards share it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShownCard {
    brand: String,
    last4: String,
}

/// Not a brand and four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a card's brand and its last four digits")]
pub struct ParseShownCardError;

impl ShownCard {
    /// Of this brand and these digits, if they are such.
    #[must_use]
    pub fn new(brand: &str, last4: &str) -> Option<Self> {
        let is_brand = (1..=LONGEST).contains(&brand.len())
            && brand.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_last4 = last4.len() == 4 && last4.bytes().all(|byte| byte.is_ascii_digit());
        (is_brand && is_last4).then(|| Self { brand: brand.to_owned(), last4: last4.to_owned() })
    }

    /// The last four digits of its number.
    #[must_use]
    pub fn last4(&self) -> &str {
        &self.last4
    }
}

impl fmt::Display for ShownCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.brand, self.last4)
    }
}

impl FromStr for ShownCard {
    type Err = ParseShownCardError;

    fn from_str(text: &str) -> Result<Self, ParseShownCardError> {
        let (brand, last4) = text.split_once(' ').ok_or(ParseShownCardError)?;
        Self::new(brand, last4).ok_or(ParseShownCardError)
    }
}

impl TryFrom<String> for ShownCard {
    type Error = ParseShownCardError;

    fn try_from(text: String) -> Result<Self, ParseShownCardError> {
        text.parse()
    }
}

impl From<ShownCard> for String {
    fn from(card: ShownCard) -> Self {
        card.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_shown_by_its_brand_and_four_digits() {
        for text in ["visa 4242", "cartes_bancaires 0005", "unknown 0000"] {
            let card: ShownCard = text.parse().unwrap();
            assert_eq!(card.to_string(), text);
            let json = serde_json::to_string(&card).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<ShownCard>(&json).unwrap(), card);
        }
        for text in
            ["", "visa", "visa 424", "visa 42422", "Visa 4242", "vi sa 4242", "visa 424x", " 4242"]
        {
            assert_eq!(text.parse::<ShownCard>(), Err(ParseShownCardError), "{text:?}");
        }
    }
}
