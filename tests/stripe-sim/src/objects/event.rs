//! Events. Source: docs.stripe.com/api/events/object, docs.stripe.com/api/events/types.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::API_VERSION;
use crate::table::Row;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) created: i64,
    /// Such as `payment_intent.succeeded`.
    pub(crate) kind: String,
    /// The object as it was.
    pub(crate) object: Value,
    pub(crate) previous_attributes: Option<Value>,
    /// Whether a webhook endpoint has yet to take it.
    pub(crate) pending: bool,
    pub(crate) request: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

impl Row for Event {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Event {
    pub(crate) fn view(&self) -> Value {
        let mut data = json!({"object": self.object});
        if let (Some(previous), Some(data)) = (&self.previous_attributes, data.as_object_mut()) {
            data.insert("previous_attributes".to_owned(), previous.clone());
        }
        json!({
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "data": data,
            "livemode": false,
            "pending_webhooks": u8::from(self.pending),
            "request": {"id": self.request, "idempotency_key": self.idempotency_key},
            "type": self.kind,
        })
    }
}
