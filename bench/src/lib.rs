//! What things cost. Machines are noisy: every figure is the median of rounds that take turns.
#![allow(
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "rates and ratios for people to read; no money passes through here; what is indexed \
              is JSON that this crate made or asked for"
)]

pub mod accounts;
pub mod call;
pub mod cpu;
pub mod figures;
pub mod gateway;
pub mod growth;
pub mod large;
pub mod steps;
pub mod store;

pub use store::deduction;

/// Anything that goes wrong ends the measurement.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
