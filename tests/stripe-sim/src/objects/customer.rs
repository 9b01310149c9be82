//! Customers. Source: docs.stripe.com/api/customers/object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids;
use crate::metadata::Metadata;
use crate::table::Row;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) deleted: bool,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) name: Option<String>,
}

impl Row for Customer {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Customer {
    pub(crate) fn view(&self) -> Value {
        if self.deleted {
            return json!({"id": self.id, "object": "customer", "deleted": true});
        }
        json!({
            "id": self.id,
            "object": "customer",
            "address": null,
            "balance": 0,
            "business_name": null,
            "created": self.created,
            "currency": null,
            "customer_account": null,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "discount": null,
            "email": null,
            "individual_name": null,
            "invoice_prefix": ids::fingerprint(&self.id).to_ascii_uppercase().get(..8),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": null,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": 1,
            "phone": null,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }
}
