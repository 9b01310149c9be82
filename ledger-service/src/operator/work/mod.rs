//! What operators can do: find, look, freeze, correct, refund. The command line, the operator API and
//! the operators' page all come through here, and so does the record of who did what.

mod act;
mod find;
mod overview;
mod record;
mod show;
mod sums;
pub mod view;

use std::sync::Arc;

use serde_json::Value;

pub use act::{Adjustment, RefundOrder};
pub use overview::{DAYS, Overview};
pub use record::Actor;

use crate::{
    accounting::PostRefusal,
    clock::Clock,
    postings::Unavailable,
    refunds::RefundError,
    store::{Store, StoreError},
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
    directory: Directory,
    overview: Kept,
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operations")
    }
}

/// Why something could not be done, or found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// What was asked makes no sense: what is wrong, and what would be right.
    #[error("{0}")]
    Invalid(String),
    /// Nobody of that name has an account.
    #[error("{0}")]
    NotFound(&'static str),
    /// The books refuse it; nothing happened.
    #[error("{text}")]
    Refused {
        /// For programs, e.g. `insufficient`.
        code: &'static str,
        /// For people.
        text: String,
    },
    /// The store or Stripe gave no answer; what was begun can be asked for again.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for OperatorError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(format!("store: {error}"))
    }
}

impl From<Unavailable> for OperatorError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(format!("Stripe or the store: {error}"))
    }
}

impl From<PostRefusal> for OperatorError {
    fn from(refusal: PostRefusal) -> Self {
        let code = match refusal {
            PostRefusal::Conflict => "conflict",
            PostRefusal::NoSuchHold => "no_such_hold",
            PostRefusal::Insufficient => "insufficient",
            PostRefusal::TooLarge => "too_large",
        };
        Self::Refused { code, text: format!("the books refuse this: {code}") }
    }
}

impl From<RefundError> for OperatorError {
    fn from(error: RefundError) -> Self {
        let text = error.to_string();
        match error {
            RefundError::Conflict => Self::Refused { code: "conflict", text },
            RefundError::Frozen => Self::Refused { code: "frozen", text },
            RefundError::Insufficient(_) => Self::Refused { code: "insufficient", text },
            RefundError::Unknown(_) => Self::Unavailable(text),
        }
    }
}

impl Operations {
    /// On these books, and at Stripe if there is a way there.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, parts: Option<Parts>, clock: Arc<dyn Clock>) -> Self {
        let (directory, overview) = (Directory::default(), Kept::default());
        Self { store, clock, parts, directory, overview }
    }

    /// The books.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }
}

/// A value as it is spelt in JSON, e.g. a kind or a state.
pub(crate) fn spelt(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}
