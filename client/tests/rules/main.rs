//! The rules of paying, without any I/O: tables of what is answered and what is done, and random
//! schedules against a server by the book.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "all of this is tests, their helpers too"
)]

mod budgets;
mod hostile;
mod limits;
mod metered;
mod random;
mod server;
mod table;
mod talk;
mod words;
