//! What the handlers of all listeners share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{store::Store, wiring::Parts};

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    /// The books.
    pub store: Arc<dyn Store>,
    /// What moves money.
    pub parts: Parts,
    /// Whether gateways may turn to this replica.
    pub readiness: Readiness,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// Whether gateways may turn to this replica: until it is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    withdrawn: Arc<AtomicBool>,
}

impl Readiness {
    /// From now on gateways should ask another replica; whoever still asks this one is served.
    pub fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Relaxed)
    }
}
