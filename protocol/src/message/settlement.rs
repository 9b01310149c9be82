//! What became of a request that was paid for.

use serde::{Deserialize, Serialize};

use crate::{ClientId, Currency, DeductionId, Units};

/// `POST /v1/settlement`: what became of this request, asked by its payer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettlementQuery {
    /// [`super::VERSION`] of the sender.
    pub version: u16,
    /// Who asks.
    pub client_id: ClientId,
    /// The deduction's or the hold's id.
    pub id: DeductionId,
}

/// The answer to a [`SettlementQuery`], with status 200, and the body of the gateway's receipts. An id
/// that nobody knows any more, or that is another client's, has none: 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settlement {
    /// The deduction's or the hold's id.
    pub id: DeductionId,
    /// How far it is.
    pub state: SettlementState,
    /// What was held before the request was served; absent where the price was known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Units>,
    /// What the request cost; absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Units>,
    /// Of every amount here.
    pub currency: Currency,
    /// What can be spent now.
    pub credits_remaining: Units,
}

/// How far a request's payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementState {
    /// The most that it can cost is held.
    Held,
    /// What it cost was taken; of a hold, the rest was released.
    Captured,
    /// Nothing was taken: the deduction was voided.
    Released,
}
