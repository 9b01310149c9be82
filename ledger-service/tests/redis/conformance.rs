//! The exported suite, on a server and on a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use stripe402_ledger::store::{
    Store,
    conformance::{Options, StoreUnderTest},
};

use super::{
    opened,
    server::{Cluster, Server},
};

/// A case's own server: it is gone with the case.
struct Standalone(Server);

#[async_trait]
impl StoreUnderTest for Standalone {
    async fn open(&self, options: Options) -> Arc<dyn Store> {
        Arc::new(
            opened(&self.0.url(), options.charge_memory).keep_uncharged(options.uncharged_kept),
        )
    }
}

struct Sharded(Cluster);

#[async_trait]
impl StoreUnderTest for Sharded {
    async fn open(&self, options: Options) -> Arc<dyn Store> {
        Arc::new(
            opened(&self.0.url(), options.charge_memory).keep_uncharged(options.uncharged_kept),
        )
    }
}

mod standalone {
    use super::{Server, Standalone};

    stripe402_ledger::conformance_tests!(Standalone(Server::start(&[])));
}

mod cluster {
    use super::{Cluster, Sharded};

    stripe402_ledger::conformance_tests!(Sharded(Cluster::start()));
}
