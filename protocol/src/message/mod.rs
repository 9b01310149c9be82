//! The messages between gateway and ledger: `POST /v1/batch` and `POST /v1/payments`.
//!
//! JSON with a version. A ledger takes every version up to its own; it refuses a later one.

mod batch;
mod card;

pub use batch::{Batch, BatchAnswer, Charge, ChargeOutcome, Void, VoidOutcome};
pub use card::{CardAnswer, CardPayment};

/// The version of these messages, in every request.
pub const VERSION: u16 = 1;
