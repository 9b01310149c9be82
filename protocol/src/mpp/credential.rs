//! What a client sends to pay a challenge.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, de};

use super::{Bound, INTENT, LONGEST_CREDENTIAL, METHOD, challenge::of_nonce};
use crate::header;

/// A credential: the challenge that it pays, sent back, and with what. Nothing of it is checked.
#[derive(Clone, Deserialize)]
pub struct Credential {
    challenge: Echo,
    #[serde(default)]
    payload: Payload,
}

/// The challenge as the client sends it back. Other fields are ignored; no field may be there twice.
#[derive(Clone, Deserialize)]
struct Echo {
    id: String,
    realm: String,
    method: String,
    intent: String,
    request: String,
    expires: Option<String>,
    digest: Option<String>,
    opaque: Option<Opaque>,
}

#[derive(Clone, Default, Deserialize)]
struct Payload {
    spt: Option<String>,
}

/// As it was in the challenge, or, from old clients, decoded.
#[derive(Clone)]
struct Opaque(String);

/// Not base64 of a credential's JSON, or too long. The text says what would be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than any credential needs.
    #[error("the credential is longer than {LONGEST_CREDENTIAL} bytes")]
    TooLong,
    /// Not base64, not JSON, or JSON of another shape; a field that is there twice.
    #[error("the credential must be base64url of a JSON object with challenge and payload")]
    Undecodable,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

impl Credential {
    /// Reads what follows the scheme's name.
    ///
    /// # Errors
    /// [`Malformed`]; sending the same again does not help.
    pub fn decode(credential: &[u8]) -> Result<Self, Malformed> {
        if credential.len() > LONGEST_CREDENTIAL {
            return Err(Malformed::TooLong);
        }
        header::decode(credential).map_err(|_| Malformed::Undecodable)
    }

    /// The challenge's id: names one payment.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.challenge.id
    }

    /// What the challenge asked for.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.challenge.request
    }

    /// Whether it is a challenge that was made with one of these secrets, for this realm and header.
    #[must_use]
    pub fn is_answer_to_ours<'s>(
        &self,
        realm: &str,
        header: Option<&str>,
        mut secrets: impl Iterator<Item = &'s [u8]>,
    ) -> bool {
        let echo = &self.challenge;
        let bound = Bound {
            realm,
            request: &echo.request,
            expires: echo.expires.as_deref(),
            opaque: echo.opaque.as_ref().map(|opaque| opaque.0.as_str()),
            header,
        };
        let named = echo.realm == realm && echo.method == METHOD && echo.intent == INTENT;
        named && echo.digest.is_none() && secrets.any(|secret| bound.is_id(secret, &echo.id))
    }

    /// Until when the challenge could be paid, in RFC 3339.
    #[must_use]
    pub fn expires(&self) -> Option<&str> {
        self.challenge.expires.as_deref()
    }

    /// The Shared Payment Token, unchecked.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.payload.spt.as_deref()
    }
}

impl<'de> Deserialize<'de> for Opaque {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OpaqueVisitor)
    }
}

struct OpaqueVisitor;

impl<'de> de::Visitor<'de> for OpaqueVisitor {
    type Value = Opaque;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64url, or an object with a nonce")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Opaque, E> {
        // Else it could stand for the header, too, which is before it in what the id is made of.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.bytes().all(plain) {
            Ok(Opaque(text.into()))
        } else {
            Err(de::Error::custom("opaque"))
        }
    }

    fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<Opaque, M::Error> {
        let only = map.next_entry::<String, String>()?;
        let (None, Some((name, nonce))) = (map.next_key::<String>()?, only) else {
            return Err(de::Error::custom("opaque"));
        };
        let plain = nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if name != "nonce" || !plain {
            return Err(de::Error::custom("opaque"));
        }
        Ok(Opaque(of_nonce(&nonce)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec};
    use core::iter;

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::{super::Challenge, *};
    use crate::DeductionId;

    const SECRET: &[u8] = b"stripe402-example-secret-key-0123456789";
    /// Made with mppx 0.11.0.
    const MPPX: &str = "eyJjaGFsbGVuZ2UiOnsiZGVzY3JpcHRpb24iOiJXZWF0aGVyIiwiZXhwaXJlcyI6IjIwMzAtMDEtMTVUMTI6MDU6MDBaIiwiaWQiOiJEVjBuVTN6S1VDdzYwVVJocGRJV1JBdUxCMDVIZ1RSUWpVenlZTENSMUJRIiwiaW50ZW50IjoiY2hhcmdlIiwibWV0aG9kIjoic3RyaXBlIiwicmVhbG0iOiJhcGkuZXhhbXBsZS5jb20iLCJvcGFxdWUiOiJleUp1YjI1alpTSTZJalZtTW1NNVlTSXNJbkp2ZFhSbElqb2lSMFZVSUM5M1pXRjBhR1Z5SW4wIiwicmVxdWVzdCI6ImV5SmhiVzkxYm5RaU9pSTFNREFpTENKamRYSnlaVzVqZVNJNkluVnpaQ0lzSW1SbGMyTnlhWEIwYVc5dUlqb2lWMlZoZEdobGNpQm1iM0lnYjI1bElHUmhlU0lzSW0xbGRHaHZaRVJsZEdGcGJITWlPbnNpYm1WMGQyOXlhMGxrSWpvaWNISnZabWxzWlY5MFpYTjBYell4VkZVNU1HNUpaVWRxVlRkT1RsWllRVFpVVlRrd2JUZEpVMUZYYzBKNGNHTjRPV3hCVTFkWFdGUnJJaXdpY0dGNWJXVnVkRTFsZEdodlpGUjVjR1Z6SWpwYkltTmhjbVFpTENKc2FXNXJJbDE5ZlEifSwicGF5bG9hZCI6eyJzcHQiOiJzcHRfMVJnYVpjRlBDNVFVTzZaQ0RWWnVWQThxIn19";

    fn decode(json: &str) -> Result<Credential, Malformed> {
        Credential::decode(URL_SAFE_NO_PAD.encode(json).as_bytes())
    }

    #[test]
    fn a_credential_of_another_implementation_is_read() {
        let credential = Credential::decode(MPPX.as_bytes()).unwrap();
        let secrets = || [b"a newer one".as_slice(), SECRET].into_iter();
        assert!(credential.is_answer_to_ours("api.example.com", None, secrets()));
        assert!(!credential.is_answer_to_ours("api.example.org", None, secrets()));
        assert!(!credential.is_answer_to_ours("api.example.com", Some("X"), secrets()));
        assert!(!credential.is_answer_to_ours("api.example.com", None, secrets().take(1)));
        assert_eq!(credential.id(), "DV0nU3zKUCw60URhpdIWRAuLB05HgTRQjUzyYLCR1BQ");
        assert_eq!(credential.expires(), Some("2030-01-15T12:05:00Z"));
        assert_eq!(credential.token(), Some("spt_1RgaZcFPC5QUO6ZCDVZuVA8q"));
    }

    /// A credential for a challenge of ours, as a client sends it.
    fn ours() -> Value {
        let opaque = super::super::opaque(&DeductionId::first_at(5));
        let bound = Bound {
            realm: "r",
            request: "e30",
            expires: Some("2030-01-15T12:05:00Z"),
            opaque: Some(&opaque),
            header: None,
        };
        json!({
            "challenge": {
                "id": Challenge::new(&bound, SECRET).id, "realm": "r", "method": "stripe",
                "intent": "charge", "request": "e30", "expires": "2030-01-15T12:05:00Z",
                "opaque": opaque, "description": "not bound",
            },
            "payload": {"spt": "spt_1"},
        })
    }

    fn is_ours(json: &Value) -> bool {
        let credential = decode(&json.to_string()).unwrap();
        credential.is_answer_to_ours("r", None, iter::once(SECRET))
    }

    #[test]
    fn what_was_changed_is_not_ours() {
        assert!(is_ours(&ours()));
        for (field, value) in [
            ("id", json!("")),
            ("realm", json!("s")),
            ("method", json!("tempo")),
            ("intent", json!("session")),
            ("request", json!("e31")),
            ("expires", json!("2031-01-15T12:05:00Z")),
            ("expires", Value::Null),
            ("digest", json!("sha-256=:AAAA:")),
            ("digest", json!("")),
            ("opaque", json!("e30")),
            ("opaque", Value::Null),
        ] {
            let mut changed = ours();
            changed["challenge"][field] = value;
            assert!(!is_ours(&changed), "{field}");
        }
    }

    #[test]
    fn old_clients_send_opaque_decoded() {
        let mut old = ours();
        old["challenge"]["opaque"] = json!({"nonce": DeductionId::first_at(5).to_string()});
        assert!(is_ours(&old));
        for other in [
            json!({"nonce": "a", "more": "b"}),
            json!({"nonce": "a\"b"}),
            json!({"once": "a"}),
            json!({}),
            json!(7),
            // A header's name and what follows it: the id would be that of another challenge.
            json!("Payment-Authorization|e30"),
        ] {
            old["challenge"]["opaque"] = other;
            assert_eq!(decode(&old.to_string()).unwrap_err(), Malformed::Undecodable);
        }
    }

    #[test]
    fn what_two_readers_could_take_differently_is_malformed() {
        let sound = ours().to_string();
        let twice = |field: &str, other: &str| {
            let again = format!("{field},{}", other);
            sound.replacen(field, &again, 1)
        };
        for json in [
            twice(r#""realm":"r""#, r#""realm":"s""#),
            twice(r#""spt":"spt_1""#, r#""spt":"spt_2""#),
            twice(r#""payload":{"spt":"spt_1"}"#, r#""payload":{"spt":"spt_2"}"#),
            sound.replace(r#""spt_1""#, "7"),
            sound.replace(r#""r""#, "null"),
            format!("[{sound}]"),
            "{}".to_string(),
            "[]".to_string(),
            String::new(),
        ] {
            assert_ne!(json, sound);
            assert_eq!(decode(&json).unwrap_err(), Malformed::Undecodable, "{json}");
        }
        assert!(decode(&sound).is_ok());
    }

    #[test]
    fn a_long_one_is_not_decoded() {
        let padded = format!("{}{}", ours(), " ".repeat(7_000));
        assert_eq!(decode(&padded).unwrap_err(), Malformed::TooLong);
        let long = vec![b'A'; LONGEST_CREDENTIAL + 1];
        assert_eq!(Credential::decode(&long).unwrap_err(), Malformed::TooLong);
        let longest = vec![b'A'; LONGEST_CREDENTIAL];
        assert_eq!(Credential::decode(&longest).unwrap_err(), Malformed::Undecodable);
    }
}
