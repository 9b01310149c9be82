//! Holds that are not settled.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{Currency, DeductionId, Units};
use utoipa::ToSchema;

use crate::accounting::OpenHold;

/// A hold that is not settled: what a request may cost at most, until its price is known
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// As in the gateway's access log
    pub charge: String,
    /// Whose it is
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// How much is held
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub amount: Units,
    /// The priced route
    pub route: String,
    /// When the gateway minted its id
    pub at_ms: u64,
    /// When it ends, if nobody captures or voids it before
    pub ends_ms: u64,
    /// What is captured at its end; the rest is released
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub at_end: Units,
    /// For how long it has been held, by the gateway's and the ledger's clocks
    pub age_seconds: u64,
    /// Whether it is a lease, from which a gateway pays for many requests
    pub lease: bool,
}

impl Hold {
    pub(crate) fn of(id: &DeductionId, hold: OpenHold, now_ms: u64) -> Self {
        let at_ms = id.minted_ms();
        Self {
            charge: id.to_string(),
            subject: hold.account.client.subject(),
            currency: hold.account.currency,
            amount: hold.amount,
            route: hold.route,
            at_ms,
            ends_ms: hold.terms.ends_ms,
            at_end: hold.terms.at_end,
            age_seconds: now_ms.saturating_sub(at_ms) / 1_000,
            lease: hold.terms.lease.is_some(),
        }
    }

    /// The route, and whether it is a lease, for people.
    pub(crate) fn shown_route(&self) -> String {
        if self.lease { format!("{} (lease)", self.route) } else { self.route.clone() }
    }

    /// Seconds until it ends, when it was shown; 0 if its end has come.
    pub(crate) const fn ends_in_seconds(&self) -> u64 {
        let lasts = self.ends_ms.saturating_sub(self.at_ms) / 1_000;
        lasts.saturating_sub(self.age_seconds)
    }
}

/// Holds that are not settled
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holds {
    /// The earliest end first
    pub holds: Vec<Hold>,
    /// Whether there are more than these
    pub more: bool,
    /// The `cursor` of the next ones; absent after the last
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
