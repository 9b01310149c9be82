//! When a process is ready: a connection is taken, or a URL answers with a status.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http;

/// One probe may take this long: a port that swallows connections must not hold up the check for a dead process.
const PATIENCE: Duration = Duration::from_secs(1);

/// A question whose answer tells that a process is ready.
#[derive(Debug, Clone)]
pub enum Probe {
    /// Something takes connections there.
    Tcp(SocketAddr),
    /// `GET url` answers with this status.
    Http {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
}

impl Probe {
    /// `GET url` answers 200.
    pub fn ok(url: impl Into<String>) -> Self {
        Self::Http { url: url.into(), status: 200 }
    }

    /// Asks once; the error says what was found instead.
    pub(super) async fn try_once(&self) -> Result<(), String> {
        tokio::time::timeout(PATIENCE, self.ask())
            .await
            .unwrap_or_else(|_| Err("no answer in a second".to_owned()))
    }

    async fn ask(&self) -> Result<(), String> {
        match self {
            Self::Tcp(address) => match tokio::net::TcpStream::connect(address).await {
                Ok(_stream) => Ok(()),
                Err(error) => Err(format!("{address}: {error}")),
            },
            Self::Http { url, status } => {
                let client = http::client().map_err(|error| error.to_string())?;
                let answer =
                    client.get(url).send().await.map_err(|_| format!("{url} does not answer"))?;
                let found = answer.status().as_u16();
                if found == *status {
                    Ok(())
                } else {
                    Err(format!("{url} answers {found}, not {status}"))
                }
            }
        }
    }
}
