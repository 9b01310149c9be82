//! What is asked of which gateway, and what it cost.

use serde::Serialize;

use super::{
    options::{Cell, Protocol},
    subject::Kind,
};

/// What is asked, and of which gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) subject: Kind,
    pub(super) path: &'static str,
    pub(super) asks: Asks,
}

/// What clients do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Nothing is paid, and all are served.
    Free,
    /// Nothing is paid, and every answer is a 402.
    Unpaid,
    /// Each request is paid from one balance.
    Paid,
    /// Each is paid from a random one of many.
    PaidByMany,
}

impl Asks {
    /// Whether requests are paid for.
    pub(super) const fn pays(self) -> bool {
        matches!(self, Self::Paid | Self::PaidByMany)
    }
}

impl Row {
    /// Whether it can be asked so: the load writes many names over HTTP/1.1 only, and Node without TLS
    /// speaks nothing else.
    pub(super) fn fits(&self, cell: Cell) -> bool {
        let any = self.asks != Asks::PaidByMany && self.subject != Kind::Node;
        any || cell.protocol == Protocol::Http1
    }
}

const fn row(name: &'static str, subject: Kind, path: &'static str, asks: Asks) -> Row {
    Row { name, subject, path, asks }
}

/// What any filter of this kind costs, whatever it does.
pub(super) const NO_OP: &str = "a wasm filter that does nothing";

/// All rows; plain Envoy is the first.
pub(super) const ROWS: [Row; 16] = [
    row("plain Envoy", Kind::Plain, "/api/joke", Asks::Free),
    row(NO_OP, Kind::NoOp, "/api/joke", Asks::Free),
    row("filter disabled on the route", Kind::Embedded, "/off", Asks::Free),
    row("free route", Kind::Embedded, "/api/health", Asks::Free),
    row("402", Kind::Embedded, "/api/joke", Asks::Unpaid),
    row("paid, embedded", Kind::Embedded, "/api/joke", Asks::Paid),
    row("paid, Redis", Kind::Redis, "/api/joke", Asks::Paid),
    row("leased, Redis", Kind::Redis, "/leased", Asks::Paid),
    row("leased, Redis, many clients", Kind::Redis, "/leased", Asks::PaidByMany),
    row("held and captured, Redis", Kind::Redis, "/api/metered?cost=1", Asks::Paid),
    row("paid, Redis, many clients", Kind::Redis, "/api/joke", Asks::PaidByMany),
    row("paid, Redis, fsync always", Kind::RedisAlways, "/api/joke", Asks::Paid),
    row("paid, PostgreSQL", Kind::Postgres, "/api/joke", Asks::Paid),
    row("leased, PostgreSQL", Kind::Postgres, "/leased", Asks::Paid),
    row("ext_authz, Redis", Kind::ExtAuthz, "/api/joke", Asks::Paid),
    row("no gateway: Node, Redis", Kind::Node, "/api/joke", Asks::Paid),
];

/// One round of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) rate: f64,
    pub(super) batch: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// CPU microseconds for each request.
    pub(super) envoy: f64,
    pub(super) ledger: f64,
    pub(super) store: f64,
    pub(super) api: f64,
    /// Envoy's memory at its end, in megabytes.
    pub(super) memory: f64,
}

/// A row's medians, in one cell.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was asked.
    pub name: &'static str,
    /// How it was asked.
    #[serde(flatten)]
    pub cell: Cell,
    /// Requests a second.
    pub rate: f64,
    /// Paid requests for each call to the ledger.
    pub batch: f64,
    /// Half of all answers came within so many microseconds.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// CPU microseconds of Envoy for each request.
    pub envoy: f64,
    /// Of the ledger, or of the authoriser.
    pub ledger: f64,
    /// Of the store, if it is a server.
    pub store: f64,
    /// Of the API.
    pub api: f64,
    /// Envoy's memory, in megabytes.
    pub memory: f64,
}

impl Figure {
    /// The medians of a row's rounds.
    pub(super) fn of(name: &'static str, cell: Cell, rounds: &[Round]) -> Self {
        let median = |of: fn(&Round) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            let middle = |at: usize| all.get(at).copied().unwrap_or_default();
            f64::midpoint(middle(all.len().saturating_sub(1) / 2), middle(all.len() / 2))
        };
        Self {
            name,
            cell,
            rate: median(|round| round.rate),
            batch: median(|round| round.batch),
            p50: median(|round| round.p50),
            p99: median(|round| round.p99),
            envoy: median(|round| round.envoy),
            ledger: median(|round| round.ledger),
            store: median(|round| round.store),
            api: median(|round| round.api),
            memory: median(|round| round.memory),
        }
    }

    /// CPU microseconds of everything but the load generator.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        self.envoy + self.ledger + self.store + self.api
    }

    /// Requests that one core serves in a second, if it does all that a request needs.
    #[must_use]
    pub fn rate_per_core(&self) -> f64 {
        1e6 / self.cpu().max(1.0)
    }
}
