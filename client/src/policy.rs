//! What a caller agrees to pay.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{ClientId, Currency, PaymentMethodId, Units};

/// How much may be paid, with what, and where. Amounts are in units of [`Policy::currency`];
/// budgets count what cards are charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    /// The card to pay with. A card or client id is offered at the first origin that asks for it,
    /// and nowhere else unless [`Policy::origins`] names more.
    #[serde(rename = "paymentMethodId")]
    pub payment_method: Option<PaymentMethodId>,
    /// A client id that is known already.
    pub client_id: Option<ClientId>,
    /// Whether somebody will be asked for a card when none is here.
    pub can_ask_for_card: bool,
    /// The only currency that is paid in.
    pub currency: Currency,
    /// The most that one request may cost; $1.00 unless given.
    pub max_price: Option<Units>,
    /// The most that a card may be charged at once; $10.00 unless given.
    pub max_charge: Option<Units>,
    /// What to charge a card, if the server's least is not wanted.
    pub top_up: Option<Units>,
    /// The most that cards may be charged in 24 hours.
    pub budget_per_day: Option<Units>,
    /// The most that cards may be charged, ever, as long as the purse is kept.
    pub budget_total: Option<Units>,
    /// Origins that may be paid (`https://api.example`); any if absent.
    pub origins: Option<Vec<String>>,
    /// Whether credentials may be sent unencrypted to other machines.
    pub allow_http: bool,
    /// How often a request is sent again when the server says that it was not served.
    pub retries: u8,
}

/// Limits that cannot be guessed. Retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Defaults of dollars would be millions in some currencies, and nothing in others.
    #[error(
        "{0} has no cents, so there are no default limits: set the highest price of a request and the highest amount of a charge"
    )]
    LimitsMissing(Currency),
}

/// $1.00.
const MOST_PRICE: Units = Units::from_u32(10_000);
/// $10.00.
const MOST_CHARGE: Units = Units::from_u32(100_000);

impl Default for Policy {
    fn default() -> Self {
        Self {
            payment_method: None,
            client_id: None,
            can_ask_for_card: false,
            currency: Currency::USD,
            max_price: None,
            max_charge: None,
            top_up: None,
            budget_per_day: None,
            budget_total: None,
            origins: None,
            allow_http: false,
            retries: 3,
        }
    }
}

impl Policy {
    /// A policy that pays with this card, up to $1.00 for a request and $10.00 at once.
    #[must_use]
    pub fn card(payment_method: PaymentMethodId) -> Self {
        Self { payment_method: Some(payment_method), ..Self::default() }
    }

    /// The same with every limit in place.
    ///
    /// # Errors
    /// [`PolicyError`] where a limit is missing that has no sensible default.
    pub fn checked(self) -> Result<Self, PolicyError> {
        if self.currency.has_cents() || (self.max_price.is_some() && self.max_charge.is_some()) {
            Ok(self)
        } else {
            Err(PolicyError::LimitsMissing(self.currency))
        }
    }

    /// The most that one request may cost: what is set, or else $1.00; nothing in a currency without cents.
    #[must_use]
    pub fn most_price(&self) -> Units {
        self.max_price.unwrap_or_else(|| self.default_limit(MOST_PRICE))
    }

    /// The most that a card may be charged at once: what is set, or else $10.00; nothing in a currency without
    /// cents.
    #[must_use]
    pub fn most_charge(&self) -> Units {
        self.max_charge.unwrap_or_else(|| self.default_limit(MOST_CHARGE))
    }

    /// Unchecked policies without limits pay nothing rather than anything.
    fn default_limit(&self, limit: Units) -> Units {
        if self.currency.has_cents() { limit } else { Units::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_without_cents_has_no_default_limits() {
        let yen = Policy { currency: "jpy".parse().unwrap(), ..Policy::default() };
        assert_eq!((yen.most_price(), yen.most_charge()), (Units::ZERO, Units::ZERO));
        assert_eq!(yen.clone().checked(), Err(PolicyError::LimitsMissing(yen.currency)));
        let most = Some(Units::from_u32(1_000_000));
        let limited = Policy { max_price: most, max_charge: most, ..yen };
        assert!(limited.checked().is_ok());
    }

    #[test]
    fn a_misspelt_limit_is_refused() {
        assert!(serde_json::from_str::<Policy>(r#"{"maxPrize": 5}"#).is_err());
        assert!(serde_json::from_str::<Policy>(r#"{"maxPrice": 0.05}"#).is_err());
    }
}
