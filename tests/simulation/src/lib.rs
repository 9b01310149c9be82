//! A world in one thread and virtual time, from one seed: gateways, ledgers, clients, and Stripe.
//!
//! What the product is made of is real: the filter's `Worker`, the ledger's `Payments` with its
//! sweeper, and its books. What stands around it is played: Envoy, the network, Stripe, people. A
//! seed decides what goes wrong and when ([`plan`]); rules say what must hold nevertheless
//! ([`rules`]); a world that breaks one is made smaller ([`shrink`]) and told as a story.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test, though other tests use it: what overflows here must fail"
)]

pub mod acts;
pub mod agent;
pub mod bank;
pub mod buyer;
pub mod dice;
pub mod gateway;
pub mod key_holder;
pub mod ledger;
pub mod mutants;
pub mod plan;
pub mod rules;
pub mod run;
pub mod search;
pub mod shrink;
pub mod store;
pub mod world;
