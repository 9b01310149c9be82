//! The gate: an HTTP filter that charges for requests at Envoy.
//!
//! The rules are pure and know no host: configuration ([`config`]), which route is priced how
//! ([`pricing`]), what an answer says was used ([`usage`]), what becomes of one request ([`gate`]), what
//! is paid from credit that was leased ([`lease`]), what travels to the ledger together ([`queue`]), and one worker's streams and calls ([`worker`]), over a
//! narrow host trait ([`host`]). The proxy-wasm adapter exists in wasm only.

pub mod config;
pub mod gate;
pub mod host;
pub mod lease;
pub mod metrics;
pub mod pairs;
pub mod pricing;
pub mod proxy;
pub mod queue;
pub mod source;
pub mod usage;
pub mod worker;

#[cfg(target_arch = "wasm32")]
mod envoy;
