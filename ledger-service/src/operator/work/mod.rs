//! What operators can do: find, look, freeze, correct, refund. The command line, the operator API and
//! the operators' page all come through here, and so does the record of who did what.

mod act;
mod error;
mod export;
mod find;
mod grant;
mod holds;
mod keys;
mod overview;
mod reconcile;
mod record;
mod refund;
mod show;
mod statement;
mod sums;
mod table;
mod verify;
pub mod view;

use std::sync::Arc;

use serde_json::Value;

pub use crate::config::Table;
pub use act::Adjustment;
pub use error::OperatorError;
pub use export::Row as ExportedRow;
pub use grant::GrantOrder;
pub use holds::HoldPlace;
pub use keys::{KeyEnd, KeyOrder};
pub use overview::{DAYS, Overview};
pub use record::Actor;
pub use refund::RefundOrder;
pub use statement::Month;
pub use table::{Filter, Period};

use crate::{
    clock::{Clock, RandomIds},
    keys::Keys,
    store::Store,
    wiring::Parts,
};
use find::Directory;
use overview::Kept;

/// Operators' work on one store.
pub struct Operations {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Nobody is refunded, and Stripe is not asked, without.
    parts: Option<Parts>,
    keys: Arc<Keys>,
    directory: Directory,
    overview: Kept,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operations")
    }
}

impl Operations {
    /// On these books, and at Stripe if there is a way there.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, parts: Option<Parts>, clock: Arc<dyn Clock>) -> Self {
        let (directory, overview) = (Directory::default(), Kept::default());
        let keys = parts.as_ref().map(|parts| Arc::clone(&parts.keys)).unwrap_or_else(|| {
            let (store, clock, ids) = (Arc::clone(&store), Arc::clone(&clock), Arc::new(RandomIds));
            Arc::new(Keys::new(store, clock, ids, Arc::from([]), Arc::default()))
        });
        Self { store, clock, parts, keys, directory, overview }
    }
}

/// A value as it is spelt in JSON, e.g. a kind or a state.
pub(crate) fn spelt(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}
