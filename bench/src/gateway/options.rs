//! What is measured.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// What requests cost at the gateway, beside plain Envoy in the same run.
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Where `results.json` and `results.svg` are written
    #[arg(long, default_value = "bench")]
    pub folder: PathBuf,
    /// Rounds of every row, taking turns; one before them is for warming up
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How long a round of a row lasts
    #[arg(long, default_value_t = 4)]
    pub seconds: u64,
    /// Connections at once
    #[arg(long, value_delimiter = ',', default_value = "32")]
    pub connections: Vec<u32>,
    /// Envoy's worker threads
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub workers: Vec<u16>,
    /// What clients speak
    #[arg(long, value_delimiter = ',', default_value = "http1")]
    pub protocols: Vec<Protocol>,
    /// How many clients "many" are
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub clients: u32,
    /// Only rows whose name contains this, beside plain Envoy; may be repeated
    #[arg(long = "row")]
    pub rows: Vec<String>,
}

/// What clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1, by wrk
    Http1,
    /// HTTP/2 without TLS, one stream a connection, by h2load
    Http2,
}

impl Protocol {
    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// One way of asking, in which every row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cell {
    /// Envoy's worker threads.
    pub workers: u16,
    /// What clients speak.
    pub protocol: Protocol,
    /// Connections at once.
    pub connections: u32,
}

impl Options {
    /// Whether a row is wanted.
    #[must_use]
    pub fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| row.contains(wanted.as_str()))
    }

    /// The ways of asking gateways with so many workers.
    #[must_use]
    pub fn cells(&self, workers: u16) -> Vec<Cell> {
        let of = |protocol: Protocol| {
            let all = self.connections.iter();
            all.map(move |connections| Cell { workers, protocol, connections: *connections })
        };
        self.protocols.iter().flat_map(|protocol| of(*protocol)).collect()
    }
}
