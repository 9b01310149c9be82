//! `payment-response`: proof of payment, and what is left.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::{ClientId, Currency, DeductionId, Units, header, message::AutoTopUpOff};

/// The `payment-response` header of an answer that was paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Always true; a refusal has no receipt.
    pub success: bool,
    /// The PaymentIntent's id, present only where a card was charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_id: Option<String>,
    /// The balance after this request.
    pub credits_remaining: Units,
    /// The id to send from now on; a bearer credential.
    pub client_id: String,
    /// Of the amounts here (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// What is held for this request, whose price is known when its answer ends (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<ReceiptHold>,
    /// Why the key that paid tops up no more, if it did (extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_top_up: Option<AutoTopUpOff>,
}

/// What is held for a request. `credits_remaining` leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptHold {
    /// Its id, which the API gets as well.
    pub id: DeductionId,
    /// The most that the request can cost.
    pub amount: Units,
    /// What it cost, in a receipt that comes as a trailer after the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Units>,
}

impl Receipt {
    /// The header of an answer that was paid from a balance, encoded: the same as [`header::encode`]
    /// gives, without a serialiser, since every paid request needs one.
    #[must_use]
    pub fn spent(left: Units, client: &ClientId, currency: Currency) -> String {
        let mut json = String::with_capacity(176);
        json.push_str(r#"{"success":true,"creditsRemaining":"#);
        json.push_str(left.digits(&mut [0; 16]));
        json.push_str(r#","clientId":""#);
        json.push_str(client.digits(&mut [0; 64]));
        json.push_str(r#"","currency":""#);
        json.push_str(currency.as_str());
        json.push_str(r#""}"#);
        header::encode_bytes(json.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_ends_at_the_same_place() {
        let client = ClientId::derive(b"secret", "fp_test");
        for credits_remaining in [Units::from_u32(0), Units::from_u32(9_876_500), Units::MAX] {
            let client_id = client.to_hex();
            let receipt = Receipt {
                success: true,
                charge_id: None,
                credits_remaining,
                client_id,
                currency: Some(Currency::USD),
                hold: None,
                auto_top_up: None,
            };
            let short = Receipt::spent(credits_remaining, &client, Currency::USD);
            assert_eq!(short, header::encode(&receipt));
        }
    }
}
