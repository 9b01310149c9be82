//! What an endpoint works with: the state, the time, and who is calling.

use serde_json::Value;

use crate::auth::ApiKey;
use crate::clock;
use crate::error::ApiError;
use crate::ids;
use crate::objects::event::Event;
use crate::world::World;

pub(crate) type Answer = Result<Value, ApiError>;

/// Who is calling, and with which request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) key: ApiKey,
    /// `req_…`; none for what a test control does, which no call has caused.
    pub(crate) request: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// `Stripe-Version`, where the call names one.
    pub(crate) version: Option<String>,
    /// The Stripe profile of the account that calls: each key is another account's as far as tokens go.
    pub(crate) profile: String,
}

impl Caller {
    /// A test control, which is no call to `/v1`.
    pub(crate) fn control() -> Self {
        Self {
            key: ApiKey::Secret,
            request: None,
            idempotency_key: None,
            version: None,
            profile: String::new(),
        }
    }
}

/// One call's view of the world.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) caller: &'a Caller,
    /// Milliseconds since the Unix epoch.
    pub(crate) now_ms: i64,
}

impl Caller {
    /// Whether the call names a version that has what is in preview.
    pub(crate) fn is_preview(&self) -> bool {
        self.version.as_deref().is_some_and(|version| version.ends_with(".preview"))
    }
}

impl Context<'_> {
    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        clock::seconds(self.now_ms)
    }

    pub(crate) fn emit(&mut self, kind: &str, object: Value) {
        self.emit_change(kind, object, None);
    }

    /// Records an event about an object, with what it was before.
    pub(crate) fn emit_change(
        &mut self,
        kind: &str,
        object: Value,
        previous_attributes: Option<Value>,
    ) {
        let event = Event {
            id: ids::new("evt"),
            created: self.now(),
            kind: kind.to_owned(),
            object,
            previous_attributes,
            pending: self.world.webhook.is_some(),
            request: self.caller.request.clone(),
            idempotency_key: self.caller.idempotency_key.clone(),
        };
        self.world.events.put(event);
    }
}
