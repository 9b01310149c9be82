//! The endpoints under `/v1`, and who may call them: those that the ledger, the paying clients and the
//! tests use. What Stripe has besides is answered 501.

mod customers;
pub(crate) mod disputes;
mod events;
pub(crate) mod granted_tokens;
pub(crate) mod payment_intents;
pub(crate) mod payment_methods;
pub(crate) mod refunds;
pub(crate) mod setup_intents;
mod webhook_endpoints;

use serde_json::json;

use crate::auth::{self, ApiKey};
use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::params::Params;

/// An endpoint: takes the id in its path (empty for a collection) and its parameters.
type Handler = fn(&mut Context<'_>, &str, Params) -> Answer;

pub(crate) fn call(cx: &mut Context<'_>, method: &str, path: &str, params: Params) -> Answer {
    let (handler, id) = route(method, path)
        .ok_or_else(|| ApiError::not_done(&format!("have the endpoint {method} {path}")))?;
    if cx.caller.key == ApiKey::Live {
        return in_live_mode(cx, method, path);
    }
    if cx.caller.key == ApiKey::Publishable {
        match (method, path) {
            ("POST", "/v1/payment_methods") => {}
            ("GET", path) if path.starts_with("/v1/payment_intents/") => {
                return Err(ApiError::not_done("show a PaymentIntent to a browser"));
            }
            _ => return Err(auth::secret_key_required()),
        }
    }
    handler(cx, id, params)
}

/// Live mode sees nothing of test mode. Source: docs.stripe.com/keys, "Test mode versus live mode"; the words of the
/// refusal are Stripe's.
fn in_live_mode(cx: &Context<'_>, method: &str, path: &str) -> Answer {
    let segments: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    match (method, segments.as_slice()) {
        ("GET", [_collection]) => {
            Ok(json!({"object": "list", "data": [], "has_more": false, "url": path}))
        }
        ("GET", ["payment_intents", id]) => {
            let mut error = ApiError::no_such("payment_intent", id, "intent");
            if cx.world.payment_intents.get(id).is_some() {
                error.body.message.push_str(
                    "; a similar object exists in test mode, but a live mode key was used to make this request.",
                );
            }
            Err(error)
        }
        _ => Err(ApiError::not_done(&format!("{method} {path} in live mode"))),
    }
}

fn route<'a>(method: &str, path: &'a str) -> Option<(Handler, &'a str)> {
    let segments: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
    Some(match (method, segments.as_slice()) {
        ("POST", ["customers"]) => (customers::create, ""),
        ("GET", ["customers"]) => (customers::list, ""),
        ("GET", ["customers", id]) => (customers::retrieve, id),
        ("DELETE", ["customers", id]) => (customers::delete, id),

        ("GET", ["disputes"]) => (disputes::list, ""),
        ("GET", ["disputes", id]) => (disputes::retrieve, id),

        ("GET", ["events"]) => (events::list, ""),

        ("POST", ["payment_intents"]) => (payment_intents::create, ""),
        ("GET", ["payment_intents"]) => (payment_intents::list, ""),
        // Search lags behind writes: nobody here may rely on it.
        ("GET", ["payment_intents", "search"]) => return None,
        ("GET", ["payment_intents", id]) => (payment_intents::retrieve, id),
        ("POST", ["payment_intents", id, "cancel"]) => (payment_intents::cancel, id),

        ("POST", ["payment_methods"]) => (payment_methods::create, ""),
        ("GET", ["payment_methods", id]) => (payment_methods::retrieve, id),
        ("POST", ["payment_methods", id, "attach"]) => (payment_methods::attach, id),

        ("POST", ["refunds"]) => (refunds::create, ""),
        ("GET", ["refunds"]) => (refunds::list, ""),

        ("GET", ["shared_payment", "granted_tokens", id]) => (granted_tokens::retrieve, id),
        ("POST", ["test_helpers", "shared_payment", "granted_tokens"]) => {
            (granted_tokens::create, "")
        }
        ("POST", ["test_helpers", "shared_payment", "granted_tokens", id, "revoke"]) => {
            (granted_tokens::revoke, id)
        }

        ("POST", ["setup_intents"]) => (setup_intents::create, ""),

        ("GET", ["webhook_endpoints"]) => (webhook_endpoints::list, ""),
        _ => return None,
    })
}
