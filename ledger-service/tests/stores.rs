//! Every store that ships, put to the same tests.
#![allow(clippy::unwrap_used, reason = "all of this file is tests")]

use std::sync::Arc;

use async_trait::async_trait;
use stripe402_ledger::{
    clock::SystemClock,
    store::{
        Embedded, EmbeddedOptions, InMemory, Store,
        conformance::{Options, StoreUnderTest},
    },
};

struct File;

#[async_trait]
impl StoreUnderTest for File {
    async fn open(&self, options: Options) -> Arc<dyn Store> {
        // Kept: the folder must outlive the store, and the machine clears its folder for these.
        let folder = tempfile::tempdir().unwrap().keep();
        let embedded = EmbeddedOptions {
            path: folder.join("ledger.redb"),
            charge_memory: options.charge_memory,
            clock_skew: std::time::Duration::from_secs(60),
            queue: 4096,
        };
        let store = Embedded::open(embedded, Arc::new(SystemClock)).unwrap();
        Arc::new(store.keep_uncharged(options.uncharged_kept))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

struct Volatile;

#[async_trait]
impl StoreUnderTest for Volatile {
    async fn open(&self, options: Options) -> Arc<dyn Store> {
        let store = InMemory::new(SystemClock, options.charge_memory);
        Arc::new(store.keep_uncharged(options.uncharged_kept))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

mod embedded {
    stripe402_ledger::conformance_tests!(super::File);
}

mod in_memory {
    stripe402_ledger::conformance_tests!(super::Volatile);
}
