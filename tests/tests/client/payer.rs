//! An adapter that is to pay: what it is told and what it says, in words that each understands.

use serde_json::Value;

use crate::{cli, driver, mcp, rust};

/// Which adapter.
#[derive(Clone)]
pub(crate) enum Kind {
    /// The middleware for reqwest.
    Rust,
    /// The program `stripe402`.
    CommandLine,
    /// The npm or the Python package.
    Driver(driver::Driver),
    /// `fetch_paid` of `stripe402 mcp`.
    Mcp(mcp::Sdk),
}

impl Kind {
    /// Whether who pays hears what a cardholder confirms a payment with. An agent does not.
    pub(crate) fn hears_client_secrets(&self) -> bool {
        !matches!(self, Self::Mcp(_))
    }

    /// Whether a body may come in chunks that cannot be sent a second time. An agent's is a text.
    pub(crate) fn streams_bodies(&self) -> bool {
        !matches!(self, Self::Mcp(_))
    }
}

/// Somebody with a purse that was empty at first.
pub(crate) enum Payer {
    Rust(rust::Payer),
    CommandLine(cli::Payer),
    Driver(driver::Payer),
    Mcp(mcp::Payer),
}

impl Payer {
    /// `settings` is a policy, as every adapter takes it.
    pub(crate) fn new(kind: &Kind, settings: Value) -> Self {
        match kind {
            Kind::Rust => Self::Rust(rust::Payer::new(settings)),
            Kind::CommandLine => Self::CommandLine(cli::Payer::new(&settings)),
            Kind::Driver(driver) => Self::Driver(driver.payer(settings)),
            Kind::Mcp(sdk) => Self::Mcp(mcp::Payer::new(sdk, &settings)),
        }
    }

    /// Carries out `{method?, url, headers?, body?, stream?}`, all at once; each becomes
    /// `{status, body, paid}` or `{error: {code, reason, …}}`.
    pub(crate) async fn calls(&self, calls: &[Value]) -> Vec<Value> {
        match self {
            Self::Rust(payer) => payer.calls(calls).await,
            Self::CommandLine(payer) => payer.calls(calls).await,
            Self::Driver(payer) => payer.calls(calls).await,
            Self::Mcp(payer) => payer.calls(calls).await,
        }
    }

    pub(crate) async fn call(&self, call: Value) -> Value {
        self.calls(&[call]).await.remove(0)
    }
}
