//! The rules of paying for Python, and where credentials are kept.

mod core;

use pyo3::prelude::*;

/// `stripe402._native`.
#[pymodule(name = "_native")]
mod native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::core::{Call, Core, CredentialsError, Turn};

    /// Reads the `payment-required` header of a challenge: `{terms}` or `{error}`.
    #[pyfunction]
    fn explain(header: &str) -> String {
        stripe402_client::json::explain(header)
    }

    /// Whether what is sent to this origin (`https://api.example`) stays private.
    #[pyfunction]
    fn is_private(origin: &str) -> bool {
        stripe402_client::is_private(origin)
    }
}
