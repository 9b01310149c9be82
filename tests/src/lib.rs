//! Everything around the product that runs it: handles for real processes (Envoy, the ledger, Stripe's
//! stand-in), a demo API, the orchestrator behind `make run`, and the walk behind `make demo`.
//!
//! A test starts with [`stack::Stack::start`] and talks HTTP to real processes on ports of its own.

pub mod binary;
pub mod browser;
pub mod card;
pub mod demo;
pub mod demo_api;
pub mod envoy;
pub mod envoy_config;
mod error;
pub mod http;
pub mod ledger;
pub mod log;
pub mod openapi;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod redis;
pub mod redis_cluster;
pub mod run;
pub mod secrets;
pub mod stack;
pub mod stripe_sim;
pub mod upstream;
pub mod wire;

pub use error::{Error, Result};
