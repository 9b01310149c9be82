//! The whole product as tests use it: all its processes together, and the databases and browsers around them.
//! The handles of the product's own processes are [`stripe402_dev`]'s, by the same names here.
//!
//! A test starts with [`stack::Stack::start`] and talks HTTP to real processes on ports of its own.

pub mod browser;
pub mod postgres;
pub mod raw;
pub mod redis;
pub mod redis_cluster;
pub mod stack;

pub use stripe402_dev::{
    Error, Result, binary, card, demo_api, envoy, envoy_config, http, ledger, log, ports, process,
    run, secrets, stripe_sim, upstream, wire,
};
