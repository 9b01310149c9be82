//! A price that is known only after the request was served, as its challenge tells it.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::Units;

/// The extension `pricing` of a challenge. The challenge's amount is [`Self::most`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pricing {
    /// `upto`: what was used is paid, at most [`Self::most`]. A client that does not know the kind can
    /// still pay the challenge's amount.
    pub kind: String,
    /// The most that one request can cost; held before it is served.
    pub most: Units,
    /// The least that a request costs which reached the API.
    pub least: Units,
    /// What is paid for, in words.
    pub description: String,
    /// What is held beside, again and again, while an answer goes on that uses up its hold: only for a
    /// payment whose `maxPrice` allows it, and never beyond that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend_by: Option<Units>,
    /// The same in numbers; empty where the API says itself what a request costs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unit_prices: Vec<UnitPrice>,
}

/// What something costs that is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitPrice {
    /// What is counted: a name of the seller's, such as `prompt`, or `bytes` or `seconds`.
    pub of: String,
    /// For which choice (a model's name), where the price depends on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// So many units.
    pub units: Units,
    /// For so many of them.
    pub per: u64,
}

impl Pricing {
    /// The only kind that there is.
    pub const UP_TO: &'static str = "upto";
}
