//! The plugin configuration, checked whole before the first request.

mod anonymous;
mod by;
mod check;
mod fields;
mod identity;
mod leases;
mod metadata;
mod mpp;
mod once;
mod paywall;
mod price;
mod route;
mod structure;
mod tools;
mod trial;

use std::{cell::OnceCell, rc::Rc, time::Duration};

use stripe402_protocol::Currency;

pub use self::{leases::LeaseSettings, mpp::Mpp, paywall::Paywall};
use crate::pricing::{EncodedChallenge, Offer, Table, VoidOn};

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// How the ledger is reached.
    pub ledger: Ledger,
    /// What routes take over if they do not say otherwise.
    pub defaults: Defaults,
    /// What is priced.
    pub routes: Table,
    /// Whether routes in Envoy may say their price themselves, in their metadata.
    pub route_metadata: bool,
    /// What happens to requests that no route matches.
    pub unmatched: Unmatched,
    /// What happens to requests that the ledger gives no answer for.
    pub ledger_unavailable: LedgerUnavailable,
    /// The names of the headers that tell the API who paid.
    pub identity: Identity,
    /// Whether access logs can tell what became of a payment.
    pub access_log: bool,
    /// Where clients find what is for sale.
    pub discovery: Option<Discovery>,
    /// What browsers get with a 402.
    pub paywall: Option<Paywall>,
    /// Sizes.
    pub limits: SizeLimits,
    /// Credit leases.
    pub leases: LeaseSettings,
    /// How the gate speaks MPP, if it does.
    pub mpp: Option<Mpp>,
    /// Whether the publishable key is one for real money: the ledger's must be, too.
    pub live: bool,
}

/// How the ledger is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The Envoy cluster.
    pub cluster: String,
    /// For a batch of deductions.
    pub timeout: Duration,
    /// For a card payment.
    pub payment_timeout: Duration,
    /// The environment variable of Envoy's that holds the token.
    pub token_env: String,
}

/// What a route takes over if it does not say otherwise.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// With which browsers make PaymentMethods.
    pub publishable_key: String,
    /// The currency of every amount.
    pub currency: Currency,
    min_top_up: Option<i64>,
    max_top_up: Option<i64>,
    void_on: VoidOn,
    leases: bool,
    trial: Option<trial::TrialSettings>,
    anonymous: u32,
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

/// What happens to requests that the ledger gives no answer for at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LedgerUnavailable {
    /// They are refused.
    #[default]
    Deny,
    /// They pass unpaid, with a header that says so.
    Allow,
}

/// What is free of deduction and answered by the gate itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The path of the list; the balance is at `/balance` below it.
    pub path: String,
    /// Balances told per minute, source address (64 bits of an IPv6 address) and worker.
    pub balances_per_minute: u32,
    /// The API's OpenAPI document, which the gate serves at `/openapi.json`.
    pub openapi: Option<Rc<[u8]>>,
    /// Whether the gate serves the list of prices at `/llms.txt`, too.
    pub llms: bool,
    /// The text of it, once it was asked for.
    pub(crate) llms_text: OnceCell<Rc<[u8]>>,
    /// The list as JSON, once it was asked for: it is the same for as long as the configuration is.
    pub(crate) listing: OnceCell<Rc<[u8]>>,
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
    /// The deduction, as in the ledger.
    pub deduction_id: String,
    /// Why a request that was not paid for is let through.
    pub unpaid: String,
}

/// Sizes that keep a worker's memory bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimits {
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
    /// In how many shares the places of the queue, and of card payments, are parted. A source
    /// holds one share at the most while others want places.
    pub source_shares: usize,
    /// Bytes of a request's body that may be held back to find the text that chooses unit prices.
    pub by_window_bytes: usize,
    /// Bytes of a message of MCP's.
    pub mcp_body_bytes: usize,
    /// How long its body may take to arrive.
    pub mcp_body_timeout: Duration,
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
        let once = once::Once::default();
        let value = read_json(bytes, &once).or_else(|error| {
            // A serialised Struct is never JSON; what is neither was most likely meant as JSON.
            structure::decode(bytes, &once).ok_or_else(|| ConfigError {
                path: "configuration".to_owned(),
                problem: format!("must be JSON or a google.protobuf.Struct; as JSON: {error}"),
            })
        })?;
        once.check()?;
        check::config(value)
    }
}

/// One reader for all of the module: it must stay small.
fn read_json(bytes: &[u8], once: &once::Once) -> serde_json::Result<serde_json::Value> {
    use serde::de::DeserializeSeed as _;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = once::At(String::new(), once).deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

impl Config {
    /// The challenge of an offer for a request of this path.
    #[must_use]
    pub fn challenge(&self, offer: &Offer, path: &str, insufficient: bool) -> EncodedChallenge {
        offer.challenge(path, insufficient, &self.defaults.publishable_key)
    }

    /// What a route in Envoy says of itself in its metadata, as [`crate::pairs`]. `None` if it is
    /// free.
    ///
    /// # Errors
    /// [`ConfigError`] if it says something wrong: such a route must not be free by mistake.
    pub fn metadata(
        &self,
        bytes: &[u8],
        route_name: Option<&str>,
    ) -> Result<Option<Offer>, ConfigError> {
        let value = metadata::decode(bytes).ok_or_else(|| ConfigError {
            path: route::METADATA_PATH.to_owned(),
            problem: "cannot be decoded: give every field a value".to_owned(),
        })?;
        route::metadata(value, &self.defaults, route_name)
    }
}

#[cfg(test)]
mod tests;
