//! What a client has left.

use serde::{Deserialize, Serialize};

use crate::{ClientId, Currency, Units};

/// `POST /v1/balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Balance {
    /// [`super::VERSION`] of the sender.
    pub version: u16,
    /// Whose.
    pub client_id: ClientId,
    /// In which currency.
    pub currency: Currency,
}

/// The answer to a [`Balance`], with status 200. A client that nobody knows has as little as one
/// that has spent all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceAnswer {
    /// What can be spent.
    pub credits_remaining: Units,
    /// What is owed, if anything is: the next top-up settles it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_owed: Option<Units>,
}
