//! Prices that are known only afterwards: read with suspicion, and said in words.

use serde_json::Value;
use stripe402_protocol::{Currency, Pricing, UnitPrice, Units};

use crate::{answer::read, money, terms::plain};

/// More than anybody reads.
const MOST_UNIT_PRICES: usize = 64;

/// What a challenge of this price says of it; `None` where it says nothing that is understood: the
/// price can be paid all the same. A contradiction is an error, in words.
pub(crate) fn read_from(
    value: Option<Value>,
    price: Units,
) -> Result<Option<Pricing>, &'static str> {
    let Some(pricing) = value.and_then(read::<Pricing>) else { return Ok(None) };
    if pricing.kind != Pricing::UP_TO {
        return Ok(None);
    }
    if pricing.most != price {
        return Err("it says two different things about the price");
    }
    if pricing.least > pricing.most {
        return Err("the least price is above the most");
    }
    let unit_prices = pricing.unit_prices.into_iter().take(MOST_UNIT_PRICES);
    let unit_prices = unit_prices.map(|unit| UnitPrice {
        of: plain(&unit.of),
        when: unit.when.map(|when| plain(&when)),
        ..unit
    });
    Ok(Some(Pricing {
        description: plain(&pricing.description),
        unit_prices: unit_prices.collect(),
        ..pricing
    }))
}

/// `at most $2.00 a request; $0.25 per 1,000 prompt; at least $0.01`.
#[must_use]
pub fn pricing_in_words(pricing: &Pricing, currency: Currency) -> String {
    let mut parts = vec![format!("at most {} a request", money(pricing.most, currency))];
    let units: Vec<String> =
        pricing.unit_prices.iter().map(|unit| unit_in_words(unit, currency)).collect();
    if units.is_empty() {
        parts.push("the server says afterwards what it cost".to_owned());
    } else {
        parts.push(units.join(", "));
    }
    if !pricing.least.is_zero() {
        parts.push(format!("at least {}", money(pricing.least, currency)));
    }
    if let Some(by) = pricing.extend_by {
        let by = money(by, currency);
        parts.push(format!("a longer answer costs {by} more at a time, up to --max-price"));
    }
    parts.join("; ")
}

fn unit_in_words(unit: &UnitPrice, currency: Currency) -> String {
    let counted = match (unit.per, unit.of.as_str()) {
        (1, "seconds") => "second".to_owned(),
        (1, "bytes") => "byte".to_owned(),
        (per, of) => format!("{} {of}", thousands(per)),
    };
    let when = unit.when.as_deref().map(|when| format!(" ({when})")).unwrap_or_default();
    format!("{} per {counted}{when}", money(unit.units, currency))
}

/// With a comma before every third digit.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(at);
        if at > 0 && left.checked_rem(3) == Some(0) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pricing() -> Value {
        json!({
            "kind": "upto", "most": 20_000, "least": 100, "description": "Tokens",
            "unitPrices": [
                {"of": "prompt", "units": 2_500, "per": 1_000},
                {"of": "completion", "units": 10_000, "per": 1_000},
            ],
        })
    }

    fn altered(field: &str, to: Value) -> Option<Value> {
        let mut pricing = pricing();
        pricing[field] = to;
        Some(pricing)
    }

    const MOST: Units = Units::from_u32(20_000);

    fn said(value: Option<Value>) -> String {
        let pricing = read_from(value, MOST).unwrap().unwrap();
        pricing_in_words(&pricing, Currency::USD)
    }

    #[test]
    fn a_metered_price_is_a_sentence() {
        assert_eq!(
            said(Some(pricing())),
            "at most $2.00 a request; $0.25 per 1,000 prompt, $1.00 per 1,000 completion; at least $0.01"
        );
        let units = json!([
            {"of": "bytes", "units": 3, "per": 1_048_576},
            {"of": "seconds", "units": 100, "per": 1},
            {"of": "rows", "when": "large", "units": 100, "per": 10},
        ]);
        assert_eq!(
            said(altered("unitPrices", units)),
            "at most $2.00 a request; $0.0003 per 1,048,576 bytes, $0.01 per second, \
             $0.01 per 10 rows (large); at least $0.01"
        );
        let mut bare = pricing();
        bare["least"] = json!(0);
        bare["unitPrices"] = json!([]);
        assert_eq!(
            said(Some(bare)),
            "at most $2.00 a request; the server says afterwards what it cost"
        );
    }

    #[test]
    fn another_kind_is_no_metered_price_and_a_contradiction_is_an_error() {
        assert_eq!(read_from(None, MOST), Ok(None));
        assert_eq!(read_from(altered("kind", json!("auction")), MOST), Ok(None));
        assert_eq!(read_from(Some(json!("upto")), MOST), Ok(None));
        assert!(read_from(altered("most", json!(20_001)), MOST).is_err());
        assert!(read_from(altered("least", json!(20_001)), MOST).is_err());
    }

    #[test]
    fn a_seller_cannot_move_a_cursor_or_fill_a_screen() {
        let many: Vec<Value> =
            (0..100).map(|_| json!({"of": "\u{1b}[2Jx", "units": 1, "per": 1})).collect();
        let pricing = read_from(altered("unitPrices", json!(many)), MOST).unwrap().unwrap();
        assert_eq!(pricing.unit_prices.len(), MOST_UNIT_PRICES);
        assert!(!pricing_in_words(&pricing, Currency::USD).contains('\u{1b}'));
    }
}
