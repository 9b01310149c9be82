//! What operators see: numbers, alerts, dashboards, traces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "all of this program is tests, their helpers too"
)]

mod numbers;
mod rules;
mod scene;
mod scrape;
mod traces;
