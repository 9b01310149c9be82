//! The three headers: JSON in base64.

use alloc::{string::String, vec::Vec};

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Serialize, de::DeserializeOwned};

/// On every 402: what the resource costs and how to pay.
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// On a request: who pays, or with which card.
pub const PAYMENT: &str = "payment";
/// On an answer that was paid for: what is left.
pub const PAYMENT_RESPONSE: &str = "payment-response";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// A header that is not base64 of JSON of the right shape. Retrying does not help: the sender must mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Neither base64 nor base64url.
    #[error("the header is not base64")]
    Base64,
    /// Not JSON, or JSON of another shape.
    #[error("the header does not hold the expected JSON")]
    Json,
}

/// Writes JSON as standard base64 with padding.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> String {
    // The types of this crate have string keys and finite numbers only: serialising cannot fail.
    encode_bytes(&serde_json::to_vec(value).unwrap_or_default())
}

/// Writes JSON that is serialised already.
#[must_use]
pub fn encode_bytes(json: &[u8]) -> String {
    BASE64.encode(json)
}

/// Reads standard base64 or base64url, with padding or without, and the JSON within.
///
/// # Errors
/// [`HeaderError`] naming which of the two layers is broken.
pub fn decode<T: DeserializeOwned>(header: &[u8]) -> Result<T, HeaderError> {
    let json = decode_bytes(header)?;
    // serde would read an array as a struct, field by field.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(HeaderError::Json);
    }
    serde_json::from_slice(&json).map_err(|_| HeaderError::Json)
}

/// Reads base64, of either alphabet.
///
/// # Errors
/// [`HeaderError::Base64`].
pub fn decode_bytes(header: &[u8]) -> Result<Vec<u8>, HeaderError> {
    let json = BASE64.decode(header).or_else(|_| BASE64URL.decode(header));
    json.map_err(|_| HeaderError::Base64)
}
