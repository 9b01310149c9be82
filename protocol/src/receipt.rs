//! `payment-response`: proof of payment, and what is left.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::Units;

/// The `payment-response` header of an answer that was paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Always true; a refusal has no receipt.
    pub success: bool,
    /// The PaymentIntent's id, present only where a card was charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_id: Option<String>,
    /// The balance after this request.
    pub credits_remaining: Units,
    /// The id to send from now on; a bearer credential.
    pub client_id: String,
}
