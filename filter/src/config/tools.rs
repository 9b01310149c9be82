//! An address of MCP: what each tool costs.

use std::rc::Rc;

use serde_json::{Value, json};
use stripe402_protocol::Units;

use super::{
    Defaults,
    anonymous::anonymous,
    fields::{Checked, Fields, Read, entries, wrong},
    route::{self, OFFER},
};
use crate::pricing::{Body, LONGEST_NAME, Named, Offer, Price, Pricing, TOOLS_CALL, Tools, VoidOn};

const MCP: [&str; 3] = ["tools", "methods", "other"];
const MOST_NAMES: usize = 1_000;
const PRICE: &str = "a whole number of units without quotes ($0.01 are 100; 0: free), or an object with price or \
                     free: true";
const OTHER: &str = "deny, or the price of all that is not named: ";

/// What all messages to a route's path cost. `name` is what the books call the route by default.
pub(super) fn offer(
    fields: &mut Fields,
    (path, value): (String, Value),
    defaults: &Defaults,
    name: String,
) -> Checked<Offer> {
    for own in ["price", "free"] {
        if fields.value(own).is_some() {
            return wrong(fields.path(own), "must be removed: mcp has the prices");
        }
    }
    let name: String = fields.optional("name")?.unwrap_or(name);
    // A server answers 404 to a call in a session that has ended, and has done nothing.
    let usual = VoidOn { upstream_4xx: true, ..defaults.void_on };
    // What the route says holds for its tools.
    let defaults = Defaults {
        publishable_key: defaults.publishable_key.clone(),
        currency: fields.optional("currency")?.unwrap_or(defaults.currency),
        min_top_up: fields.optional("min_top_up")?.or(defaults.min_top_up),
        max_top_up: fields.optional("max_top_up")?.or(defaults.max_top_up),
        void_on: fields.values("void_on")?.map_or(usual, |causes| VoidOn::of(&causes)),
        leases: fields.optional("leases")?.unwrap_or(defaults.leases),
        trial: defaults.trial.as_ref().and_then(|trial| trial.within(&name)),
        anonymous: anonymous(fields)?.map_or(defaults.anonymous, |(requests, _)| requests),
    };
    let description: Option<String> = fields.optional("description")?;
    let of = description.as_deref().unwrap_or("MCP tool");
    let tools = tools(Fields::of(path.clone(), value, &MCP)?, &defaults, (&name, of))?;
    // Of all offers the dearest speaks for the route where prices are compared.
    let dearest = tools.dearest();
    let mut whole = Fields::of(path, json!({"price": dearest.get().max(1)}), &OFFER)?;
    let Some(offer) = route::offer(&mut whole, &defaults, name, None)? else {
        return wrong(fields.path("mcp"), "has no price");
    };
    let mime_type = fields.optional("mime_type")?;
    let price = Price::Flat(dearest);
    Ok(Offer { price, description, mime_type, tools: Some(Box::new(tools)), ..offer })
}

/// The books call the route by `name`, and clients are told that it is `of`.
fn tools(mut fields: Fields, defaults: &Defaults, names: (&str, &str)) -> Checked<Tools> {
    let tools = named(&mut fields, "tools", defaults, names)?;
    let methods = named(&mut fields, "methods", defaults, names)?;
    if methods.all().iter().any(|(method, _)| **method == *TOOLS_CALL) {
        let at = format!("{}.{TOOLS_CALL}", fields.path("methods"));
        return wrong(at, "must be removed: tools has the prices of calls");
    }
    let other = match fields.value("other") {
        None => Pricing::Unlisted,
        Some((_, value)) if value == "deny" => Pricing::Unlisted,
        Some((path, Value::String(_))) => return wrong(path, format!("must be {OTHER}{PRICE}")),
        Some((path, value)) => priced(path, value, defaults, (names, "other"))?,
    };
    if tools.all().is_empty() && methods.all().is_empty() && matches!(other, Pricing::Unlisted) {
        return wrong(fields.path("tools"), "is missing; it must have the price of each tool");
    }
    Ok(Tools { tools, methods, other })
}

fn named(
    fields: &mut Fields,
    field: &str,
    defaults: &Defaults,
    names: (&str, &str),
) -> Checked<Named> {
    let Some((path, value)) = fields.value(field) else { return Ok(Named::default()) };
    let listed = entries(&path, value)?;
    if listed.len() > MOST_NAMES {
        return wrong(path, format!("must have at most {MOST_NAMES} names"));
    }
    let one = |(own, path, value): (Box<str>, String, Value)| {
        if own.is_empty() || own.len() > LONGEST_NAME || own.contains(char::is_control) {
            let problem =
                format!("must be a name of 1 to {LONGEST_NAME} bytes without control characters");
            return wrong(path, problem);
        }
        let pricing = priced(path, value, defaults, (names, &own))?;
        Ok((own, pricing))
    };
    listed.into_iter().map(one).collect::<Checked<_>>().map(Named::new)
}

/// A number, or what a route in Envoy can say of itself.
fn priced(
    path: String,
    value: Value,
    defaults: &Defaults,
    ((route, of), own): ((&str, &str), &str),
) -> Checked<Pricing> {
    let value = match (i64::read(&value), value) {
        (Some(0), _) => return Ok(Pricing::Free),
        (Some(units), _) if Units::new(units).is_ok() => json!({"price": units}),
        (None, value @ Value::Object(_)) => value,
        _ => return wrong(path, format!("must be {PRICE}")),
    };
    let at = format!("{path}.price.by");
    let mut fields = Fields::of(path, value, &OFFER)?;
    let Some(mut offer) = route::offer(&mut fields, defaults, format!("{route} {own}"), None)?
    else {
        return Ok(Pricing::Free);
    };
    // A client that is asked to pay should know for what.
    offer.description.get_or_insert_with(|| format!("{of}: {own}"));
    match &offer.price {
        Price::Metered(price) if price.by.as_ref().is_some_and(|by| by.body == Body::Request) => {
            wrong(at, "must have answer: true: the request was read before, for its tool")
        }
        _ => Ok(Pricing::Offer(Rc::new(offer))),
    }
}
