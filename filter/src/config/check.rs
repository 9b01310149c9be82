//! From what is written to what can be served: defaults, ranges, contradictions.

use std::{cell::OnceCell, ops::RangeInclusive, rc::Rc, time::Duration};

use serde_json::Value;
use stripe402_protocol::Currency;

use super::{
    Config, ConfigError, Defaults, Discovery, Ledger, LedgerUnavailable, SizeLimits, Unmatched,
    VoidOn,
    anonymous::anonymous,
    fields::{Checked, Fields, Read, wrong},
    identity::identity,
    leases::{LEASES, leases},
    mpp::{MPP, mpp},
    paywall::{PAYWALL, paywall},
    route::{ROUTE, route},
    trial::trial,
};
use crate::pricing::Table;

/// Three kilobytes each, for every worker.
const KEPT_CHALLENGES: usize = 4_096;
const ROOT: [&str; 19] = [
    "publishable_key",
    "currency",
    "min_top_up",
    "max_top_up",
    "ledger",
    "routes",
    "route_metadata",
    "unmatched",
    "ledger_unavailable",
    "void_on",
    "identity",
    "access_log",
    "discovery",
    "paywall",
    "limits",
    "leases",
    "mpp",
    "trial",
    "anonymous",
];
const LEDGER: [&str; 4] = ["cluster", "timeout", "payment_timeout", "token_env"];
const DISCOVERY: [&str; 5] = ["enabled", "path", "balances_per_minute", "openapi", "llms"];
/// What registries read of an OpenAPI document. Source: draft-payment-discovery-00, appendix A.
const OPENAPI_BYTES: usize = 65_536;
const IDENTITY: [&str; 5] = ["client_id", "credits_remaining", "price", "charge_id", "unpaid"];
const LIMITS: [&str; 9] = [
    "payment_header_bytes",
    "batch",
    "queue",
    "void_queue",
    "card_payments",
    "source_shares",
    "by_window_bytes",
    "mcp_body_bytes",
    "mcp_body_timeout",
];

pub(super) fn config(value: Value) -> Checked<Config> {
    let mut root = Fields::of(String::new(), value, &ROOT)?;
    let publishable_key: String = root.required("publishable_key")?;
    if !["pk_test_", "pk_live_"].iter().any(|prefix| publishable_key.starts_with(prefix)) {
        return wrong("publishable_key", "must be a publishable key: pk_test_… or pk_live_…");
    }
    let live = publishable_key.starts_with("pk_live_");
    let leases = leases(root.object("leases", &LEASES)?)?;
    let currency = root.optional("currency")?.unwrap_or(Currency::USD);
    let defaults = Defaults {
        publishable_key,
        currency,
        min_top_up: root.optional("min_top_up")?,
        max_top_up: root.optional("max_top_up")?,
        void_on: root.values("void_on")?.map_or_else(VoidOn::usual, |causes| VoidOn::of(&causes)),
        leases: leases.enabled,
        trial: trial(&mut root, currency)?,
        anonymous: anonymous(&mut root)?.map_or(0, |(requests, _)| requests),
    };
    let ledger = ledger(root.object("ledger", &LEDGER)?)?;
    let route_metadata = root.optional("route_metadata")?.unwrap_or(true);
    let routes = routes(&mut root, &defaults, route_metadata)?;
    // With metadata a name may be that of a route in Envoy.
    if let Some(trial) = defaults.trial.as_ref().filter(|_| !route_metadata) {
        trial.check_names(&routes)?;
    }
    let unmatched = root.optional("unmatched")?.unwrap_or_default();
    let ledger_unavailable = root.optional("ledger_unavailable")?.unwrap_or_default();
    let identity = identity(root.object("identity", &IDENTITY)?)?;
    let access_log = root.optional("access_log")?.unwrap_or(true);
    let discovery = discovery(root.object("discovery", &DISCOVERY)?)?;
    let paywall = paywall(root.object("paywall", &PAYWALL)?)?;
    let mpp = mpp(root.object("mpp", &MPP)?)?;
    let limits = limits(root.object("limits", &LIMITS)?)?;
    Ok(Config {
        ledger,
        defaults,
        routes,
        route_metadata,
        unmatched,
        ledger_unavailable,
        identity,
        access_log,
        discovery,
        paywall,
        limits,
        leases,
        mpp,
        live,
    })
}

impl Config {
    /// What an operator most likely did not mean, though it can be served; for the log at the
    /// start.
    #[must_use]
    pub fn warning(&self) -> Option<&'static str> {
        let open = self.unmatched == Unmatched::Free && self.routes.rules().is_empty();
        open.then_some(
            "routes is empty and unmatched is free: Envoy serves every request free that it does not \
             match to a route with stripe402 metadata, also another spelling of a priced path; set \
             unmatched: deny, or give the catch-all route a price",
        )
    }
}

fn routes(root: &mut Fields, defaults: &Defaults, metadata: bool) -> Checked<Table> {
    let listed = root.list("routes")?.unwrap_or_default();
    if listed.is_empty() && !metadata {
        return wrong("routes", "must have at least one route if route_metadata is false");
    }
    // Each challenge is kept once it was made; not where that could fill the memory.
    let keep = listed.len() <= KEPT_CHALLENGES;
    let read = |(path, value)| route(Fields::of(path, value, &ROUTE)?, defaults, keep).map(Rc::new);
    let rules = listed.into_iter().map(read).collect::<Checked<Vec<_>>>()?;
    Table::new(rules).map_err(|clash| ConfigError {
        path: format!("routes[{}]", clash.later),
        problem: format!(
            "has the same path, method and host as routes[{}]; remove one",
            clash.earlier
        ),
    })
}

fn discovery(mut fields: Fields) -> Checked<Option<Discovery>> {
    let enabled: Option<bool> = fields.optional("enabled")?;
    let path: Option<String> = fields.optional("path")?;
    let per_minute: Option<usize> = fields.optional("balances_per_minute")?;
    let path = path.unwrap_or_else(|| "/.well-known/stripe402".to_owned());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if !path.starts_with('/') || path.ends_with('/') || !path.bytes().all(plain) {
        return wrong(
            "discovery.path",
            "must be a path that begins with / and does not end with /",
        );
    }
    let balances_per_minute =
        per_minute.map_or(60, |number| u32::try_from(number).unwrap_or(u32::MAX));
    let openapi = openapi(&mut fields)?;
    let llms = fields.optional("llms")?.unwrap_or(false);
    let (listing, llms_text) = (OnceCell::new(), OnceCell::new());
    let discovery = Discovery { path, balances_per_minute, openapi, llms, llms_text, listing };
    Ok(enabled.unwrap_or(true).then_some(discovery))
}

/// As a text: in a `Struct` every number would be a double, and the order of the fields lost.
fn openapi(fields: &mut Fields) -> Checked<Option<Rc<[u8]>>> {
    let Some(text) = fields.optional::<String>("openapi")? else { return Ok(None) };
    let problem = if text.len() > OPENAPI_BYTES {
        "must have at most 65536 bytes: registries read no more"
    } else if serde_json::from_str::<Value>(&text).is_ok_and(|it| it.get("openapi").is_some()) {
        return Ok(Some(text.into_bytes().into()));
    } else {
        "must be the text of an OpenAPI 3 document in JSON"
    };
    wrong(fields.path("openapi"), problem)
}

fn ledger(mut fields: Fields) -> Checked<Ledger> {
    let cluster: String = fields.required("cluster")?;
    if cluster.is_empty() {
        return wrong("ledger.cluster", "must name a cluster of this Envoy");
    }
    let ledger = Ledger {
        cluster,
        timeout: fields.optional("timeout")?.unwrap_or(Duration::from_secs(1)),
        payment_timeout: fields.optional("payment_timeout")?.unwrap_or(Duration::from_secs(30)),
        token_env: fields.optional("token_env")?.unwrap_or_else(|| "LEDGER_TOKEN".to_owned()),
    };
    Ok(ledger)
}

fn limits(mut fields: Fields) -> Checked<SizeLimits> {
    let usual = SizeLimits::default();
    let mut limit = |name: &str, usual: usize, range: RangeInclusive<usize>| {
        let given: Option<usize> = fields.optional(name)?;
        match given.unwrap_or(usual) {
            within if range.contains(&within) => Ok(within),
            _ => wrong(
                fields.path(name),
                format!("must be between {} and {}", range.start(), range.end()),
            ),
        }
    };
    Ok(SizeLimits {
        // Envoy takes 60 KiB of headers in all.
        payment_header_bytes: limit(
            "payment_header_bytes",
            usual.payment_header_bytes,
            64..=61_440,
        )?,
        // A ledger takes a megabyte; a deduction may have a route's name of a few hundred bytes.
        batch: limit("batch", usual.batch, 2..=1_024)?,
        queue: limit("queue", usual.queue, 1..=100_000)?,
        void_queue: limit("void_queue", usual.void_queue, 1..=1_000_000)?,
        card_payments: limit("card_payments", usual.card_payments, 1..=10_000)?,
        source_shares: limit("source_shares", usual.source_shares, 1..=1_000)?,
        // Envoy's own buffer for a stream has a megabyte.
        by_window_bytes: limit("by_window_bytes", usual.by_window_bytes, 1_024..=1_048_576)?,
        mcp_body_bytes: limit("mcp_body_bytes", usual.mcp_body_bytes, 1_024..=1_048_576)?,
        mcp_body_timeout: fields.optional("mcp_body_timeout")?.unwrap_or(usual.mcp_body_timeout),
    })
}

impl Read for Unmatched {
    const EXPECTED: &'static str = "free or deny";

    fn read(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "free" => Some(Self::Free),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }
}

impl Read for LedgerUnavailable {
    const EXPECTED: &'static str = "deny or allow";

    fn read(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "deny" => Some(Self::Deny),
            "allow" => Some(Self::Allow),
            _ => None,
        }
    }
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            payment_header_bytes: 8 * 1024,
            batch: 128,
            queue: 10_000,
            void_queue: 10_000,
            card_payments: 1_000,
            source_shares: 8,
            by_window_bytes: 64 * 1024,
            mcp_body_bytes: 256 * 1024,
            mcp_body_timeout: Duration::from_secs(10),
        }
    }
}
