//! Load: closed loops, by programs that others measure with, too.

mod h2load;
mod wrk;

use std::time::Duration;

use super::options::{Cell, Protocol};
use crate::Result;

/// What one run of the load showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) requests: u64,
    pub(super) took: Duration,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Answers that were neither 2xx nor 3xx.
    pub(super) refused: u64,
}

/// In whose name is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payer<'p> {
    /// Nobody's.
    Nobody,
    /// One client's, by its `payment` header.
    One(&'p str),
    /// A random one's of so many, each time; over HTTP/1.1 only.
    AnyOf(u32),
}

/// Asks for a URL.
///
/// # Errors
/// If the program is missing, or a connection failed.
pub(super) fn run(url: &str, payer: Payer<'_>, cell: Cell, time: Duration) -> Result<Load> {
    match cell.protocol {
        Protocol::Http1 => wrk::run(url, payer, cell.connections, time),
        Protocol::Http2 => h2load::run(url, payer, cell.connections, time),
    }
}
