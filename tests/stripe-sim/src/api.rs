//! The endpoints under `/v1`, and who may call them.

pub(crate) mod account;
mod charges;
pub(crate) mod confirm;
mod customers;
pub(crate) mod disputes;
mod events;
mod payment_details;
pub(crate) mod payment_intents;
pub(crate) mod payment_methods;
pub(crate) mod refunds;
pub(crate) mod setup_intents;

use serde_json::Value;

use crate::auth;
use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::expand::Expand;
use crate::params::Params;
use crate::search;

/// An endpoint: takes the id in its path (empty for a collection) and its parameters.
type Handler = fn(&mut Context<'_>, &str, Params) -> Answer;

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Secret,
    /// Browsers too, with a publishable key.
    Public,
}

/// Where a call leads.
#[derive(Debug)]
struct Route<'a> {
    handler: Handler,
    id: &'a str,
    /// The kind of object that is answered.
    kind: &'static str,
    /// Whether a list of it is.
    listed: bool,
    access: Access,
}

/// Runs one call.
pub(crate) fn call(cx: &mut Context<'_>, method: &str, path: &str, mut params: Params) -> Answer {
    let route = route(method, path).ok_or_else(|| ApiError::unknown_url(method, path))?;
    if cx.is_public() && route.access != Access::Public {
        return Err(auth::secret_key_required());
    }
    let expand = Expand::take(&mut params, route.kind, route.listed)?;
    let mut answer: Value = (route.handler)(cx, route.id, params)?;
    expand.apply(cx, &mut answer);
    Ok(answer)
}

fn route<'a>(method: &str, path: &'a str) -> Option<Route<'a>> {
    let segments: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
    let one = |handler: Handler, kind, id| {
        Some(Route { handler, id, kind, listed: false, access: Access::Secret })
    };
    let list = |handler: Handler, kind, id| {
        Some(Route { handler, id, kind, listed: true, access: Access::Secret })
    };
    let public =
        |route: Option<Route<'a>>| route.map(|route| Route { access: Access::Public, ..route });
    match (method, segments.as_slice()) {
        ("GET", ["account"]) => one(account::account, "account", ""),
        ("GET", ["balance"]) => one(account::balance, "balance", ""),

        ("GET", ["charges"]) => list(charges::list, "charge", ""),
        ("GET", ["charges", id]) => one(charges::retrieve, "charge", id),

        ("POST", ["customers"]) => one(customers::create, "customer", ""),
        ("GET", ["customers"]) => list(customers::list, "customer", ""),
        ("GET", ["customers", id]) => one(customers::retrieve, "customer", id),
        ("POST", ["customers", id]) => one(customers::update, "customer", id),
        ("DELETE", ["customers", id]) => one(customers::delete, "customer", id),
        ("GET", ["customers", id, "payment_methods"]) => {
            list(payment_methods::list_of_customer, "payment_method", id)
        }

        ("GET", ["disputes"]) => list(disputes::list, "dispute", ""),
        ("GET", ["disputes", id]) => one(disputes::retrieve, "dispute", id),

        ("GET", ["events"]) => list(events::list, "event", ""),
        ("GET", ["events", id]) => one(events::retrieve, "event", id),

        ("POST", ["payment_intents"]) => one(payment_intents::create, "payment_intent", ""),
        ("GET", ["payment_intents"]) => list(payment_intents::list, "payment_intent", ""),
        ("GET", ["payment_intents", "search"]) => {
            list(search::payment_intents, "payment_intent", "")
        }
        ("GET", ["payment_intents", id]) => {
            public(one(payment_intents::retrieve, "payment_intent", id))
        }
        ("POST", ["payment_intents", id]) => one(payment_intents::update, "payment_intent", id),
        ("POST", ["payment_intents", id, "cancel"]) => {
            one(payment_intents::cancel, "payment_intent", id)
        }
        ("POST", ["payment_intents", id, "capture"]) => {
            one(payment_intents::capture, "payment_intent", id)
        }
        ("POST", ["payment_intents", id, "confirm"]) => {
            public(one(payment_intents::confirm, "payment_intent", id))
        }

        ("POST", ["payment_methods"]) => public(one(payment_methods::create, "payment_method", "")),
        ("GET", ["payment_methods"]) => list(payment_methods::list, "payment_method", ""),
        ("GET", ["payment_methods", id]) => one(payment_methods::retrieve, "payment_method", id),
        ("POST", ["payment_methods", id]) => one(payment_methods::update, "payment_method", id),
        ("POST", ["payment_methods", id, "attach"]) => {
            one(payment_methods::attach, "payment_method", id)
        }
        ("POST", ["payment_methods", id, "detach"]) => {
            one(payment_methods::detach, "payment_method", id)
        }

        ("POST", ["refunds"]) => one(refunds::create, "refund", ""),
        ("GET", ["refunds"]) => list(refunds::list, "refund", ""),
        ("GET", ["refunds", id]) => one(refunds::retrieve, "refund", id),
        ("POST", ["refunds", id]) => one(refunds::update, "refund", id),

        ("POST", ["setup_intents"]) => one(setup_intents::create, "setup_intent", ""),
        ("GET", ["setup_intents"]) => list(setup_intents::list, "setup_intent", ""),
        ("GET", ["setup_intents", id]) => public(one(setup_intents::retrieve, "setup_intent", id)),
        ("POST", ["setup_intents", id]) => one(setup_intents::update, "setup_intent", id),
        ("POST", ["setup_intents", id, "cancel"]) => one(setup_intents::cancel, "setup_intent", id),
        ("POST", ["setup_intents", id, "confirm"]) => {
            public(one(setup_intents::confirm, "setup_intent", id))
        }
        _ => None,
    }
}
