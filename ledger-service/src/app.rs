//! What the handlers of all listeners share.

use std::sync::Arc;

use crate::{health::Readiness, store::Store, wiring::Parts};

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
