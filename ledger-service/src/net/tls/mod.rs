//! TLS on the listeners: certificates from files that are renewed while the ledger runs.

mod client;
mod files;
mod listener;
mod renewal;

use std::path::PathBuf;

pub(crate) use client::trusting;
pub use files::{Files, TlsError};
pub use listener::{Listener, Stream};
pub use renewal::{Current, renew};

/// The settings of TLS, for all listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// What the ledger shows: its certificate and those between it and the authority, as PEM.
    pub certificate: PathBuf,
    /// The key of that certificate, as PEM.
    pub key: PathBuf,
    /// Who may connect as a gateway: those with a certificate of these authorities.
    pub client_ca: Option<PathBuf>,
    /// Who may connect as an operator, likewise.
    pub admin_client_ca: Option<PathBuf>,
    /// How often renewed files are looked for.
    pub reload: std::time::Duration,
}

impl TlsOptions {
    /// The files of the listener for gateways.
    #[must_use]
    pub fn gateways(&self) -> Files {
        self.files(self.client_ca.clone().map(|path| ("tls_client_ca", path)))
    }

    /// The files of the listener for operators.
    #[must_use]
    pub fn operators(&self) -> Files {
        self.files(self.admin_client_ca.clone().map(|path| ("admin_tls_client_ca", path)))
    }

    /// The files of the listener for webhooks: Stripe has no certificate to show.
    #[must_use]
    pub fn webhooks(&self) -> Files {
        self.files(None)
    }

    fn files(&self, client_ca: Option<(&'static str, PathBuf)>) -> Files {
        Files { certificate: self.certificate.clone(), key: self.key.clone(), client_ca }
    }
}
