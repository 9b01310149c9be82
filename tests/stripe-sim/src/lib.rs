//! A strict stand-in for as much of Stripe's API as is used here: cards, customers, intents, refunds, disputes,
//! events and their delivery, with Stripe's errors, idempotency and test cards. For tests, and for running
//! without an account. What Stripe has besides is answered 501, never passed over.
//!
//! [`serve`] runs it in this process; the binary `stripe-sim` runs it as one. Besides `/v1` it has `/_sim`,
//! by which a test plays what happens outside the API: see `control.rs`.
//!
//! To change what a card does, see `cards.rs` and `issuer.rs`; to add an endpoint, `api.rs`; to add a field,
//! the object's file under `objects/`.

// An object of the API has more fields than the `json!` macro can otherwise take.
#![recursion_limit = "256"]

mod api;
mod app;
mod auth;
mod call;
mod calls;
mod cards;
mod clock;
mod context;
mod control;
mod currency;
mod declines;
mod error;
mod faults;
mod form;
mod given_card;
mod idempotency;
mod ids;
mod issuer;
mod journal;
mod list;
mod metadata;
mod number;
mod objects;
mod params;
mod payment;
mod server;
mod setup;
mod stripe_js;
mod table;
mod totals;
mod webhook;
mod world;

pub use server::{Handle, Options, serve};
pub use world::WebhookEndpoint;

/// The version of the API whose objects are answered, which is the one that async-stripe 1.0.0-rc.10 speaks.
pub const API_VERSION: &str = "2026-09-30.endive";
