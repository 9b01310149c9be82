//! One priced route.

use serde_json::Value;
use stripe402_protocol::{
    Currency, Units,
    message::{LONGEST_ROUTE, is_route_name},
};

use super::{
    Defaults,
    anonymous::{anonymous, of_route},
    fields::{Checked, Fields, Read, wrong},
    price::{self, UNITS},
    tools,
};
use crate::pricing::{EncodedChallenges, Hosts, Match, Offer, Price, Rule, VoidOn};

const DEFAULT_MIN_TOP_UP: u32 = 50_000;
const DEFAULT_MAX_TOP_UP: u32 = 10_000_000;

/// The fields of a route.
pub(super) const ROUTE: [&str; 18] = [
    "name",
    "route_name",
    "hosts",
    "path",
    "prefix",
    "methods",
    "strict",
    "free",
    "price",
    "currency",
    "min_top_up",
    "max_top_up",
    "description",
    "mime_type",
    "void_on",
    "leases",
    "anonymous",
    "mcp",
];
/// What a route in Envoy can say of itself.
pub(super) const OFFER: [&str; 11] = [
    "name",
    "free",
    "price",
    "currency",
    "min_top_up",
    "max_top_up",
    "description",
    "mime_type",
    "void_on",
    "leases",
    "anonymous",
];
/// Where it says so.
pub(super) const METADATA_PATH: &str = "filter_metadata.stripe402";

/// A failure that gives the price back.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    Upstream5xx,
    UpstreamReset,
    UpstreamTimeout,
    GrpcFailure,
    Upstream4xx,
    NotModified,
    ClientGone,
}

pub(super) fn route(mut fields: Fields, defaults: &Defaults, keep: bool) -> Checked<Rule> {
    let (of, field) = matched(&mut fields)?;
    let text = match &of {
        Match::RouteName(text)
        | Match::Exact(text)
        | Match::Template(text)
        | Match::Prefix(text) => text.clone(),
    };
    if field != "route_name" {
        path(&of, &text, &fields.path(field))?;
    }
    let hosts = hosts(&mut fields)?;
    let methods = methods(&mut fields)?;
    let strict = fields.optional("strict")?.unwrap_or_default();
    let keep = (keep && matches!(of, Match::Exact(_))).then(|| text.as_str().into());
    let offer = match fields.value("mcp") {
        Some(mcp) => Some(tools::offer(&mut fields, mcp, defaults, text)?),
        None => offer(&mut fields, defaults, text, keep)?,
    };
    let offer = offer.map(std::rc::Rc::new);
    Ok(Rule { of, hosts, methods, strict, offer })
}

/// What a route in Envoy says of itself.
pub(super) fn metadata(
    value: Value,
    defaults: &Defaults,
    route_name: Option<&str>,
) -> Checked<Option<Offer>> {
    let mut fields = Fields::of(METADATA_PATH.to_owned(), value, &OFFER)?;
    offer(&mut fields, defaults, route_name.unwrap_or("route").to_owned(), None)
}

/// Which requests a route is about, and the field that says so.
fn matched(fields: &mut Fields) -> Checked<(Match, &'static str)> {
    let name: Option<String> = fields.optional("route_name")?;
    let path: Option<String> = fields.optional("path")?;
    let prefix: Option<String> = fields.optional("prefix")?;
    match (name, path, prefix) {
        (Some(name), None, None) if !name.is_empty() => Ok((Match::RouteName(name), "route_name")),
        (None, Some(path), None) if path.contains('{') => Ok((Match::Template(path), "path")),
        (None, Some(path), None) => Ok((Match::Exact(path), "path")),
        (None, None, Some(prefix)) => Ok((Match::Prefix(prefix), "prefix")),
        (None, None, None) => wrong(
            fields.path("path"),
            "is missing: a route needs one of path, prefix and route_name",
        ),
        _ => wrong(
            fields.path("path"),
            "a route needs exactly one of path, prefix and route_name, not empty",
        ),
    }
}

fn path(of: &Match, text: &str, at: &str) -> Checked<()> {
    if !text.starts_with('/') || text.contains(['?', '#', '*', '%', ';', '\\', ' ']) {
        let problem = "must be a path: begins with /, decoded, without ? # * % ; \\ and spaces";
        return wrong(at, problem);
    }
    let whole = |segment: &str| match segment.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        }),
        None => !segment.contains(['{', '}']),
    };
    if matches!(of, Match::Prefix(_)) && text.contains(['{', '}']) {
        return wrong(at, "must have no parameters: they are for `path`");
    }
    if !text.split('/').all(whole) {
        return wrong(at, "must have parameters as whole segments of a path: /users/{id}");
    }
    // What is resolved in a request would never be found as it is written here.
    if text.contains("//") || text.split('/').any(|segment| matches!(segment, "." | "..")) {
        return wrong(at, "must have no empty segment, no . and no ..");
    }
    Ok(())
}

/// What a request costs; `None` if it is free. `name` is what the books call it by default.
pub(super) fn offer(
    fields: &mut Fields,
    defaults: &Defaults,
    name: String,
    kept_for: Option<Box<str>>,
) -> Checked<Option<Offer>> {
    let price = fields.value("price");
    let currency = fields.optional("currency")?.unwrap_or(defaults.currency);
    let (least, least_at) = inherited(fields, "min_top_up", defaults.min_top_up)?;
    let (most, most_at) = inherited(fields, "max_top_up", defaults.max_top_up)?;
    let description = fields.optional("description")?;
    let mime_type = fields.optional("mime_type")?;
    let name: String = fields.optional("name")?.unwrap_or(name);
    let void_on = match fields.values("void_on")? {
        Some(causes) => VoidOn::of(&causes),
        None => defaults.void_on,
    };
    let leases: Option<bool> = fields.optional("leases")?;
    let leases_at = fields.path("leases");
    let anonymous = anonymous(fields)?;
    let price = match (fields.optional("free")?.unwrap_or_default(), price) {
        (true, None) => return Ok(None),
        (true, Some(_)) => {
            return wrong(fields.path("price"), "must be removed: the route has free: true");
        }
        (false, None) => {
            return wrong(fields.path("price"), format!("is missing; it must be {UNITS}"));
        }
        (false, Some((at, value))) => price::price(at, value)?,
    };
    if name.is_empty() || !is_route_name(&name) {
        let problem = format!(
            "must have 1 to {LONGEST_ROUTE} bytes and no control characters; it is the path if it is \
             not set"
        );
        return wrong(fields.path("name"), problem);
    }
    let least = top_up(least, DEFAULT_MIN_TOP_UP, currency, &least_at)?;
    let max_top_up = top_up(most, DEFAULT_MAX_TOP_UP, currency, &most_at)?;
    // The least that a challenge names is never below its price (protocol, "Units").
    let min_top_up = least.max(price.most());
    if min_top_up > max_top_up {
        let problem = format!(
            "is {max_top_up} units, below the least top-up of {name}, {min_top_up} units: raise it, or \
             lower min_top_up or the price"
        );
        return wrong(most_at, problem);
    }
    let is_flat = matches!(price, Price::Flat(_));
    if leases == Some(true) && !is_flat {
        let problem =
            "must be false or absent: each request of a metered price is a hold of its own";
        return wrong(leases_at, problem);
    }
    let leases = leases.unwrap_or(defaults.leases) && is_flat;
    let anonymous = of_route(anonymous, defaults.anonymous, is_flat)?;
    let trial = defaults.trial.as_ref();
    let trial = trial.and_then(|trial| trial.of(&name, price.most(), currency));
    let encoded = EncodedChallenges::of(kept_for);
    Ok(Some(Offer {
        name,
        price,
        currency,
        min_top_up,
        max_top_up,
        description,
        mime_type,
        void_on,
        leases,
        trial,
        anonymous,
        tools: None,
        encoded,
    }))
}

fn hosts(fields: &mut Fields) -> Checked<Hosts> {
    let names: Vec<String> = fields.values("hosts")?.unwrap_or_default();
    match Hosts::new(&names) {
        Some(hosts) => Ok(hosts),
        None => {
            let problem = "must be host names without ports: api.example.com, *.example.com";
            wrong(fields.path("hosts"), problem)
        }
    }
}

fn methods(fields: &mut Fields) -> Checked<Vec<String>> {
    let methods: Vec<String> = fields.values("methods")?.unwrap_or_default();
    for (at, method) in methods.iter().enumerate() {
        let token = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
        if !token || method == "OPTIONS" {
            let problem = "must be a method in capitals, and not OPTIONS, which is always free";
            return wrong(format!("{}[{at}]", fields.path("methods")), problem);
        }
    }
    Ok(methods)
}

/// A route's own amount, or the one for all routes, and the path of whichever it is.
fn inherited(
    fields: &mut Fields,
    name: &str,
    default: Option<i64>,
) -> Checked<(Option<i64>, String)> {
    let own: Option<i64> = fields.optional(name)?;
    // What nobody has set is missed where it can be set for this route alone.
    let inherits = own.is_none() && default.is_some();
    let path = if inherits { name.to_owned() } else { fields.path(name) };
    Ok((own.or(default), path))
}

fn top_up(given: Option<i64>, default: u32, currency: Currency, at: &str) -> Checked<Units> {
    let Some(amount) = given else {
        return if currency.has_cents() {
            Ok(Units::from_u32(default))
        } else {
            wrong(
                at,
                format!("must be set, here or for all routes: there is no default in {currency}"),
            )
        };
    };
    let least = currency.least_charge().unwrap_or(Units::from_u32(1));
    match Units::new(amount) {
        Ok(amount) if amount >= least => Ok(amount),
        _ => wrong(
            at,
            format!("must be at least {least} units: Stripe's least charge in {currency}"),
        ),
    }
}

impl Read for Cause {
    const EXPECTED: &'static str = "upstream_5xx, upstream_reset, upstream_timeout, grpc_failure, \
                                    upstream_4xx, not_modified or client_gone";

    fn read(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "upstream_5xx" => Self::Upstream5xx,
            "upstream_reset" => Self::UpstreamReset,
            "upstream_timeout" => Self::UpstreamTimeout,
            "grpc_failure" => Self::GrpcFailure,
            "upstream_4xx" => Self::Upstream4xx,
            "not_modified" => Self::NotModified,
            "client_gone" => Self::ClientGone,
            _ => return None,
        })
    }
}

impl VoidOn {
    /// What the API or the way to it did wrong.
    pub(super) fn usual() -> Self {
        Self::of(&[
            Cause::Upstream5xx,
            Cause::UpstreamReset,
            Cause::UpstreamTimeout,
            Cause::GrpcFailure,
        ])
    }

    pub(super) fn of(causes: &[Cause]) -> Self {
        let mut set = Self::default();
        for cause in causes {
            match cause {
                Cause::Upstream5xx => set.upstream_5xx = true,
                Cause::UpstreamReset => set.upstream_reset = true,
                Cause::UpstreamTimeout => set.upstream_timeout = true,
                Cause::GrpcFailure => set.grpc_failure = true,
                Cause::Upstream4xx => set.upstream_4xx = true,
                Cause::NotModified => set.not_modified = true,
                Cause::ClientGone => set.client_gone = true,
            }
        }
        set
    }
}
