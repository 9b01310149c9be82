//! The ledger of the stripe402 payment gateway, as a library.
//!
//! It owns money: what cards were charged through Stripe, and what is left of it. The rules are
//! pure functions ([`accounting`]); stores ([`store`]) and Stripe ([`stripe`]) are traits.

pub mod accounting;
pub mod app;
pub mod clock;
pub mod config;
pub mod exit;
pub mod failpoint;
pub mod gateway_api;
pub mod health;
pub mod keys;
mod metrics;
pub mod net;
pub mod observe;
pub mod operator;
pub mod options;
pub mod payments;
pub mod postings;
pub mod refunds;
pub mod serve;
pub mod store;
pub mod stripe;
pub mod sync;
pub mod topups;
pub mod webhook;
pub mod wiring;
