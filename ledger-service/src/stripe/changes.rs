//! What Stripe's events say of changes: only where to look.

use ::stripe::Client;
use futures_util::TryStreamExt as _;
use miniserde::json::Value;
use stripe_core::event::ListEvent;
use stripe_types::RangeQueryTs;

use super::{Changed, Failure};

/// The events that reconciling needs: <https://docs.stripe.com/api/events/types>.
const TYPES: [&str; 9] = [
    "payment_intent.succeeded",
    "refund.updated",
    "refund.failed",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

pub(super) async fn changed(client: &Client, since: RangeQueryTs) -> Result<Changed, Failure> {
    let types: Vec<_> = TYPES.map(str::to_owned).into();
    let list = ListEvent::new().limit(100).created(since).types(types);
    let mut changed = Changed::default();
    let mut events = list.paginate().stream(client);
    while let Some(event) = events.try_next().await? {
        changed.note(&event.data.object);
    }
    Ok(changed)
}

impl Changed {
    /// By the object's own `object` field: events of other API versions have it, too.
    fn note(&mut self, object: &Value) {
        let Some(id) = text(object, "id") else { return };
        match text(object, "object") {
            Some("payment_intent") => drop(self.intents.insert(id.to_owned())),
            Some("dispute") => drop(self.disputes.insert(id.to_owned())),
            Some("refund") => {
                let Some(intent) = text(object, "payment_intent") else { return };
                self.refunds.entry(intent.to_owned()).or_default().insert(id.to_owned());
            }
            _ => {}
        }
    }
}

fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    let Value::Object(fields) = object else { return None };
    match fields.get(field)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
