//! Keys, without what they spend with.

use serde::{Deserialize, Serialize};
use stripe402_protocol::{Currency, Units, message::AutoTopUpOff};
use utoipa::ToSchema;

use crate::accounting::{self, KeyHash};

/// Whether a key spends
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It does, within its limits
    Active,
    /// Its time is over
    Expired,
    /// It was revoked
    Revoked,
}

/// A key: an alias of a client, with limits of its own
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its name for people: a hash of it, which spends nothing
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub id: String,
    /// What its owner calls it
    pub label: String,
    /// Whether it spends
    pub state: KeyState,
    /// ISO 4217, lowercase
    #[schema(value_type = String, pattern = "^[a-z]{3}$")]
    pub currency: Currency,
    /// What it may spend ever; absent without a limit
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub total: Option<Units>,
    /// What it may spend in a day, UTC
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub per_day: Option<Units>,
    /// What it may spend in a month, UTC
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub per_month: Option<Units>,
    /// What it has spent, with what its open holds may come to
    #[schema(value_type = i64)]
    pub spent: Units,
    /// What is left of its budget now; absent without a limit
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub left: Option<Units>,
    /// For which routes: names, or beginnings with a `*` behind; all if there are none
    pub routes: Vec<String>,
    /// Whether it may manage its owner's keys
    pub manage: bool,
    /// Since when
    pub created_ms: u64,
    /// Until when
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// When it was revoked
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<u64>,
    /// When it last paid
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<u64>,
    /// How it tops up its owner's balance by itself; absent if it does not
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_top_up: Option<AutoTopUp>,
}

/// How a key tops up its owner's balance by itself
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AutoTopUp {
    /// When the balance is below that, in units
    #[schema(value_type = i64)]
    pub below: Units,
    /// What the card is charged then, in units
    #[schema(value_type = i64)]
    pub amount: Units,
    /// How much in a month, UTC, in units
    #[schema(value_type = i64)]
    pub monthly_most: Units,
    /// How much was charged in this month, or is about to be, in units
    #[schema(value_type = i64)]
    pub this_month: Units,
    /// Why it does so no more; absent if it does
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub off: Option<AutoTopUpOff>,
    /// Since when it does so no more
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_ms: Option<u64>,
}

impl Key {
    pub(crate) fn of(hash: KeyHash, key: &accounting::Key, now_ms: u64) -> Self {
        let state = match (key.revoked_ms, key.expires_ms) {
            (Some(_), _) => KeyState::Revoked,
            (None, Some(at_ms)) if at_ms <= now_ms => KeyState::Expired,
            _ => KeyState::Active,
        };
        let accounting::Budget { total, per_day, per_month } = key.budget;
        Self {
            id: hash.id(),
            label: key.label.clone(),
            state,
            currency: key.currency,
            total,
            per_day,
            per_month,
            spent: key.spent,
            left: key.left(now_ms),
            routes: key.routes.clone(),
            manage: key.manage,
            created_ms: key.created_ms,
            expires_ms: key.expires_ms,
            revoked_ms: key.revoked_ms,
            used_ms: key.used_ms,
            auto_top_up: key.auto_top_up.as_ref().map(|auto| AutoTopUp {
                below: auto.below,
                amount: auto.amount,
                monthly_most: auto.monthly_most,
                this_month: auto.charged_in_month(now_ms),
                off: auto.off.map(|off| off.reason),
                off_ms: auto.off.map(|off| off.at_ms),
            }),
        }
    }
}

/// A client's keys
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// Whose
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// The first one first
    pub keys: Vec<Key>,
}

/// A key that was made
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeKey {
    /// The key: a client id for whoever shall spend. It is shown this once, and kept nowhere
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub key: String,
    /// What is kept of it
    #[serde(flatten)]
    pub details: Key,
}
