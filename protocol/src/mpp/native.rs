//! Challenges as JSON-RPC carries them: objects, of which nothing is in base64.
//!
//! Source: draft-payment-transport-mcp-00 (github.com/tempoxyz/mpp-specs), "Challenge Structure".

use alloc::{format, string::String};

use super::{Bound, DESCRIPTION, INTENT, METHOD};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A challenge with this id, as JSON. Nothing of it may need escaping, as in a header.
#[must_use]
pub fn challenge(bound: &Bound<'_>, id: &str) -> String {
    let request = URL_SAFE_NO_PAD.decode(bound.request).unwrap_or_default();
    let request = String::from_utf8(request).unwrap_or_default();
    let mut challenge = format!(
        r#"{{"id":"{id}","realm":"{}","method":"{METHOD}","intent":"{INTENT}","request":{request},"description":"{DESCRIPTION}"#,
        bound.realm
    );
    for (name, value) in
        [("expires", bound.expires), ("opaque", bound.opaque), ("header", bound.header)]
    {
        if let Some(value) = value {
            challenge.push_str("\",\"");
            challenge.push_str(name);
            challenge.push_str("\":\"");
            challenge.push_str(value);
        }
    }
    challenge.push_str("\"}");
    challenge
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::{opaque, request},
        *,
    };
    use crate::{Currency, DeductionId, Units};

    #[test]
    fn a_challenge_is_an_object() {
        let asked = request(Units::from_u32(50_000), Currency::USD, "profile_test_61");
        let opaque = opaque(&DeductionId::first_at(5));
        let bound = Bound {
            realm: "r",
            request: &asked,
            expires: Some("2030-01-15T12:05:00Z"),
            opaque: Some(&opaque),
            header: Some("X"),
        };
        let expected = json!({
            "id": "i", "realm": "r", "method": "stripe", "intent": "charge", "description": DESCRIPTION,
            "request": {"amount": "500", "currency": "usd",
                "methodDetails": {"networkId": "profile_test_61", "paymentMethodTypes": ["card"]}},
            "expires": "2030-01-15T12:05:00Z", "opaque": opaque, "header": "X",
        });
        let read =
            |bound: &Bound<'_>| serde_json::from_str::<Value>(&challenge(bound, "i")).unwrap();
        assert_eq!(read(&bound), expected);
        let bare = read(&Bound { expires: None, opaque: None, header: None, ..bound });
        assert_eq!((&bare["id"], bare.get("expires")), (&json!("i"), None));
    }
}
