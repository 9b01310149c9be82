//! What callers find out about a payment, by way of reqwest's types.

use reqwest::Response;

use crate::{Error, Outcome, Paid, storage::StorageError};

/// Why a request could not be carried out, beside what reqwest itself says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// It was not paid for. Whether to retry: [`Error::is_retryable`].
    #[error(transparent)]
    Payment(#[from] Error),
    /// Credentials cannot be read or written. Retry when the storage is mended.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No random bytes for the name of a top-up. Retry.
    #[error("the system has no source of random bytes")]
    Random,
    /// A redirect that leads nowhere. Do not retry.
    #[error("{0}")]
    Redirect(String),
}

impl From<WalletError> for reqwest_middleware::Error {
    fn from(error: WalletError) -> Self {
        Self::Middleware(error.into())
    }
}

/// Why a request was not paid for, if that is what went wrong.
#[must_use]
pub fn payment_error(error: &reqwest_middleware::Error) -> Option<&Error> {
    let reqwest_middleware::Error::Middleware(error) = error else { return None };
    match error.downcast_ref::<WalletError>() {
        Some(WalletError::Payment(error)) => Some(error),
        _ => None,
    }
}

/// How an answer was paid for.
#[must_use]
pub fn outcome(response: &Response) -> Option<&Outcome> {
    response.extensions().get()
}

/// The receipt of an answer that was paid for.
#[must_use]
pub fn paid(response: &Response) -> Option<&Paid> {
    match outcome(response) {
        Some(Outcome::Paid(paid)) => Some(paid),
        _ => None,
    }
}
