//! From a store's address to the store.

use std::{sync::Arc, time::Duration};

use super::{Embedded, EmbeddedOptions, Store, StoreError};
use crate::{clock::Clock, config::StoreUrl};

/// What every store must know.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// For how long charge ids are remembered.
    pub charge_memory: Duration,
    /// How far a gateway's clock may be ahead.
    pub clock_skew: Duration,
    /// How many transactions may wait for the file store's disk.
    pub queue: usize,
}

/// Opens a store.
///
/// # Errors
/// The store's, if it cannot be opened.
pub fn open(
    url: &StoreUrl,
    options: StoreOptions,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, StoreError> {
    let StoreUrl::File(path) = url;
    let options = EmbeddedOptions {
        path: path.clone(),
        charge_memory: options.charge_memory,
        clock_skew: options.clock_skew,
        queue: options.queue,
    };
    Ok(Arc::new(Embedded::open(options, clock)?))
}
