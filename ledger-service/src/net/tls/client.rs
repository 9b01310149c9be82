//! The client's side of TLS: whom it trusts.

use std::{path::Path, sync::Arc};

use rustls::ClientConfig;

use super::{
    TlsError,
    files::{authorities, read},
};

/// Trusts the authorities in this file of PEM, and no others: TLS 1.2 and 1.3. `setting` names the file.
///
/// # Errors
/// [`TlsError`] if the file cannot be read, or holds no certificate.
pub(crate) fn trusting(setting: &'static str, path: &Path) -> Result<ClientConfig, TlsError> {
    let wrong = |problem| TlsError { setting, path: path.to_path_buf(), problem };
    let roots = authorities(&read(setting, path)?).map_err(wrong)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
