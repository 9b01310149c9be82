//! PaymentMethods; all are cards. Source: docs.stripe.com/api/payment_methods/object.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cards::{self, TestCard};
use crate::ids;
use crate::number;
use crate::objects::billing_details;
use crate::table::Row;

/// Whether a PaymentMethod can be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Use {
    /// Not attached, and not used yet.
    Fresh,
    Attached,
    /// Charged without being attached, or detached: never to be used again.
    Consumed,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: Option<String>,
    pub(crate) exp_month: i64,
    pub(crate) exp_year: i64,
    /// The card's whole number: never in an answer.
    pub(crate) number: String,
    /// The security code it was made with, if any: never in an answer.
    pub(crate) cvc: Option<String>,
    /// Whether an issuer has accepted the security code.
    pub(crate) cvc_check: CvcCheck,
    pub(crate) usage: Use,
}

/// `card.checks.cvc_check`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CvcCheck {
    Unchecked,
    Pass,
    Fail,
}

impl Row for PaymentMethod {
    fn id(&self) -> &str {
        &self.id
    }
}

impl PaymentMethod {
    /// What the card does; `None` never happens for a number that was accepted.
    pub(crate) fn card(&self) -> Option<&'static TestCard> {
        cards::by_number(&self.number)
    }

    /// The same for every PaymentMethod of one card number.
    pub(crate) fn fingerprint(&self) -> String {
        ids::fingerprint(&self.number)
    }

    /// `null` where no security code was given.
    pub(crate) fn cvc_check(&self) -> Option<CvcCheck> {
        self.cvc.as_ref().map(|_| self.cvc_check)
    }

    /// `credit`, `debit` or `prepaid`.
    pub(crate) fn funding(&self) -> &'static str {
        self.card().map_or("unknown", |card| card.funding)
    }

    /// As a secret key sees it.
    pub(crate) fn view(&self) -> Value {
        let brand = number::brand(&self.number).name;
        json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": billing_details(),
            "card": {
                "brand": brand,
                "checks": {
                    "address_line1_check": null,
                    "address_postal_code_check": null,
                    "cvc_check": self.cvc_check(),
                },
                "country": "US",
                "display_brand": if brand == "amex" { "american_express" } else { brand },
                "exp_month": self.exp_month,
                "exp_year": self.exp_year,
                "fingerprint": self.fingerprint(),
                "funding": self.funding(),
                "generated_from": null,
                "last4": number::last4(&self.number),
                "networks": {"available": [brand], "preferred": null},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": brand != "amex"},
                "wallet": null,
            },
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": {},
            "radar_options": {},
            "type": "card",
        })
    }

    /// As a publishable key sees it: without the fingerprint.
    pub(crate) fn public_view(&self) -> Value {
        let mut view = self.view();
        if let Some(fields) = view.as_object_mut() {
            fields.remove("metadata");
            if let Some(card) = fields.get_mut("card").and_then(Value::as_object_mut) {
                card.remove("fingerprint");
            }
        }
        view
    }
}
