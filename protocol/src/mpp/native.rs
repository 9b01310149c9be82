//! Challenges and credentials as JSON-RPC carries them: objects, of which nothing is in base64.
//!
//! Source: draft-payment-transport-mcp-00 (github.com/tempoxyz/mpp-specs), "Challenge Structure" and
//! "Credential Structure".

use alloc::{
    format,
    string::{String, ToString as _},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Bound, Credential, DESCRIPTION, INTENT, METHOD, Malformed};

/// The field of `_meta` in which a credential comes.
pub const CREDENTIAL: &str = "org.paymentauth/credential";

/// A challenge with this id, as JSON. Nothing of it may need escaping, as in a header.
#[must_use]
pub fn challenge(bound: &Bound<'_>, id: &str) -> String {
    let request = URL_SAFE_NO_PAD.decode(bound.request).unwrap_or_default();
    let request = String::from_utf8(request).unwrap_or_default();
    let mut challenge = format!(
        r#"{{"id":"{id}","realm":"{}","method":"{METHOD}","intent":"{INTENT}","request":{request},"description":"{DESCRIPTION}""#,
        bound.realm
    );
    for (name, value) in [("expires", bound.expires), ("opaque", bound.opaque)] {
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

/// A credential, with its request as a challenge in a header has it. (Fields are sorted, and ours have texts
/// alone: so this is the canonical JSON of RFC 8785.)
///
/// # Errors
/// [`Malformed`]; sending the same again does not help.
pub fn credential(mut value: Value) -> Result<Credential, Malformed> {
    // serde would read an array as a struct, field by field.
    if !value.is_object() || ["challenge", "payload"].iter().any(|name| value[name].is_array()) {
        return Err(Malformed::Undecodable);
    }
    if let Some(request) = value.pointer_mut("/challenge/request")
        && request.is_object()
    {
        *request = URL_SAFE_NO_PAD.encode(request.to_string()).into();
    }
    serde_json::from_value(value).map_err(|_| Malformed::Undecodable)
}

#[cfg(test)]
mod tests {
    use core::iter;

    use serde_json::json;

    use super::{
        super::{Challenge, opaque, request},
        *,
    };
    use crate::{Currency, DeductionId, Units};

    #[test]
    fn a_challenge_comes_back_as_a_credential() {
        let secret = b"stripe402-example-secret-key-0123456789".as_slice();
        let asked = request(Units::from_u32(50_000), Currency::USD, "profile_test_61");
        let opaque = opaque(&DeductionId::first_at(5));
        let bound = Bound {
            realm: "r",
            request: &asked,
            expires: Some("2030-01-15T12:05:00Z"),
            opaque: Some(&opaque),
            header: None,
        };
        let challenge = challenge(&bound, &Challenge::new(&bound, secret).id);
        let challenge: Value = serde_json::from_str(&challenge).unwrap();
        assert_eq!(challenge["request"]["amount"], "500");
        let sent = |challenge: &Value| {
            let value = json!({"challenge": challenge, "payload": {"spt": "spt_1"}});
            let credential = credential(value).unwrap();
            assert_eq!(credential.token(), Some("spt_1"));
            (credential.is_answer_to_ours("r", None, iter::once(secret)), credential)
        };
        let (is_ours, credential) = sent(&challenge);
        assert!(is_ours);
        assert_eq!(credential.request(), asked);
        let mut cheaper = challenge.clone();
        cheaper["request"]["amount"] = "1".into();
        assert!(!sent(&cheaper).0);
        let mut encoded = challenge;
        encoded["request"] = asked.into();
        assert!(sent(&encoded).0);
        for wrong in [json!({}), json!([{}]), json!("x"), json!({"challenge": []}), Value::Null] {
            assert_eq!(super::credential(wrong).err(), Some(Malformed::Undecodable));
        }
    }
}
