//! The API's objects: what is kept of each, and its JSON.
//!
//! The JSON has every field of API version 2026-09-30.endive, null where unset
//! (docs.stripe.com/api, each object's page). Fields without a page of their own here are not modelled.

pub(crate) mod charge;
pub(crate) mod customer;
pub(crate) mod dispute;
pub(crate) mod event;
pub(crate) mod granted_token;
pub(crate) mod payment_intent;
pub(crate) mod payment_method;
pub(crate) mod refund;
pub(crate) mod setup_intent;

use serde_json::{Value, json};

/// `billing_details`: nobody gives any to the stand-in.
fn billing_details() -> Value {
    json!({
        "address": {
            "city": null,
            "country": null,
            "line1": null,
            "line2": null,
            "postal_code": null,
            "state": null,
        },
        "email": null,
        "name": null,
        "phone": null,
        "tax_id": null,
    })
}
