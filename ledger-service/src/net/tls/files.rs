//! Certificate, key and authorities as files, and what TLS makes of them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use sha2::{Digest, Sha256};

/// What a listener shows, and whom it lets in.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of clients, and the setting that names them; without, anybody may connect.
    pub client_ca: Option<(&'static str, PathBuf)>,
}

/// A file that TLS cannot be had with. Retry when it has been replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {}: {problem}", .path.display())]
pub struct TlsError {
    /// The setting that names it.
    pub setting: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// What was in the files at one moment.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    /// By which it is known whether the files have changed.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()] {
            hash.update(Sha256::digest(part.map_or(&[][..], Vec::as_slice)));
        }
        hash.finalize().into()
    }
}

impl Files {
    /// Reads all files.
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        let client_ca = self.client_ca.as_ref().map(|(setting, path)| read(setting, path));
        Ok(Contents {
            certificate: read("tls_certificate", &self.certificate)?,
            key: read("tls_key", &self.key)?,
            client_ca: client_ca.transpose()?,
        })
    }

    /// The server's side of TLS with these contents: TLS 1.2 and 1.3, HTTP/2 preferred by ALPN.
    pub(super) fn config(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let of_certificate = |problem: String| self.certificate_error(problem);
        let chain = certificates(&contents.certificate).map_err(of_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|error| self.key_error(format!("holds no private key as PEM: {error}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ClientCertVerifier> = match (&self.client_ca, &contents.client_ca) {
            (Some((setting, path)), Some(pem)) => authorities(pem)
                .and_then(|roots| {
                    let builder = WebPkiClientVerifier::builder_with_provider(
                        Arc::new(roots),
                        Arc::clone(&provider),
                    );
                    builder.build().map_err(|error| error.to_string())
                })
                .map_err(|problem| TlsError { setting, path: path.clone(), problem })?,
            _ => Arc::new(NoClientAuth),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| self.certificate_error(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    self.key_error("is not the key of tls_certificate".to_owned())
                }
                error => self.certificate_error(error.to_string()),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn certificate_error(&self, problem: String) -> TlsError {
        TlsError { setting: "tls_certificate", path: self.certificate.clone(), problem }
    }

    fn key_error(&self, problem: String) -> TlsError {
        TlsError { setting: "tls_key", path: self.key.clone(), problem }
    }
}

pub(super) fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError {
        setting,
        path: path.to_path_buf(),
        problem: error.to_string(),
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("holds no certificate as PEM".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("is no PEM: {error}")),
    }
}

pub(super) fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn problem(files: &Files) -> (&'static str, String) {
        let error = files.read().and_then(|contents| files.config(&contents)).unwrap_err();
        (error.setting, error.problem)
    }

    #[test]
    fn what_is_wrong_is_named_by_its_setting() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["ledger".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let good = Files {
            certificate: written(dir.path(), "tls.crt", &made.cert.pem()),
            key: written(dir.path(), "tls.key", &made.signing_key.serialize_pem()),
            client_ca: Some(("tls_client_ca", written(dir.path(), "ca.crt", &made.cert.pem()))),
        };
        let contents = good.read().unwrap();
        assert_eq!(good.config(&contents).unwrap().alpn_protocols, [&b"h2"[..], b"http/1.1"]);

        let empty = written(dir.path(), "empty", "");
        let missing = dir.path().join("missing");
        let foreign = written(dir.path(), "other.key", &other.serialize_pem());
        let cases = [
            (Files { certificate: missing.clone(), ..good.clone() }, "tls_certificate", "No such"),
            (Files { certificate: empty.clone(), ..good.clone() }, "tls_certificate", "no certif"),
            (Files { key: missing, ..good.clone() }, "tls_key", "No such file"),
            (Files { key: empty.clone(), ..good.clone() }, "tls_key", "no private key"),
            (Files { key: foreign, ..good.clone() }, "tls_key", "not the key of tls_certificate"),
            (
                Files { client_ca: Some(("tls_client_ca", empty)), ..good },
                "tls_client_ca",
                "holds no certificate",
            ),
        ];
        for (files, setting, said) in cases {
            let (named, problem) = problem(&files);
            assert_eq!(named, setting);
            assert!(problem.contains(said), "{problem}");
        }
    }
}
