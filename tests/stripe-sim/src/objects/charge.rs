//! Charges: one for each attempt that reached the issuer. Source: docs.stripe.com/api/charges/object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::declines::Decline;
use crate::metadata::Metadata;
use crate::number;
use crate::objects::billing_details;
use crate::objects::payment_method::PaymentMethod;
use crate::table::Row;

/// `outcome` of a refused charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) decline_code: String,
    pub(crate) message: String,
    /// Stripe stopped it; the issuer was never asked.
    pub(crate) blocked: bool,
}

impl Failure {
    pub(crate) fn new(decline: &Decline, blocked: bool) -> Self {
        Self {
            code: decline.code.to_owned(),
            decline_code: decline.decline_code.to_owned(),
            message: decline.message.to_owned(),
            blocked,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) balance_transaction: Option<String>,
    pub(crate) created: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) disputed: bool,
    pub(crate) failure: Option<Failure>,
    pub(crate) metadata: Metadata,
    pub(crate) payment_intent: String,
    /// The PaymentMethod as it was.
    pub(crate) payment_method: PaymentMethod,
    /// Whether the holder went through 3D Secure.
    pub(crate) authenticated: bool,
}

impl Row for Charge {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Charge {
    /// What was taken, in minor units.
    pub(crate) fn captured(&self) -> i64 {
        if self.failure.is_none() { self.amount } else { 0 }
    }

    /// What can still be refunded, in minor units.
    pub(crate) fn refundable(&self) -> i64 {
        self.captured().saturating_sub(self.amount_refunded)
    }

    fn outcome(&self) -> Value {
        let mut outcome = json!({
            "advice_code": null,
            "network_advice_code": null,
            "network_decline_code": null,
            "network_status": "approved_by_network",
            "reason": null,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        });
        let changes = match &self.failure {
            None => return outcome,
            Some(failure) if failure.blocked => json!({
                "network_status": "not_sent_to_network",
                "reason": "highest_risk_level",
                "risk_level": "highest",
                "risk_score": 92,
                "seller_message": "Stripe blocked this payment as too risky.",
                "type": "blocked",
            }),
            Some(failure) => json!({
                "network_status": "declined_by_network",
                "reason": failure.decline_code,
                "seller_message": "The bank did not return any further details with this decline.",
                "type": "issuer_declined",
            }),
        };
        if let (Some(outcome), Value::Object(changes)) = (outcome.as_object_mut(), changes) {
            outcome.extend(changes);
        }
        outcome
    }

    fn card_details(&self) -> Value {
        let method = &self.payment_method;
        let brand = number::brand(&method.number).name;
        let three_d_secure = self.authenticated.then(|| {
            json!({
                "authentication_flow": "challenge",
                "electronic_commerce_indicator": "05",
                "exemption_indicator": null,
                "result": "authenticated",
                "result_reason": null,
                "transaction_id": null,
                "version": "2.2.0",
            })
        });
        json!({
            "amount_authorized": if self.failure.is_none() { json!(self.amount) } else { Value::Null },
            "authorization_code": null,
            "brand": brand,
            "capture_before": null,
            "checks": {
                "address_line1_check": null,
                "address_postal_code_check": null,
                "cvc_check": method.cvc_check(),
            },
            "country": "US",
            "exp_month": method.exp_month,
            "exp_year": method.exp_year,
            "extended_authorization": {"status": "disabled"},
            "fingerprint": method.fingerprint(),
            "funding": method.funding(),
            "incremental_authorization": {"status": "unavailable"},
            "installments": null,
            "last4": number::last4(&method.number),
            "mandate": null,
            "multicapture": {"status": "unavailable"},
            "network": brand,
            "network_token": {"used": false},
            "network_transaction_id": null,
            "overcapture": {"maximum_amount_capturable": self.amount, "status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": three_d_secure,
            "transaction_link_id": null,
            "wallet": null,
        })
    }

    pub(crate) fn view(&self) -> Value {
        let succeeded = self.failure.is_none();
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.captured(),
            "amount_refunded": self.amount_refunded,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "authorization_code": null,
            "balance_transaction": self.balance_transaction,
            "billing_details": billing_details(),
            "calculated_statement_descriptor": "STRIPE-SIM",
            "captured": succeeded,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": self.disputed,
            "failure_balance_transaction": null,
            "failure_code": self.failure.as_ref().map(|failure| &failure.code),
            "failure_message": self.failure.as_ref().map(|failure| &failure.message),
            "fraud_details": {},
            "livemode": false,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "outcome": self.outcome(),
            "paid": succeeded,
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method.id,
            "payment_method_details": {"card": self.card_details(), "type": "card"},
            "presentment_details": null,
            "radar_options": {},
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": succeeded.then(|| format!("https://pay.stripe.com/receipts/payment/{}", self.id)),
            "refunded": succeeded && self.refundable() == 0,
            "review": null,
            "shipping": null,
            "source": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": if succeeded { "succeeded" } else { "failed" },
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}
