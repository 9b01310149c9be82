//! A listener that speaks TLS if it is told how, and TCP as it is if not.
//!
//! The crate `tls-listener` would not make it smaller: it takes a renewed certificate only through an
//! exclusive reference to the listener.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;

use super::renewal::Current;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; whoever connects beyond that waits.
const HANDSHAKES: usize = 1024;

/// A connection.
pub type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Where connections come in.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Current>,
    /// Handshakes under way. They are not waited for one by one: a client that says nothing holds up nobody.
    greeted: JoinSet<Option<(Stream, SocketAddr)>>,
}

impl Listener {
    /// Takes connections of `tcp`, over TLS where it is given.
    #[must_use]
    pub fn new(tcp: TcpListener, tls: Option<Current>) -> Self {
        Self { tcp, tls, greeted: JoinSet::new() }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            let room = self.greeted.len() < HANDSHAKES;
            tokio::select! {
                (stream, peer) = axum::serve::Listener::accept(&mut self.tcp), if room => {
                    // Answers are small and must not wait for more.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY cannot be set on a connection");
                    }
                    let Some(tls) = &self.tls else { return (Either::Left(stream), peer) };
                    self.greeted.spawn(greet(tls.get(), stream, peer));
                }
                Some(greeted) = self.greeted.join_next() => {
                    if let Ok(Some(greeted)) = greeted {
                        return greeted;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// The handshake. Who fails it is logged: a gateway with the wrong certificate must be found.
async fn greet(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<(Stream, SocketAddr)> {
    match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => return Some((Either::Right(stream), peer)),
        // Probes that only connect, and port scans.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!(%peer, "a peer left before the TLS handshake");
        }
        Ok(Err(error)) => tracing::warn!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::warn!(%peer, "a TLS handshake took too long"),
    }
    None
}
