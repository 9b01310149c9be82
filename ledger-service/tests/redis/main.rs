//! The Redis store on real servers: the suite of all stores, and what only this one can do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "all of this is tests"
)]

mod conformance;
mod crowd;
mod express;
mod failover;
mod faults;
mod kept;
mod secured;
mod server;

use std::{sync::Arc, time::Duration};

use stripe402_ledger::{
    clock::SystemClock,
    store::{Redis, RedisOptions, WaitOptions},
};

/// The store there.
fn open(url: &str, charge_memory: Duration) -> Arc<Redis> {
    Arc::new(opened(url, charge_memory))
}

fn opened(url: &str, charge_memory: Duration) -> Redis {
    let options = RedisOptions {
        url: url.parse().unwrap(),
        charge_memory,
        clock_skew: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        wait: WaitOptions::within(None, Duration::from_secs(10)),
    };
    Redis::open(&options, Arc::new(SystemClock)).unwrap()
}
