//! What `make run`, `make demo` and `make openapi` are made of: handles for real processes (Envoy, the ledger,
//! Stripe's stand-in), a demo API, and prices in an OpenAPI document. The end-to-end tests use the handles, too.

pub mod binary;
pub mod card;
pub mod certificate;
pub mod demo;
pub mod demo_api;
pub mod envoy;
pub mod envoy_config;
mod error;
pub mod http;
pub mod ledger;
pub mod log;
mod money;
pub mod openapi;
pub mod ports;
pub mod process;
pub mod run;
pub mod secrets;
pub mod stripe_sim;
pub mod upstream;
pub mod wire;

pub use error::{Error, Result};
