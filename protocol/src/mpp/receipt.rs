//! `Payment-Receipt`: proof of payment.

use alloc::string::String;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::METHOD;
use crate::Units;

/// The receipt of a request that was paid with an MPP credential.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt<'a> {
    method: &'static str,
    reference: &'a str,
    status: &'static str,
    timestamp: &'a str,
    credits_remaining: Units,
    client_id: &'a str,
}

impl<'a> Receipt<'a> {
    /// A receipt. `reference` is the PaymentIntent where a card was charged, else the deduction;
    /// `timestamp` is in RFC 3339.
    #[must_use]
    pub const fn new(
        reference: &'a str,
        timestamp: &'a str,
        credits_remaining: Units,
        client_id: &'a str,
    ) -> Self {
        let (method, status) = (METHOD, "success");
        Self { method, reference, status, timestamp, credits_remaining, client_id }
    }

    /// The header: JSON in base64url.
    #[must_use]
    pub fn encode(&self) -> String {
        // Text and one integer: serialising cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_receipt_has_the_drafts_fields_and_ours() {
        let receipt =
            Receipt::new("pi_3SXabc", "2030-01-15T12:04:32Z", Units::from_u32(49_900), "ab");
        let json = URL_SAFE_NO_PAD.decode(receipt.encode()).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        let expected = json!({
            "method": "stripe", "reference": "pi_3SXabc", "status": "success",
            "timestamp": "2030-01-15T12:04:32Z", "creditsRemaining": 49_900, "clientId": "ab",
        });
        assert_eq!(json, expected);
    }
}
