//! The messages between gateway and ledger: `POST /v1/batch`, `POST /v1/payments` and
//! `POST /v1/balance`.
//!
//! JSON with a version; since version 2 batches are [`compact`]. A ledger takes every version up to its
//! own; it refuses a later one.

mod balance;
mod batch;
mod card;
pub mod compact;
mod received;

pub use balance::{Balance, BalanceAnswer};
pub use batch::{
    Batch, BatchAnswer, Deduction, DeductionOutcome, LONGEST_ROUTE, Void, VoidOutcome,
    is_route_name,
};
pub use card::{CardAnswer, CardPayment};
pub use received::Received;

/// The version of these messages, in every request.
pub const VERSION: u16 = 2;
