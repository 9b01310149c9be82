//! The paying side of stripe402: HTTP 402 answered with a card or a balance, within a budget.
//!
//! The rules are one state machine, [`Call`]: it is told what came back and says what to send
//! next. It performs no I/O, has no clock and no randomness; every adapter (reqwest, the command
//! line, JavaScript, Python) carries out the same [`Step`]s and keeps the same [`Purse`].

#[cfg(feature = "reqwest")]
mod adapter;
mod answer;
mod budget;
mod call;
mod error;
mod hold;
pub mod json;
mod money;
mod origin;
mod policy;
mod pricing;
mod purse;
mod secret;
#[cfg(feature = "storage")]
pub mod storage;
mod terms;

#[cfg(feature = "reqwest")]
pub use adapter::{Balance, MaxPrice, Part, Wallet, WalletError, outcome, paid, payment_error};

pub use answer::{Answer, Refused};
pub use budget::{Budget, Overdrawn};
pub use call::{Call, Event, Outcome, Paid, Pays, Request, Step};
pub use error::Error;
pub use hold::{Hold, OpenHold, Settling};
pub use money::{Amount, ParseAmountError, money};
pub use origin::is_private;
pub use policy::{Policy, PolicyError};
pub use pricing::pricing_in_words;
pub use purse::{CardCharge, Known, Pending, Purse};
pub use secret::Secret;
pub use stripe402_protocol::message::{Settlement, SettlementState};
pub use terms::Terms;
