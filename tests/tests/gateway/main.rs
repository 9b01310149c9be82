//! What the gateway does with a request, through a real Envoy: one file per behaviour.
//!
//! The numbers are those of the protocol, "What the server does with a request on a priced
//! route".
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this is tests, their helpers too"
)]

mod amounts;
mod answer;
mod bad_configuration;
mod bad_input;
mod balance;
mod books;
mod bypass;
mod card;
mod challenge;
mod client_gone;
mod concurrency;
mod crash;
mod discovery;
mod ecds;
mod extensions;
mod failing_api;
mod http3;
mod identity;
mod ledger_trouble;
mod logs;
mod memory;
mod metrics;
mod other_api;
mod paywall;
mod prices;
mod proof;
mod replicas;
mod restart;
mod shipped;
mod silent_ledger;
mod spellings;
mod streams;
mod three_d_secure;
mod traces;
mod upstream_failures;
mod webhooks;
