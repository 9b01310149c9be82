//! PaymentIntents. Source: docs.stripe.com/api/payment_intents/object, docs.stripe.com/payments/paymentintents/lifecycle.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::ErrorBody;
use crate::metadata::Metadata;
use crate::table::Row;

/// Where a PaymentIntent is in its life. The stand-in's cards settle at once, so none is `processing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    /// As the API spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// Which kinds of payment an intent takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Accepts {
    /// `payment_method_types`, before version 2026-09-30.endive.
    Types(Vec<String>),
    /// `allowed_payment_method_types`
    Allowed(Vec<String>),
    /// `automatic_payment_methods[allow_redirects]`
    Automatic { allow_redirects: String },
}

impl Accepts {
    /// Whether paying may send the customer to another page, so that confirming needs a `return_url`.
    pub(crate) fn may_redirect(&self) -> bool {
        matches!(self, Self::Automatic { allow_redirects } if allow_redirects == "always")
    }

    /// `payment_method_types`: the stand-in has cards only.
    pub(crate) fn types(&self) -> Vec<String> {
        match self {
            Self::Types(types) | Self::Allowed(types) => types.clone(),
            Self::Automatic { .. } => vec!["card".to_owned()],
        }
    }

    /// `allowed_payment_method_types`
    pub(crate) fn allowed(&self) -> Option<&[String]> {
        match self {
            Self::Allowed(types) => Some(types),
            Self::Types(_) | Self::Automatic { .. } => None,
        }
    }

    /// `automatic_payment_methods`
    pub(crate) fn automatic(&self) -> Value {
        match self {
            Self::Types(_) | Self::Allowed(_) => Value::Null,
            Self::Automatic { allow_redirects } => {
                json!({"allow_redirects": allow_redirects, "enabled": true})
            }
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PaymentIntent {
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) amount_capturable: i64,
    pub(crate) amount_received: i64,
    pub(crate) accepts: Accepts,
    /// Its holder went through 3D Secure, and the server is to confirm (`confirmation_method=manual`).
    pub(crate) authenticated: bool,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) capture_method: String,
    pub(crate) client_secret: String,
    pub(crate) confirmation_method: String,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) last_payment_error: Option<ErrorBody>,
    pub(crate) latest_charge: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) next_action: Option<Value>,
    pub(crate) payment_method: Option<String>,
    pub(crate) receipt_email: Option<String>,
    /// `payment_method_options[card][request_three_d_secure]`
    pub(crate) request_three_d_secure: String,
    pub(crate) setup_future_usage: Option<String>,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) status: Status,
}

impl Row for PaymentIntent {
    fn id(&self) -> &str {
        &self.id
    }
}

impl PaymentIntent {
    /// As a secret key sees it.
    pub(crate) fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_intent",
            "allowed_payment_method_types": self.accepts.allowed(),
            "amount": self.amount,
            "amount_capturable": self.amount_capturable,
            "amount_details": {"tip": {}},
            "amount_received": self.amount_received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": self.accepts.automatic(),
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "client_secret": self.client_secret,
            "confirmation_method": self.confirmation_method,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": null,
            "hooks": null,
            "last_payment_error": self.last_payment_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "managed_payments": null,
            "metadata": self.metadata,
            "next_action": self.next_action,
            "on_behalf_of": null,
            "payment_details": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": {
                "card": {
                    "installments": null,
                    "mandate_options": null,
                    "network": null,
                    "request_three_d_secure": self.request_three_d_secure,
                },
            },
            "payment_method_types": self.accepts.types(),
            "payment_record": null,
            "presentment_details": null,
            "processing": null,
            "receipt_email": self.receipt_email,
            "review": null,
            "setup_future_usage": self.setup_future_usage,
            "shipping": null,
            "source": null,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "status": self.status,
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    /// As a publishable key with the client secret sees it.
    pub(crate) fn public_view(&self) -> Value {
        let mut view = self.view();
        if let Some(fields) = view.as_object_mut() {
            fields.retain(|name, _| PUBLIC_FIELDS.contains(&name.as_str()));
        }
        view
    }
}

/// The fields that Stripe.js is told.
const PUBLIC_FIELDS: &[&str] = &[
    "amount",
    "amount_details",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "capture_method",
    "client_secret",
    "confirmation_method",
    "created",
    "currency",
    "description",
    "id",
    "last_payment_error",
    "livemode",
    "next_action",
    "object",
    "payment_method",
    "payment_method_configuration_details",
    "payment_method_types",
    "processing",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "source",
    "status",
];
