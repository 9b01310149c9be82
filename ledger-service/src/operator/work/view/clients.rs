//! Clients, and what their accounts hold.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{Currency, Units};
use utoipa::ToSchema;

use super::Hold;
use crate::{
    accounting::{self, AccountKey},
    store::StoredDeduction,
};

/// What an account holds
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// What can be spent
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub available: Units,
    /// What is held: for requests whose price is not known yet, and for refunds under way
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub pending: Units,
    /// What refunds and disputes took beyond the balance
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub debt: Units,
    /// Neither deducted from nor topped up
    pub frozen: bool,
    /// How often its client's id was rotated
    pub generation: u32,
}

impl Account {
    pub(crate) fn of(key: &AccountKey, account: &accounting::Account) -> Self {
        Self {
            currency: key.currency,
            available: account.available,
            pending: account.pending,
            debt: account.debt,
            frozen: account.frozen,
            generation: account.rotation.generation,
        }
    }
}

/// A client
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Client {
    /// Its name for people: a hash of its id, which spends nothing
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// One for each currency
    pub accounts: Vec<Account>,
}

/// Some clients
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Clients {
    /// In the order of their ids
    pub clients: Vec<Client>,
    /// The `cursor` of the next ones; absent after the last
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A client in full
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientDetails {
    /// Its name for people
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// Its customer at Stripe
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// One for each currency
    pub accounts: Vec<AccountDetails>,
    /// Its holds that are not settled, in every currency: the first 100, the earliest end first
    pub holds: Vec<Hold>,
}

/// An account, and what it was used for
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountDetails {
    /// What it holds
    #[serde(flatten)]
    pub account: Account,
    /// Deductions, less voids
    pub requests: i64,
    /// What they took
    pub spent: i64,
    /// How much of what is available was paid for: the most that can be refunded
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub paid: Units,
    /// What is left of grants, the one that is spent next first
    pub grants: Vec<Grant>,
    /// The latest deductions
    pub recent: Vec<Deduction>,
}

/// What is left of credit that was given
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// The operator's name for it
    pub reference: String,
    /// How much it was, without what has expired
    #[schema(value_type = i64)]
    pub granted: Units,
    /// How much of it is not spent
    #[schema(value_type = i64)]
    pub left: Units,
    /// When that expires; absent if never
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
}

impl From<&accounting::Lot> for Grant {
    fn from(lot: &accounting::Lot) -> Self {
        let accounting::Lot { reference, granted, left, expires_ms, spent_ms: _ } = lot;
        let (granted, left, expires_ms) = (*granted, *left, *expires_ms);
        Self { reference: reference.clone(), granted, left, expires_ms }
    }
}

/// A deduction that is still kept one by one
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deduction {
    /// As in the gateway's access log
    pub charge: String,
    /// When the gateway minted its id
    pub at_ms: u64,
    /// The priced route
    pub route: String,
    /// The price; 0 if it was voided
    #[schema(value_type = i64)]
    pub amount: Units,
}

impl From<StoredDeduction> for Deduction {
    fn from(kept: StoredDeduction) -> Self {
        let (charge, at_ms) = (kept.id.to_string(), kept.id.minted_ms());
        Self { charge, at_ms, route: kept.route, amount: kept.amount }
    }
}
