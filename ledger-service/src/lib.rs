//! The ledger of the stripe402 payment gateway, as a library.
//!
//! It owns money: what cards were charged through Stripe, and what is left of it. The rules are
//! pure functions ([`ledger`]); stores ([`store`]) and Stripe ([`stripe`]) are traits.

pub mod books;
pub mod clock;
pub mod config;
pub mod failpoint;
pub mod http;
pub mod ledger;
pub mod observe;
pub mod operate;
pub mod payment;
pub mod serve;
pub mod store;
pub mod stripe;
pub mod tls;
