//! The protocol's headers as any client would read them: JSON in base64.
//!
//! On purpose not by way of the product's own codec: a test that decodes with the code under test proves little.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::{Error, Result};

/// The header that tells the price.
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// The header that pays.
pub const PAYMENT: &str = "payment";
/// The header that is the receipt.
pub const PAYMENT_RESPONSE: &str = "payment-response";

/// A header's value from JSON.
#[must_use]
pub fn encode(value: &Value) -> String {
    STANDARD.encode(value.to_string())
}

/// JSON from a header's value.
///
/// # Errors
/// If it is not standard base64 of JSON.
pub fn decode(text: &str) -> Result<Value> {
    let bytes =
        STANDARD.decode(text).map_err(|error| Error::Invalid(format!("not base64: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("not JSON: {error}")))
}

/// The decoded header of that name.
///
/// # Errors
/// If it is absent or cannot be decoded.
pub fn header(headers: &HeaderMap, name: &str) -> Result<Value> {
    let value = headers
        .get(name)
        .ok_or_else(|| Error::Invalid(format!("the answer has no {name} header")))?;
    let text =
        value.to_str().map_err(|_| Error::Invalid(format!("the {name} header is not text")))?;
    decode(text).map_err(|error| Error::Invalid(format!("the {name} header is {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn goes_there_and_back() {
        let payment = json!({"paymentMethodId": "pm_1"});
        assert_eq!(encode(&payment), "eyJwYXltZW50TWV0aG9kSWQiOiJwbV8xIn0=");
        assert_eq!(decode(&encode(&payment)).unwrap(), payment);
    }

    #[test]
    fn says_what_is_wrong() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            header(&headers, "payment-response").unwrap_err().to_string(),
            "the answer has no payment-response header"
        );
        headers.insert("payment-response", "~".parse().unwrap());
        assert!(
            header(&headers, "payment-response").unwrap_err().to_string().contains("is not base64")
        );
    }
}
