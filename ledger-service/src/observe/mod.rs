//! What operators see of the ledger from outside: numbers for Prometheus, spans for traces.
//!
//! The store and the provider are measured by decorators of their traits, the listeners by one
//! layer. What only the rules know (top-ups, limits, declines) is counted where it happens.
//! Labels come from short, fixed lists: never a client, a card, an address or a path.

mod call;
mod holds;
mod http;
mod names;
mod provider;
mod store;
pub mod trace;

pub(crate) use self::{
    holds::show_holds,
    http::{Route, measured},
};
pub use self::{
    names::{names, start, text, upkeep},
    provider::ObservedProvider,
    store::ObservedStore,
};
