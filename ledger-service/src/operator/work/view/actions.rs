//! What actions left.

use serde::{Deserialize, Serialize};
use stripe402_protocol::Units;
use utoipa::ToSchema;

use super::Account;

/// What was refunded to the cards
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refunded {
    /// Whose it was
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// All that was refunded under this reference
    #[schema(value_type = i64)]
    pub refunded: Units,
    /// Whether it is less than was asked for
    pub short: bool,
    /// To which card charges
    pub parts: Vec<RefundedPart>,
    /// What is left
    pub account: Account,
}

/// What a refund would give back. Nothing has happened
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundPlan {
    /// Whose it is
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// All of it
    #[schema(value_type = i64)]
    pub total: Units,
    /// To which card charges. Sent as `parts` with the order, these are refunded or nothing
    pub parts: Vec<RefundedPart>,
    /// What is left of granted credit, which is never refunded
    #[schema(value_type = i64)]
    pub granted: Units,
    /// Before the refund
    pub account: Account,
}

/// What was refunded to one card charge
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefundedPart {
    /// Which
    pub payment_intent: String,
    /// How much
    #[schema(value_type = i64, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub amount: Units,
}

impl From<crate::refunds::Refunded> for RefundedPart {
    fn from(part: crate::refunds::Refunded) -> Self {
        Self { payment_intent: part.payment_intent, amount: part.amount }
    }
}

impl From<RefundedPart> for crate::refunds::Refunded {
    fn from(part: RefundedPart) -> Self {
        Self { payment_intent: part.payment_intent, amount: part.amount }
    }
}

/// What a correction or a grant left
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adjusted {
    /// Whose account
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// Whether it had been made before, under the same reference
    pub repeated: bool,
    /// After it
    pub account: Account,
}

/// A client whose id was rotated
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// Its name for people, which stays
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub subject: String,
    /// How often its id was rotated
    pub generation: u32,
}
