//! The plugin configuration, checked whole before the first request.

mod check;
mod fields;
mod route;
mod structure;

use std::{rc::Rc, time::Duration};

use stripe402_protocol::{Currency, Units};

use crate::route::Table;

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// How the ledger is reached.
    pub ledger: Ledger,
    /// What is priced.
    pub routes: Table,
    /// What happens to requests that no route matches.
    pub unmatched: Unmatched,
    /// The names of the headers that tell the API who paid.
    pub identity: Identity,
    /// Sizes.
    pub limits: Limits,
    /// Whether the publishable key is one for real money: the ledger's must be, too.
    pub live: bool,
}

/// How the ledger is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The Envoy cluster.
    pub cluster: String,
    /// For a batch of charges.
    pub timeout: Duration,
    /// For a card payment.
    pub payment_timeout: Duration,
    /// The environment variable of Envoy's that holds the token.
    pub token_env: String,
}

/// What happens to requests that no route matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// They pass.
    #[default]
    Free,
    /// They are refused.
    Deny,
}

/// One thing that is for sale.
#[derive(Debug)]
pub struct Route {
    /// For the books and the log.
    pub name: String,
    /// The path that is priced.
    pub path: String,
    /// Upper case; empty means every method.
    pub methods: Vec<String>,
    /// Whether letter case and a trailing slash make another path.
    pub strict: bool,
    /// What one request costs.
    pub price: Units,
    /// The currency of every amount here.
    pub currency: Currency,
    /// The least that a card is charged; never below the price.
    pub min_top_up: Units,
    /// The most.
    pub max_top_up: Units,
    /// Which failures give the price back.
    pub void_on: VoidOn,
    /// The challenge, ready to be sent.
    pub challenge: Challenges,
}

/// A route's challenge.
#[derive(Debug)]
pub struct Challenges {
    first: stripe402_protocol::Challenge,
    encoded_first: Encoded,
    encoded_insufficient: Encoded,
}

/// A challenge as it travels.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The `payment-required` header.
    pub header: Rc<str>,
    /// The body: the same JSON.
    pub body: Rc<[u8]>,
}

/// Which failures of a request give its price back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set: each is on or off by itself")]
pub struct VoidOn {
    /// The API answered 5xx.
    pub upstream_5xx: bool,
    /// The API could not be reached, or broke off.
    pub upstream_reset: bool,
    /// The API did not answer in time.
    pub upstream_timeout: bool,
    /// The API answered 4xx.
    pub upstream_4xx: bool,
    /// The API answered 304.
    pub not_modified: bool,
    /// The client left after the request was forwarded.
    pub client_gone: bool,
}

/// The headers that tell the API who paid. Any that a client sends are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The client id.
    pub client_id: String,
    /// The balance after this request.
    pub credits_remaining: String,
    /// What this request cost.
    pub price: String,
    /// The charge, as in the ledger.
    pub charge_id: String,
}

/// Sizes that keep a worker's memory bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest `payment` header, in bytes; a longer one is `invalid_payment`.
    pub payment_header_bytes: usize,
    /// Charges and voids in one batch.
    pub batch: usize,
    /// Charges that may wait for a batch; more are answered 503.
    pub queue: usize,
    /// Voids that may wait; more are lost, and logged.
    pub void_queue: usize,
    /// Card payments under way at once; more are answered 503.
    pub card_payments: usize,
}

/// What is wrong with the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field, e.g. `routes[2].price`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl Config {
    /// Reads the plugin configuration: JSON, or a serialised `google.protobuf.Struct`.
    ///
    /// # Errors
    /// [`ConfigError`] for the first field that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let value = serde_json::from_slice(bytes).or_else(|error| {
            // A serialised Struct is never JSON; what is neither was most likely meant as JSON.
            structure::decode(bytes).ok_or_else(|| ConfigError {
                path: "configuration".to_owned(),
                problem: format!("neither JSON ({error}) nor a Struct"),
            })
        })?;
        check::config(value)
    }
}

impl Challenges {
    /// The challenges of a route.
    #[must_use]
    pub fn new(first: stripe402_protocol::Challenge) -> Self {
        let encoded_first = Encoded::new(&first);
        let encoded_insufficient = Encoded::new(&first.clone().insufficient_credits());
        Self { first, encoded_first, encoded_insufficient }
    }

    /// The challenge for a request of this path: made once for the path of the route, and anew
    /// for another spelling of it.
    #[must_use]
    pub fn of(&self, path: &str, insufficient: bool) -> Encoded {
        if path == self.first.resource.url {
            return if insufficient { &self.encoded_insufficient } else { &self.encoded_first }
                .clone();
        }
        let mut challenge = self.first.clone();
        path.clone_into(&mut challenge.resource.url);
        Encoded::new(&if insufficient { challenge.insufficient_credits() } else { challenge })
    }
}

impl Encoded {
    fn new(challenge: &stripe402_protocol::Challenge) -> Self {
        let body = serde_json::to_vec(challenge).unwrap_or_default();
        Self { header: stripe402_protocol::encode(challenge).into(), body: body.into() }
    }
}

#[cfg(test)]
mod tests;
