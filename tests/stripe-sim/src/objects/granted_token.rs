//! Shared Payment Tokens as their seller sees them.
//! Source: docs.stripe.com/api/shared-payment/granted-token/object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::metadata::Metadata;
use crate::number;
use crate::objects::billing_details;
use crate::objects::payment_method::PaymentMethod;
use crate::table::Row;

/// Why a token cannot be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Consumed,
    Expired,
    Revoked,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GrantedToken {
    pub(crate) id: String,
    /// The profile of the account that made it.
    pub(crate) agent: String,
    pub(crate) created: i64,
    /// Unix seconds and why.
    pub(crate) deactivated: Option<(i64, Reason)>,
    /// The card, as it was when the token was made.
    pub(crate) method: PaymentMethod,
    /// Whether the card is kept from the seller.
    pub(crate) concealed: bool,
    pub(crate) shared_metadata: Metadata,
    pub(crate) currency: String,
    /// Unix seconds.
    pub(crate) expires_at: i64,
    /// Minor units.
    pub(crate) max_amount: i64,
    /// Minor units.
    pub(crate) captured: i64,
}

impl Row for GrantedToken {
    fn id(&self) -> &str {
        &self.id
    }
}

impl GrantedToken {
    pub(crate) fn view(&self) -> Value {
        let brand = number::brand(&self.method.number).name;
        let card = json!({
            "brand": brand,
            "country": "US",
            "display_brand": brand,
            "exp_month": self.method.exp_month,
            "exp_year": self.method.exp_year,
            "fingerprint": self.method.fingerprint(),
            "funding": self.method.funding(),
            "last4": number::last4(&self.method.number),
            "networks": {"available": [brand], "preferred": null},
            "wallet": null,
        });
        let details = json!({"type": "card", "billing_details": billing_details(), "card": card});
        json!({
            "id": self.id,
            "object": "shared_payment.granted_token",
            "agent_details": {"network_business_profile": self.agent},
            "created": self.created,
            "deactivated_at": self.deactivated.map(|(at, _)| at),
            "deactivated_reason": self.deactivated.map(|(_, reason)| reason),
            "livemode": false,
            "payment_method_details": if self.concealed { Value::Null } else { details },
            "shared_metadata": self.shared_metadata,
            "usage_details": {"amount_captured": {"value": self.captured, "currency": self.currency}},
            "usage_limits": {
                "currency": self.currency,
                "expires_at": self.expires_at,
                "max_amount": self.max_amount,
            },
        })
    }
}
