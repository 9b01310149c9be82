//! `payment`: who pays, or with which card.

use alloc::string::String;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{ClientId, HeaderError, VERSION, header, spender};

/// The decoded `payment` header. `null` and empty strings have become `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Always 1 here; a header without a version means 1.
    pub stripe402_version: u8,
    /// A Stripe PaymentMethod, unchecked: see [`crate::PaymentMethodId`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method_id: Option<String>,
    /// A client id, unchecked: what is not 64 lowercase hex is an unknown client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Units to charge the card if credits do not suffice; 0 and negatives are below any least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_up_amount: Option<i64>,
    /// The PaymentIntent that the cardholder confirmed (extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<String>,
    /// Names one top-up for 24 hours (extension): 1–64 printable ASCII characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Units; above it nothing is deducted or charged (extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<i64>,
    /// Of all amounts here; where the price is in another one, nothing is deducted or charged (extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// Why a `payment` header is `invalid_payment`. The text says what to mend; retrying does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PaymentError {
    /// Not base64 of a JSON object with fields of the right types. A field that is there twice, `5e4` and
    /// `50000.0` are refused, too: two readers could take them differently.
    #[error(
        "the payment header must be base64 of a JSON object with string ids and whole-number amounts"
    )]
    Undecodable,
    /// A version other than 1.
    #[error("the payment header has a stripe402Version other than 1")]
    Version,
    /// `topUp` and `topUpAmount` name different amounts.
    #[error("topUp and topUpAmount differ; send one of them")]
    TopUpTwice,
    /// Not 1–64 printable ASCII characters.
    #[error("idempotencyKey must be 1 to 64 printable ASCII characters")]
    IdempotencyKey,
}

/// What a decoded payment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent<'a> {
    /// Neither id nor card: a challenge is all there is to say.
    Nothing,
    /// Spend from this client's balance; `card` is there if the balance is short.
    Spend {
        /// Whose balance; `None` is an unknown client, which never reaches the store.
        client_id: Option<ClientId>,
        /// The card to charge if credits do not suffice.
        card: Option<&'a str>,
    },
    /// Pay with this card.
    Card(&'a str),
}

impl Payment {
    /// Reads the header in either spelling of version 1.
    ///
    /// # Errors
    /// [`PaymentError`], all of which are `invalid_payment` on the wire.
    pub fn decode(bytes: &[u8]) -> Result<Self, PaymentError> {
        let wire: Wire =
            header::decode(bytes).map_err(|_: HeaderError| PaymentError::Undecodable)?;
        if wire.stripe402_version.is_some_and(|version| version != i64::from(VERSION)) {
            return Err(PaymentError::Version);
        }
        let top_up_amount = match (wire.top_up_amount, wire.top_up) {
            (Some(long), Some(short)) if long != short => return Err(PaymentError::TopUpTwice),
            (long, short) => long.or(short),
        };
        if wire.idempotency_key.as_deref().is_some_and(|key| !is_idempotency_key(key)) {
            return Err(PaymentError::IdempotencyKey);
        }
        Ok(Self {
            stripe402_version: VERSION,
            payment_method_id: wire.payment_method_id,
            client_id: wire.client_id,
            top_up_amount,
            payment_intent_id: wire.payment_intent_id,
            idempotency_key: wire.idempotency_key,
            max_price: wire.max_price,
            currency: wire.currency,
        })
    }

    /// The client that a header names, if it says nothing else and is written in a usual way: the same as
    /// [`Payment::decode`] reads, without a parser, since nearly every paid request has one. `None` says
    /// nothing.
    #[must_use]
    pub fn spender(bytes: &[u8]) -> Option<ClientId> {
        spender::client_id(bytes)
    }

    /// What this payment asks for.
    #[must_use]
    pub fn intent(&self) -> Intent<'_> {
        match (self.client_id.as_deref(), self.payment_method_id.as_deref()) {
            (None, None) => Intent::Nothing,
            (None, Some(card)) => Intent::Card(card),
            (Some(id), card) => Intent::Spend { client_id: id.parse().ok(), card },
        }
    }
}

/// Whether it can name a top-up: at most 64 printable ASCII characters. An empty one is absent.
#[must_use]
pub fn is_idempotency_key(key: &str) -> bool {
    key.len() <= 64 && key.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// The fields of both spellings; unknown ones are ignored, doubled ones refused by serde.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    stripe402_version: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    payment_method_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    client_id: Option<String>,
    top_up_amount: Option<i64>,
    top_up: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    payment_intent_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    idempotency_key: Option<String>,
    max_price: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    currency: Option<String>,
}

/// A string, where `null` and the empty string count as absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    fn decode(json: &str) -> Result<Payment, PaymentError> {
        Payment::decode(STANDARD.encode(json).as_bytes())
    }

    #[test]
    fn null_and_empty_count_as_absent() {
        for json in [
            r#"{"clientId":"","paymentMethodId":null}"#,
            r#"{"idempotencyKey":"","topUpAmount":null,"maxPrice":null,"currency":"","stripe402Version":null}"#,
            "{}",
        ] {
            let payment = decode(json).unwrap();
            assert_eq!(payment, Payment { stripe402_version: 1, ..Payment::default() }, "{json}");
            assert_eq!(payment.intent(), Intent::Nothing);
        }
    }

    #[test]
    fn refusals_in_order_of_precedence() {
        let key65 = format!(r#"{{"idempotencyKey":"{}"}}"#, "k".repeat(65));
        for (json, error) in [
            (r#"{"clientId":"a","clientId":"b"}"#, PaymentError::Undecodable),
            (r#"[null,null,null,1,1,null,null,1,null]"#, PaymentError::Undecodable),
            (r#"{"topUp":1.0}"#, PaymentError::Undecodable),
            (r#"{"topUp":9223372036854775808}"#, PaymentError::Undecodable),
            (r#"{"maxPrice":"100"}"#, PaymentError::Undecodable),
            (r#"{"currency":["usd"]}"#, PaymentError::Undecodable),
            (r#"{"stripe402Version":2,"topUp":1,"topUpAmount":2}"#, PaymentError::Version),
            (r#"{"topUp":1,"topUpAmount":2,"idempotencyKey":"\n"}"#, PaymentError::TopUpTwice),
            (r#"{"idempotencyKey":"\n"}"#, PaymentError::IdempotencyKey),
            (r#"{"idempotencyKey":"ü"}"#, PaymentError::IdempotencyKey),
            (&key65, PaymentError::IdempotencyKey),
        ] {
            assert_eq!(decode(json), Err(error), "{json}");
        }
    }

    #[test]
    fn an_id_that_is_not_hex_is_an_unknown_client() {
        let payment = decode(r#"{"clientId":"c8a2e","paymentMethodId":"pm_1"}"#).unwrap();
        assert_eq!(payment.intent(), Intent::Spend { client_id: None, card: Some("pm_1") });
    }

    #[test]
    fn the_same_amount_in_both_spellings_is_fine() {
        assert_eq!(decode(r#"{"topUp":7,"topUpAmount":7}"#).unwrap().top_up_amount, Some(7));
    }
}
