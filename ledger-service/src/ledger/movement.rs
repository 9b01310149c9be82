//! Movements of money: immutable, never forgotten.

use serde::{Deserialize, Serialize};
use stripe402_protocol::Units;

use super::TopUpId;

/// One movement between a card and an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Movement {
    /// A card was charged and the amount credited.
    TopUp {
        /// Which top-up.
        top_up: TopUpId,
        /// Stripe's record of the charge.
        payment_intent: String,
        /// What Stripe took, in units.
        amount: Units,
        /// When it was credited, Unix milliseconds.
        at_ms: u64,
    },
}
