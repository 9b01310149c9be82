//! The messages between gateway and ledger: `POST /v1/batch`, `POST /v1/payments`,
//! `POST /v1/balance`, `POST /v1/settlement` and `POST /v1/keys`.
//!
//! JSON with a version; batches are [`compact`]. A ledger takes every version from [`OLDEST`] to
//! [`VERSION`]; it refuses a later one.

mod balance;
mod batch;
mod card;
pub mod compact;
mod key;
mod received;
mod settlement;

pub use balance::{Balance, BalanceAnswer};
pub use batch::{
    Batch, BatchAnswer, Capture, CaptureOutcome, CardHold, Deduction, DeductionOutcome, HoldTerms,
    KeyRefusal, LONGEST_HOLD_MS, LONGEST_ROUTE, MOST_LEASES, Void, VoidOutcome, is_route_name,
};
pub use card::{CardAnswer, CardPayment, CardTrial};
pub use key::{
    AutoTopUpOff, KeyAction, KeyAnswer, KeyAutoTopUp, KeyBudget, KeyPayment, KeyRequest, KeyRight,
    KeyTerms, RotatedId, ShownAutoTopUp, ShownKey, ShownOff,
};
pub use received::{Received, Refused};
pub use settlement::{Settlement, SettlementQuery, SettlementState};

/// The version of these messages, in every request.
pub const VERSION: u16 = 7;
/// The earliest version that a ledger takes.
pub const OLDEST: u16 = 3;
