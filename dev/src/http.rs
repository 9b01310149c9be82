//! The HTTP client of tests, probes and the demo.

use std::time::Duration;

use crate::{Error, Result};

/// A client that goes straight to its target and follows nothing: what a server said is what a test sees.
///
/// # Errors
/// If the client cannot be set up.
pub fn client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(60))
        .build()
        .map_err(Error::http("cannot set up an HTTP client"))
}
