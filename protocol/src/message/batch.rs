//! Deductions and voids of one gateway worker, handed over together.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{ClientId, Currency, DeductionId, Units};

/// `POST /v1/batch`. Voids are carried out before deductions. The order of fields is the encoding's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// [`super::VERSION`] of the sender.
    pub version: u16,
    /// Deductions to make.
    #[serde(default, rename = "charges")]
    pub deductions: Vec<Deduction>,
    /// Deductions to take back.
    #[serde(default)]
    pub voids: Vec<Void>,
}

/// The longest name of a route, in bytes: stores index by it.
pub const LONGEST_ROUTE: usize = 256;

/// Whether books can be kept under this name of a route: at most [`LONGEST_ROUTE`] bytes, none of
/// them of a control character.
#[must_use]
pub fn is_route_name(name: &str) -> bool {
    name.len() <= LONGEST_ROUTE && !name.contains(char::is_control)
}

/// One request's price, to be taken from one client's balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deduction {
    /// Minted by the gateway; applied at most once.
    pub id: DeductionId,
    /// Whose balance.
    pub client_id: ClientId,
    /// In which currency.
    #[serde(deserialize_with = "Currency::deserialize_known")]
    pub currency: Currency,
    /// How much.
    pub amount: Units,
    /// The name of the priced route, for the books; see [`is_route_name`].
    pub route: String,
}

/// A deduction to take back, or to refuse if it is yet to come: batches can overtake each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Void {
    /// The deduction.
    pub id: DeductionId,
    /// Whose it is; absent for a card payment whose answer never came.
    #[serde(default)]
    pub client_id: Option<ClientId>,
}

/// The answer: outcomes in the order of the batch, each with the id it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// One per deduction.
    #[serde(default, rename = "charges")]
    pub deductions: Vec<(DeductionId, DeductionOutcome)>,
    /// One per void.
    #[serde(default)]
    pub voids: Vec<(DeductionId, VoidOutcome)>,
}

/// What became of a deduction. The order of variants is the encoding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeductionOutcome {
    /// Deducted; this is left.
    #[serde(rename = "charged")]
    Deducted(Units),
    /// The balance is below the amount, or there is no such client. Nothing was deducted.
    Insufficient,
    /// The account is frozen. Nothing was deducted.
    Frozen,
    /// A void came first. Nothing was deducted.
    Voided,
    /// The id was used for another deduction, or the deduction is none that this ledger can keep: its
    /// currency, amount or route is not. Nothing was deducted.
    Conflict,
    /// The id was minted too long ago, or in the future: the clocks differ. Nothing was deducted.
    Stale,
}

/// What became of a void. The order of variants is the encoding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidOutcome {
    /// The deduction was given back.
    Voided,
    /// No such deduction yet; it will be refused if it comes.
    Marked,
    /// It had been voided before.
    Repeated,
    /// Too long ago to know; nothing was done.
    Stale,
    /// The deduction is another client's; nothing was done.
    Conflict,
}
