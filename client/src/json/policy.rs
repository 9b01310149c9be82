//! Policies as other languages write them: amounts may be text such as `0.05usd`.

use serde_json::Value;
use stripe402_protocol::Currency;

use crate::{Amount, Policy};

const AMOUNTS: [&str; 5] = ["maxPrice", "maxCharge", "topUp", "budgetPerDay", "budgetTotal"];

/// A policy with every limit in place.
///
/// # Errors
/// In words, if it has an unknown field, a wrong type, amounts in another currency, or lacks a limit.
pub fn policy(json: &str) -> Result<Policy, String> {
    let mut value = super::value(json)?;
    let mut currencies: Vec<Currency> = Vec::new();
    for name in AMOUNTS {
        let Some(Value::String(text)) = value.get(name) else { continue };
        let amount: Amount = text.parse().map_err(|error| format!("{name}: {error}"))?;
        currencies.extend(amount.currency);
        if let Some(slot) = value.get_mut(name) {
            *slot = amount.units.get().into();
        }
    }
    let policy: Policy = super::read(value)?;
    if let Some(other) = currencies.iter().find(|currency| **currency != policy.currency) {
        return Err(format!("an amount is in {other}, and payments are in {}", policy.currency));
    }
    policy.checked().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_units_or_money() {
        let read = policy(r#"{"maxPrice": "0.05usd", "budgetTotal": 7, "topUp": "9"}"#).unwrap();
        assert_eq!(read.max_price.unwrap().get(), 500);
        assert_eq!(read.budget_total.unwrap().get(), 7);
        assert_eq!(read.top_up.unwrap().get(), 9);
        for wrong in [
            r#"{"maxPrice": "0.05eur"}"#,
            r#"{"maxPrice": "a lot"}"#,
            r#"{"maxPrice": 0.5}"#,
            r#"{"maximumPrice": 5}"#,
            r#"{"currency": "jpy"}"#,
            "{",
        ] {
            assert!(policy(wrong).is_err(), "{wrong}");
        }
    }
}
