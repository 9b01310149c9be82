//! What an operator is told that something went wrong with. `net/error.rs` writes it.

use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetails,
}

/// For programs, and for people
#[derive(Serialize, ToSchema)]
struct ErrorDetails {
    /// Stable
    code: String,
    /// What is wrong, and how to mend it
    message: String,
}
