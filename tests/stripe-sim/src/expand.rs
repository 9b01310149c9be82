//! `expand[]`: ids in an answer replaced by their objects. Source: docs.stripe.com/api/expanding_objects.

use serde_json::Value;

use crate::context::Context;
use crate::error::ApiError;
use crate::params::Params;

/// How deep a path may go.
const MAX_DEPTH: usize = 4;

/// What each kind of object can expand, and into which kind; `None` for what is always null here.
const FIELDS: &[(&str, &str, Option<&str>)] = &[
    ("charge", "customer", Some("customer")),
    ("charge", "on_behalf_of", None),
    ("charge", "payment_intent", Some("payment_intent")),
    ("charge", "review", None),
    ("customer", "default_source", None),
    ("customer", "invoice_settings", Some("customer.invoice_settings")),
    ("customer.invoice_settings", "default_payment_method", Some("payment_method")),
    ("dispute", "charge", Some("charge")),
    ("dispute", "payment_intent", Some("payment_intent")),
    ("payment_intent", "customer", Some("customer")),
    ("payment_intent", "latest_charge", Some("charge")),
    ("payment_intent", "on_behalf_of", None),
    ("payment_intent", "payment_method", Some("payment_method")),
    ("payment_intent", "review", None),
    ("payment_method", "customer", Some("customer")),
    ("refund", "charge", Some("charge")),
    ("refund", "payment_intent", Some("payment_intent")),
    ("setup_intent", "customer", Some("customer")),
    ("setup_intent", "mandate", None),
    ("setup_intent", "on_behalf_of", None),
    ("setup_intent", "payment_method", Some("payment_method")),
];

/// The paths that a call asks to expand, all of them possible.
#[derive(Debug)]
pub(crate) struct Expand {
    paths: Vec<Vec<String>>,
}

impl Expand {
    /// Takes `expand[]` of an endpoint that answers this kind of object, or a list of it.
    pub(crate) fn take(params: &mut Params, kind: &str, listed: bool) -> Result<Self, ApiError> {
        let mut paths = Vec::new();
        for text in params.list("expand")?.unwrap_or_default() {
            let path: Vec<String> = text.split('.').map(str::to_owned).collect();
            let fields = match path.split_first() {
                Some((first, rest)) if listed && first == "data" => rest,
                _ if listed => return Err(refused(&text)),
                _ => path.as_slice(),
            };
            if fields.len() > MAX_DEPTH {
                let message = format!(
                    "You cannot expand more than {MAX_DEPTH} levels of a property. Property: {text}"
                );
                return Err(ApiError::parameter("expand", None, message));
            }
            check(kind, fields).ok_or_else(|| refused(&text))?;
            paths.push(path);
        }
        Ok(Self { paths })
    }

    /// Replaces the ids by their objects.
    pub(crate) fn apply(&self, cx: &Context<'_>, answer: &mut Value) {
        for path in &self.paths {
            expand(cx, answer, path);
        }
    }
}

fn refused(path: &str) -> ApiError {
    let message = format!("This property cannot be expanded ({path}).");
    ApiError::parameter("expand", None, message)
}

/// `Some` if every field of the path can be expanded.
fn check(kind: &str, path: &[String]) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let (_, _, target) = FIELDS.iter().find(|(on, field, _)| *on == kind && field == first)?;
    match target {
        _ if rest.is_empty() => Some(()),
        Some(target) => check(target, rest),
        None => None,
    }
}

fn expand(cx: &Context<'_>, value: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(field) = value.get_mut(first) else { return };
    if let Some(object) = field.as_str().and_then(|id| find(cx, id)) {
        *field = object;
    }
    match field {
        Value::Array(items) => items.iter_mut().for_each(|item| expand(cx, item, rest)),
        other => expand(cx, other, rest),
    }
}

/// The object with this id, as the caller may see it.
fn find(cx: &Context<'_>, id: &str) -> Option<Value> {
    let world = &cx.world;
    let (prefix, _) = id.split_once('_')?;
    match prefix {
        "pm" if cx.is_public() => world.payment_methods.get(id).map(|row| row.public_view()),
        "pm" => world.payment_methods.get(id).map(|row| row.view()),
        _ if cx.is_public() => None,
        "ch" => world.charges.get(id).map(|row| row.view()),
        "cus" => world.customers.get(id).map(|row| row.view()),
        "pi" => world.payment_intents.get(id).map(|row| row.view()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;

    #[test]
    fn only_what_can_be_expanded_is() {
        for (kind, listed, path, expected) in [
            ("payment_intent", false, "latest_charge", true),
            ("payment_intent", false, "payment_method.customer", true),
            ("payment_intent", false, "amount", false),
            ("payment_intent", false, "data.latest_charge", false),
            ("payment_intent", true, "data.latest_charge", true),
            ("payment_intent", true, "latest_charge", false),
            ("payment_intent", false, "review.charge", false),
            ("customer", false, "invoice_settings.default_payment_method", true),
            ("charge", false, "payment_intent.latest_charge.payment_intent.latest_charge", true),
            (
                "charge",
                false,
                "payment_intent.latest_charge.payment_intent.latest_charge.payment_intent",
                false,
            ),
        ] {
            let mut params = Params::new(form::parse(&format!("expand[]={path}")).unwrap());
            assert_eq!(Expand::take(&mut params, kind, listed).is_ok(), expected, "{kind} {path}");
        }
    }
}
