//! Units as money, and the other way round, for people.

use std::str::FromStr;

use stripe402_protocol::{Currency, Units};

/// An amount as people write it: `500` units, or `0.05usd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// How many units.
    pub units: Units,
    /// Their currency, where it was written.
    pub currency: Option<Currency>,
}

/// Neither units nor money. Retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write units (500; 10,000 are one dollar), or money with its currency and at most four decimals (0.05usd)"
)]
pub struct ParseAmountError;

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        let letters = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, code) = text.split_at_checked(letters).ok_or(ParseAmountError)?;
        if code.is_empty() {
            let units = digits(number)?;
            return Ok(Self { units, currency: None });
        }
        let currency = code.to_ascii_lowercase().parse().map_err(|_| ParseAmountError)?;
        let (major, minor) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), "0"));
        if minor.len() > 4 {
            return Err(ParseAmountError);
        }
        let minor = digits(&format!("{minor:0<4}"))?;
        let units = digits(major)?.get().checked_mul(10_000);
        let units = units.and_then(|units| units.checked_add(minor.get()));
        let units = units.and_then(|units| Units::new(units).ok()).ok_or(ParseAmountError)?;
        Ok(Self { units, currency: Some(currency) })
    }
}

/// Digits alone: no sign, no exponent, not nothing.
fn digits(text: &str) -> Result<Units, ParseAmountError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseAmountError);
    }
    let units = text.parse().map_err(|_| ParseAmountError)?;
    Units::new(units).map_err(|_| ParseAmountError)
}

/// `$4.95`, or `4.95 EUR`; four decimals where two do not suffice.
#[must_use]
pub fn money(units: Units, currency: Currency) -> String {
    let major = units.get().checked_div(10_000).unwrap_or_default();
    let rest = units.get().checked_rem(10_000).unwrap_or_default();
    let amount = match (rest.checked_rem(100), rest.checked_div(100)) {
        (Some(0), Some(cents)) => format!("{major}.{cents:02}"),
        _ => format!("{major}.{rest:04}"),
    };
    if currency == Currency::USD {
        format!("${amount}")
    } else {
        format!("{amount} {}", currency.as_str().to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_in_units() {
        let usd = Some(Currency::USD);
        for (text, units, currency) in [
            ("0", 0, None),
            ("500", 500, None),
            ("0.05usd", 500, usd),
            ("0.05 USD", 500, usd),
            ("5usd", 50_000, usd),
            ("0.0001usd", 1, usd),
            ("12.5eur", 125_000, "eur".parse().ok()),
        ] {
            let expected = Amount { units: Units::from_u32(units), currency };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let wrong = [
            "",
            "usd",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "0.00001usd",
            ".5usd",
            "1.usd.5",
            "5 quid",
            "1,000",
            "99999999999999999usd",
            "9007199254740992",
        ];
        for wrong in wrong {
            assert_eq!(wrong.parse::<Amount>(), Err(ParseAmountError), "{wrong}");
        }
    }

    #[test]
    fn units_read_as_a_price() {
        for (units, text) in
            [(0, "$0.00"), (1, "$0.0001"), (500, "$0.05"), (150, "$0.0150"), (49_500, "$4.95")]
        {
            assert_eq!(money(Units::from_u32(units), Currency::USD), text);
        }
        assert_eq!(money(Units::from_u32(12_500), "eur".parse().unwrap()), "1.25 EUR");
    }
}
