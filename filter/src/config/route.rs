//! One priced route.

use serde_json::Value;
use stripe402_protocol::{Challenge, Currency, Resource, Units};

use super::{
    Challenges, Route, VoidOn,
    fields::{Checked, Fields, Read, wrong},
};

const DEFAULT_MIN_TOP_UP: u32 = 50_000;
const DEFAULT_MAX_TOP_UP: u32 = 10_000_000;

/// The fields of a route.
pub(super) const ROUTE: [&str; 11] = [
    "name",
    "path",
    "methods",
    "strict",
    "price",
    "currency",
    "min_top_up",
    "max_top_up",
    "description",
    "mime_type",
    "void_on",
];

/// A price as it is written, its range unchecked.
struct Price(i64);

impl Read for Price {
    const EXPECTED: &'static str = "a whole number of units without quotes; $0.05 are 500";

    fn read(value: &Value) -> Option<Self> {
        i64::read(value).map(Self)
    }
}

/// What a route takes over if it does not say otherwise.
pub(super) struct Defaults {
    pub(super) publishable_key: String,
    pub(super) currency: Currency,
    pub(super) min_top_up: Option<i64>,
    pub(super) max_top_up: Option<i64>,
    pub(super) void_on: Option<Vec<Cause>>,
}

/// A failure that gives the price back.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    Upstream5xx,
    UpstreamReset,
    UpstreamTimeout,
    Upstream4xx,
    NotModified,
    ClientGone,
}

pub(super) fn route(mut fields: Fields, defaults: &Defaults) -> Checked<Route> {
    let path: String = fields.required("path")?;
    if !path.starts_with('/') || path.contains(['?', '#', '*', '{', ' ']) {
        let problem = "must be an exact path: begins with /, without ? # * { and spaces";
        return wrong(fields.path("path"), problem);
    }
    let methods = methods(&mut fields)?;
    let price = match Units::new(fields.required::<Price>("price")?.0) {
        Ok(price) if !price.is_zero() => price,
        _ => {
            return wrong(
                fields.path("price"),
                "must be a whole number of units above 0; $0.05 are 500",
            );
        }
    };
    let currency = fields.optional("currency")?.unwrap_or(defaults.currency);
    let (least, least_at) = inherited(&mut fields, "min_top_up", defaults.min_top_up)?;
    let (most, most_at) = inherited(&mut fields, "max_top_up", defaults.max_top_up)?;
    let least = top_up(least, DEFAULT_MIN_TOP_UP, currency, &least_at)?;
    let max_top_up = top_up(most, DEFAULT_MAX_TOP_UP, currency, &most_at)?;
    // The least that a challenge names is never below its price (protocol, "Units").
    let min_top_up = least.max(price);
    if min_top_up > max_top_up {
        return wrong(most_at, format!("is below the least top-up of {path}, {min_top_up} units"));
    }
    let resource = Resource {
        url: path.clone(),
        description: fields.optional("description")?,
        mime_type: fields.optional("mime_type")?,
    };
    let challenge =
        Challenge::new(resource, price, min_top_up, currency, &defaults.publishable_key);
    let causes = fields.values("void_on")?;
    let causes = causes.as_ref().or(defaults.void_on.as_ref());
    Ok(Route {
        name: fields.optional("name")?.unwrap_or_else(|| path.clone()),
        strict: fields.optional("strict")?.unwrap_or_default(),
        path,
        methods,
        price,
        currency,
        min_top_up,
        max_top_up,
        void_on: causes.map_or_else(VoidOn::usual, |causes| VoidOn::of(causes)),
        challenge: Challenges::new(challenge),
    })
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
    let path = if own.is_some() { fields.path(name) } else { name.to_owned() };
    Ok((own.or(default), path))
}

fn top_up(given: Option<i64>, default: u32, currency: Currency, at: &str) -> Checked<Units> {
    let Some(amount) = given else {
        return if currency.has_cents() {
            Ok(Units::from_u32(default))
        } else {
            wrong(at, format!("must be set: there is no default in {currency}"))
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
    const EXPECTED: &'static str = "upstream_5xx, upstream_reset, upstream_timeout, upstream_4xx, \
                                    not_modified or client_gone";

    fn read(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "upstream_5xx" => Self::Upstream5xx,
            "upstream_reset" => Self::UpstreamReset,
            "upstream_timeout" => Self::UpstreamTimeout,
            "upstream_4xx" => Self::Upstream4xx,
            "not_modified" => Self::NotModified,
            "client_gone" => Self::ClientGone,
            _ => return None,
        })
    }
}

impl VoidOn {
    /// What the API or the way to it did wrong.
    fn usual() -> Self {
        Self::of(&[Cause::Upstream5xx, Cause::UpstreamReset, Cause::UpstreamTimeout])
    }

    fn of(causes: &[Cause]) -> Self {
        let mut set = Self::default();
        for cause in causes {
            match cause {
                Cause::Upstream5xx => set.upstream_5xx = true,
                Cause::UpstreamReset => set.upstream_reset = true,
                Cause::UpstreamTimeout => set.upstream_timeout = true,
                Cause::Upstream4xx => set.upstream_4xx = true,
                Cause::NotModified => set.not_modified = true,
                Cause::ClientGone => set.client_gone = true,
            }
        }
        set
    }
}
