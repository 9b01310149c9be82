//! Whether what the ledger depends on answers.

use serde::Serialize;
use utoipa::ToSchema;

/// Whether what the ledger depends on answers
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// Where the books are
    pub store: Part,
    /// Stripe, and the key for it
    pub stripe: Part,
}

/// One part
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// Whether it answers
    pub good: bool,
    /// What is wrong, if something is
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl From<Result<(), String>> for Part {
    fn from(state: Result<(), String>) -> Self {
        Self { good: state.is_ok(), problem: state.err() }
    }
}
