//! Renewed files are taken up while the ledger runs.
//!
//! By looking, not by a watch: mounted Secrets change through a link two folders up, and certificates
//! are renewed weeks ahead.

use std::{sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::sync::watch;

use super::files::{Files, TlsError};

/// What a listener shows to those who connect now.
#[derive(Clone, Debug)]
pub struct Current(watch::Receiver<Arc<ServerConfig>>);

impl Current {
    /// For the next connection.
    #[must_use]
    pub fn get(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.borrow())
    }
}

/// Looks into the files now, and then at intervals for as long as the returned future is polled: what is new and
/// good is shown from the next connection on; connections that are up stay. What is new and wrong is logged once
/// and changes nothing, so that files that are replaced one after another do no harm in between.
///
/// They are compared by content: a mounted Secret changes as a whole, through a link, with dates of its own.
///
/// # Errors
/// [`TlsError`] for what is wrong with the files now.
pub fn renew(
    files: Files,
    interval: Duration,
) -> Result<(Current, impl Future<Output = ()> + Send + 'static), TlsError> {
    let contents = files.read()?;
    let mut known = contents.digest();
    let (sender, receiver) = watch::channel(Arc::new(files.config(&contents)?));
    let files = Arc::new(files);
    let looking = async move {
        let mut complaint = None;
        loop {
            tokio::time::sleep(interval).await;
            let (of_task, last) = (Arc::clone(&files), known);
            // Files may be on a slow disk.
            let looked = tokio::task::spawn_blocking(move || changed(&of_task, last)).await;
            match looked.unwrap_or(Ok(None)) {
                Ok(None) => complaint = None,
                Ok(Some((config, digest))) => {
                    (known, complaint) = (digest, None);
                    let _ = sender.send(Arc::new(config));
                    tracing::info!(certificate = %files.certificate.display(), "TLS certificate reloaded");
                }
                Err(error) if complaint.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the certificate is not renewed; the last one goes on");
                    complaint = Some(error);
                }
            }
        }
    };
    Ok((Current(receiver), looking))
}

/// What the files make if they are others than those that are known.
fn changed(files: &Files, known: [u8; 32]) -> Result<Option<(ServerConfig, [u8; 32])>, TlsError> {
    let contents = files.read()?;
    let digest = contents.digest();
    if digest == known {
        return Ok(None);
    }
    Ok(Some((files.config(&contents)?, digest)))
}
