//! From a store's address to the store.

use std::{sync::Arc, time::Duration};

use super::{
    Embedded, EmbeddedOptions, Postgres, PostgresOptions, Redis, RedisOptions, Store, StoreError,
    WaitOptions,
};
use crate::{clock::Clock, store::StoreUrl};

/// What every store must know.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// For how long deduction ids are remembered.
    pub charge_memory: Duration,
    /// How far a gateway's clock may be ahead.
    pub clock_skew: Duration,
    /// How many transactions may wait for the file store's disk.
    pub queue: usize,
    /// For one transaction on a store that is a server.
    pub timeout: Duration,
    /// How many of a Redis' replicas must have a record before Stripe is asked.
    pub wait: WaitOptions,
    /// Connections to a store that is a server.
    pub connections: u32,
}

/// Opens a store, within a Tokio runtime; makes it if it is not there. One over the network may be out
/// of reach as yet: it is connected to in the background, and again whenever the connection is lost.
///
/// # Errors
/// The store's, if it cannot be opened.
pub fn open(
    url: &StoreUrl,
    options: StoreOptions,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    open_or_make(url, options, clock, true)
}

/// As [`open`], but makes no file and no tables: a mistyped address must not look like sound, empty
/// books. A Redis without books cannot be told from one whose ledger has no clients yet.
///
/// # Errors
/// [`StoreError::Absent`] if there are no books: at once for a file, at the first question for
/// PostgreSQL. Others are the store's.
pub fn open_existing(
    url: &StoreUrl,
    options: StoreOptions,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    open_or_make(url, options, clock, false)
}

fn open_or_make(
    url: &StoreUrl,
    options: StoreOptions,
    clock: Arc<dyn Clock>,
    make: bool,
) -> Result<Arc<dyn Store>, StoreError> {
    let StoreOptions { charge_memory, clock_skew, queue, timeout, wait, connections } = options;
    match url {
        StoreUrl::File(path) => {
            let path = path.clone();
            let options = EmbeddedOptions { path, charge_memory, clock_skew, queue };
            let open = if make { Embedded::open } else { Embedded::open_existing };
            Ok(Arc::new(open(options, clock)?))
        }
        StoreUrl::Postgres(address) => {
            let options = PostgresOptions { charge_memory, clock_skew, timeout, connections };
            let store = Postgres::new(address.expose(), options)?;
            Ok(Arc::new(if make { store } else { store.existing() }))
        }
        StoreUrl::Redis(url) => {
            let url = url.clone();
            let options = RedisOptions { url, charge_memory, clock_skew, timeout, wait };
            Ok(Arc::new(Redis::open(&options, clock)?))
        }
    }
}
