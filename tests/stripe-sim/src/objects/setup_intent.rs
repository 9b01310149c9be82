//! SetupIntents. Source: docs.stripe.com/api/setup_intents/object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::ErrorBody;
use crate::table::Row;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SetupStatus {
    RequiresPaymentMethod,
    /// Only while it is made: the same call confirms it.
    RequiresConfirmation,
    RequiresAction,
    Succeeded,
}

impl SetupStatus {
    /// As the API spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Succeeded => "succeeded",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SetupIntent {
    pub(crate) id: String,
    pub(crate) client_secret: String,
    pub(crate) created: i64,
    pub(crate) customer: Option<String>,
    pub(crate) last_setup_error: Option<ErrorBody>,
    pub(crate) latest_attempt: Option<String>,
    pub(crate) next_action: Option<Value>,
    pub(crate) payment_method: Option<String>,
    pub(crate) status: SetupStatus,
    /// `off_session` or `on_session`
    pub(crate) usage: String,
}

impl Row for SetupIntent {
    fn id(&self) -> &str {
        &self.id
    }
}

impl SetupIntent {
    pub(crate) fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "setup_intent",
            "allowed_payment_method_types": ["card"],
            "application": null,
            "automatic_payment_methods": null,
            "cancellation_reason": null,
            "client_secret": self.client_secret,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "description": null,
            "excluded_payment_method_types": null,
            "flow_directions": null,
            "last_setup_error": self.last_setup_error,
            "latest_attempt": self.latest_attempt,
            "livemode": false,
            "managed_payments": null,
            "mandate": null,
            "metadata": {},
            "next_action": self.next_action,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": {
                "card": {
                    "mandate_options": null,
                    "network": null,
                    "request_three_d_secure": "automatic",
                },
            },
            "payment_method_types": ["card"],
            "single_use_mandate": null,
            "status": self.status,
            "usage": self.usage,
        })
    }
}
