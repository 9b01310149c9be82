//! The API that the demo sells: knows nothing of payments, and is as lax about paths as Express by default.

mod answer;
mod mcp;
mod model;
mod path;
mod recorder;

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

use crate::{Error, Result};

pub use recorder::{Received, Recorder};

/// Listens there.
///
/// # Errors
/// If the address is taken.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(Error::io(format!("the demo API cannot listen on {address}")))
}

/// Answers requests, HTTP/1.1 and HTTP/2 alike, until `stop` is over; records them if asked to.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    recorder: Option<Recorder>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let demo = answer::Demo { recorder, mcp: mcp::Mcp::new() };
    let service = Router::new().fallback(answer::answer).with_state(demo);
    axum::serve(listener, service)
        .with_graceful_shutdown(stop)
        .await
        .map_err(Error::io("the demo API cannot serve"))
}
