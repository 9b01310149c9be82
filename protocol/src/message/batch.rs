//! Deductions, captures and voids of one gateway worker, handed over together.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use super::AutoTopUpOff;
use crate::{ClientId, Currency, DeductionId, Reason, Units};

/// `POST /v1/batch`. Voids are carried out first, then captures, then deductions. The order of fields
/// is the encoding's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// [`super::VERSION`] of the sender.
    pub version: u16,
    /// Deductions to make.
    #[serde(default, rename = "charges")]
    pub deductions: Vec<Deduction>,
    /// Deductions to take back.
    #[serde(default)]
    pub voids: Vec<Void>,
    /// Holds to settle. Since version 3.
    #[serde(default)]
    pub captures: Vec<Capture>,
}

/// The longest name of a route, in bytes: stores index by it.
pub const LONGEST_ROUTE: usize = 256;

/// Whether books can be kept under this name of a route: at most [`LONGEST_ROUTE`] bytes, none of
/// them of a control character.
#[must_use]
pub fn is_route_name(name: &str) -> bool {
    name.len() <= LONGEST_ROUTE && !name.contains(char::is_control)
}

/// The longest time from a hold's minting to its end: a day, in milliseconds.
pub const LONGEST_HOLD_MS: u64 = 86_400_000;

/// One request's price, to be taken from one client's balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// Makes it a hold: the amount is set aside until a [`Capture`] says how much of it was used.
    /// Since version 3.
    pub hold: Option<HoldTerms>,
}

/// Leases that one account may have out at once.
pub const MOST_LEASES: u8 = 8;

/// What a hold comes to if nobody captures it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldTerms {
    /// When it ends, Unix milliseconds; at most [`LONGEST_HOLD_MS`] after it was minted.
    pub ends_ms: u64,
    /// How much is captured at its end; at most what is held. The rest is released.
    pub at_end: Units,
    /// Makes it a lease, from which a gateway pays for many requests by itself: refused if it is more
    /// than so many percent of what is available, if the account has [`MOST_LEASES`] out, or while its
    /// leases are called back. Since version 4.
    pub lease: Option<u8>,
}

/// [`HoldTerms`] in a message of JSON: a card pays for one request, never for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CardHold {
    /// See [`HoldTerms::ends_ms`].
    pub ends_ms: u64,
    /// See [`HoldTerms::at_end`].
    pub at_end: Units,
}

impl From<CardHold> for HoldTerms {
    fn from(CardHold { ends_ms, at_end }: CardHold) -> Self {
        Self { ends_ms, at_end, lease: None }
    }
}

impl From<HoldTerms> for CardHold {
    fn from(HoldTerms { ends_ms, at_end, lease: _ }: HoldTerms) -> Self {
        Self { ends_ms, at_end }
    }
}

/// Ends a hold: so much is taken, the rest is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The hold.
    pub id: DeductionId,
    /// Whose it is.
    pub client_id: ClientId,
    /// How much was used. More than is held takes what is held.
    pub amount: Units,
    /// How many requests used it, for the books: one, or as many as a lease has paid for. Since version 4.
    pub count: u32,
}

/// A deduction to take back, or to refuse if it is yet to come: batches can overtake each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Void {
    /// The deduction.
    pub id: DeductionId,
    /// Whose it is; absent for a card payment whose answer never came.
    pub client_id: Option<ClientId>,
}

/// The answer: outcomes in the order of the batch, each with the id it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer {
    /// One per deduction.
    #[serde(default, rename = "charges")]
    pub deductions: Vec<(DeductionId, DeductionOutcome)>,
    /// One per void.
    #[serde(default)]
    pub voids: Vec<(DeductionId, VoidOutcome)>,
    /// One per capture. Since version 3.
    #[serde(default)]
    pub captures: Vec<(DeductionId, CaptureOutcome)>,
}

/// What became of a deduction or hold. The order of variants is the encoding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeductionOutcome {
    /// Deducted or held; this is left.
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
    /// The id was minted too long ago, or in the future, or the hold has ended: the clocks differ.
    /// Nothing was deducted.
    Stale,
    /// As [`DeductionOutcome::Insufficient`], and the client owes this much. Since version 3.
    InDebt(Units),
    /// As [`DeductionOutcome::Insufficient`], but leases of this account's are out that hold enough. They
    /// are called back: the same deduction may be asked for again until they are. Since version 4.
    Leased,
    /// The lease is more than may be leased. Nothing was held. Since version 4.
    LeaseRefused,
    /// The client id is a key whose limits do not allow it. Nothing was deducted. Since version 6.
    KeyRefused(KeyRefusal),
    /// As [`DeductionOutcome::Deducted`], and the client id is a key that tops up no more: its holder is to be told.
    /// Since version 7.
    DeductedUntopped(Units, AutoTopUpOff),
}

impl DeductionOutcome {
    /// What is left, if it was deducted or held.
    #[must_use]
    pub const fn deducted(&self) -> Option<Units> {
        match self {
            Self::Deducted(left) | Self::DeductedUntopped(left, _) => Some(*left),
            _ => None,
        }
    }
}

/// Which limit of a key does not allow a deduction. The order of variants is the encoding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRefusal {
    /// Its budget.
    Budget,
    /// Its time.
    Expired,
    /// It was revoked.
    Revoked,
    /// Its routes.
    Route,
    /// It is a card's own id, and another one is in its place.
    Rotated,
}

impl KeyRefusal {
    /// As a client is told.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Budget => Reason::KeyBudget,
            Self::Expired => Reason::KeyExpired,
            Self::Revoked => Reason::KeyRevoked,
            Self::Route => Reason::KeyRoute,
            Self::Rotated => Reason::IdRotated,
        }
    }
}

/// What became of a capture. The order of variants is the encoding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaptureOutcome {
    /// The hold is settled.
    Captured {
        /// How much was taken, now or when it was settled before.
        captured: Units,
        /// What was left then.
        left: Units,
    },
    /// No such hold yet; if it comes, only this much is taken.
    Marked,
    /// The hold was voided, or its void came first: nothing was taken.
    Voided,
    /// It is no hold, or another client's; nothing was done.
    Conflict,
    /// Too long ago to know; nothing was done.
    Stale,
}

/// What became of a void. The order of variants is the encoding's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidOutcome {
    /// The deduction was voided, or the hold released.
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
