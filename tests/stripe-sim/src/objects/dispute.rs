//! Disputes. Source: docs.stripe.com/api/disputes/object, docs.stripe.com/disputes/how-disputes-work.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::table::Row;

/// What Stripe takes for a dispute, in minor units (docs.stripe.com/disputes: $15).
const FEE: i64 = 1500;
/// How long evidence is taken, in seconds.
const EVIDENCE_SECONDS: i64 = 9 * 86_400;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisputeStatus {
    NeedsResponse,
    /// An inquiry: no money is withdrawn.
    WarningNeedsResponse,
    Won,
    Lost,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) charge: String,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) brand: String,
    pub(crate) payment_intent: String,
    pub(crate) reason: String,
    pub(crate) status: DisputeStatus,
    /// The transaction that withdrew the money, with its instant.
    pub(crate) withdrawn: Option<(String, i64)>,
    /// The transaction that gave it back, with its instant.
    pub(crate) reinstated: Option<(String, i64)>,
}

impl Row for Dispute {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Dispute {
    fn transaction(
        &self,
        (id, at): &(String, i64),
        amount: i64,
        fee: i64,
        description: &str,
    ) -> Value {
        json!({
            "id": id,
            "object": "balance_transaction",
            "amount": amount,
            "available_on": at,
            "balance_type": "payments",
            "created": at,
            "currency": self.currency,
            "description": description,
            "exchange_rate": null,
            "fee": fee,
            "fee_details": [],
            "net": amount.saturating_sub(fee),
            "reporting_category": if amount < 0 { "dispute" } else { "dispute_reversal" },
            "source": self.id,
            "status": "available",
            "type": "adjustment",
        })
    }

    pub(crate) fn view(&self) -> Value {
        let mut transactions = Vec::new();
        if let Some(made) = &self.withdrawn {
            transactions.push(self.transaction(
                made,
                self.amount.saturating_neg(),
                FEE,
                "Chargeback withdrawal",
            ));
        }
        if let Some(made) = &self.reinstated {
            transactions.push(self.transaction(
                made,
                self.amount,
                FEE.saturating_neg(),
                "Chargeback reversal",
            ));
        }
        let inquiry = self.status == DisputeStatus::WarningNeedsResponse;
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": transactions,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": evidence(),
            "evidence_details": {
                "due_by": self.created.saturating_add(EVIDENCE_SECONDS),
                "enhanced_eligibility": {},
                "has_evidence": false,
                "past_due": false,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "livemode": false,
            "metadata": {},
            "payment_intent": self.payment_intent,
            "payment_method_details": {
                "card": {
                    "brand": self.brand,
                    "case_type": if inquiry { "inquiry" } else { "chargeback" },
                    "network": self.brand,
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": self.reason,
            "status": self.status,
        })
    }
}

/// `evidence`: nobody submits any to the stand-in.
fn evidence() -> Value {
    json!({
        "access_activity_log": null,
        "billing_address": null,
        "cancellation_policy": null,
        "cancellation_policy_disclosure": null,
        "cancellation_rebuttal": null,
        "customer_communication": null,
        "customer_email_address": null,
        "customer_name": null,
        "customer_purchase_ip": null,
        "customer_signature": null,
        "duplicate_charge_documentation": null,
        "duplicate_charge_explanation": null,
        "duplicate_charge_id": null,
        "enhanced_evidence": {},
        "product_description": null,
        "receipt": null,
        "refund_policy": null,
        "refund_policy_disclosure": null,
        "refund_refusal_explanation": null,
        "service_date": null,
        "service_documentation": null,
        "shipping_address": null,
        "shipping_carrier": null,
        "shipping_date": null,
        "shipping_documentation": null,
        "shipping_tracking_number": null,
        "uncategorized_file": null,
        "uncategorized_text": null,
    })
}
