//! What is shipped to be copied, is right: configurations of Envoy serve, manifests fit their schemas, images are
//! what others can read, and gateways and ledgers know each other by their certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this program is tests, their helpers too"
)]

mod certificates;
mod chart;
mod filter;
mod full;
mod https;
mod images;
mod listeners;
mod llm;
mod manifests;
mod mcp;
mod minimal;
mod overlays;
mod paths;
mod processor;
mod readmes;
mod schema;
mod settings;
mod tls;
mod walks;
