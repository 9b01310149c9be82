//! Refunds. Source: docs.stripe.com/api/refunds/object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::metadata::Metadata;
use crate::table::Row;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) balance_transaction: String,
    pub(crate) charge: String,
    pub(crate) created: i64,
    pub(crate) currency: String,
    /// The transaction that gave the money back to the merchant, once the refund has failed.
    pub(crate) failure_balance_transaction: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) payment_intent: String,
    pub(crate) reason: Option<String>,
}

impl Row for Refund {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Refund {
    /// Whether the money came back to the merchant.
    pub(crate) fn failed(&self) -> bool {
        self.failure_balance_transaction.is_some()
    }

    pub(crate) fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.balance_transaction,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "destination_details": {
                "card": {
                    "reference_status": "pending",
                    "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": self.metadata,
            "next_action": null,
            "payment_intent": self.payment_intent,
            "pending_reason": null,
            "presentment_details": null,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": if self.failed() { "failed" } else { "succeeded" },
            "transfer_reversal": null,
        });
        // These two are there on a failed refund only.
        if let (Some(transaction), Some(fields)) =
            (&self.failure_balance_transaction, view.as_object_mut())
        {
            fields.insert("failure_balance_transaction".to_owned(), json!(transaction));
            fields.insert("failure_reason".to_owned(), json!("expired_or_canceled_card"));
        }
        view
    }
}
