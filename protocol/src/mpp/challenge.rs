//! What a 402 asks for, and the id that is bound to it.

use alloc::{format, string::String};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{INTENT, METHOD};
use crate::{Currency, DeductionId, Units};

/// What people are told that they pay for.
pub const DESCRIPTION: &str = "API credits: what this request does not use stays as credit";

/// What an id is bound to. None of it may hold a `|`, except base64, which cannot.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// Who asks.
    pub realm: &'a str,
    /// The [`request`], in base64url.
    pub request: &'a str,
    /// Until when it may be paid, in RFC 3339.
    pub expires: Option<&'a str>,
    /// What the client sends back, in base64url.
    pub opaque: Option<&'a str>,
    /// The header in which the credential is to come, where that is not `authorization`.
    pub header: Option<&'a str>,
}

impl Bound<'_> {
    /// The id: the HMAC-SHA256 of all slots, in base64url.
    #[must_use]
    pub fn id(&self, secret: &[u8]) -> String {
        let mac = self.mac(secret).map(|mac| mac.finalize().into_bytes());
        // A key of any length is taken.
        URL_SAFE_NO_PAD.encode(mac.unwrap_or_default())
    }

    /// Whether this is the id, compared in constant time.
    #[must_use]
    pub fn is_id(&self, secret: &[u8], id: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(id);
        let (Ok(given), Some(mac)) = (given, self.mac(secret)) else { return false };
        mac.verify_slice(&given).is_ok()
    }

    /// Over seven slots: the sixth, `digest`, is always empty here. With `header` there are eight.
    fn mac(&self, secret: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        let expires = self.expires.unwrap_or_default();
        let slots = [self.realm, METHOD, INTENT, self.request, expires, ""];
        for slot in slots.into_iter().chain(self.header) {
            mac.update(slot.as_bytes());
            mac.update(b"|");
        }
        mac.update(self.opaque.unwrap_or_default().as_bytes());
        Some(mac)
    }
}

/// A challenge with its id.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The id, which a refusal names as well.
    pub id: String,
    /// The value of `WWW-Authenticate`.
    pub header: String,
}

impl Challenge {
    /// The challenge. `realm`, `expires` and `header` must need no escaping in a quoted string.
    #[must_use]
    pub fn new(bound: &Bound<'_>, secret: &[u8]) -> Self {
        let id = bound.id(secret);
        let mut header = format!(
            r#"Payment id="{id}", realm="{}", method="{METHOD}", intent="{INTENT}", request="{}", description="{DESCRIPTION}""#,
            bound.realm, bound.request
        );
        for (name, value) in
            [("expires", bound.expires), ("opaque", bound.opaque), ("header", bound.header)]
        {
            if let Some(value) = value {
                header.push_str(", ");
                header.push_str(name);
                header.push_str("=\"");
                header.push_str(value);
                header.push('"');
            }
        }
        Self { id, header }
    }
}

/// What is to be charged: the canonical JSON (RFC 8785) of a request, in base64url. Its shape is fixed:
/// the keys stand in order, and `network_id` must be of letters, digits and underscores.
#[must_use]
pub fn request(amount: Units, currency: Currency, network_id: &str) -> String {
    let minor = currency.minor_units(amount);
    URL_SAFE_NO_PAD.encode(format!(
        r#"{{"amount":"{minor}","currency":"{currency}","methodDetails":{{"networkId":"{network_id}","paymentMethodTypes":["card"]}}}}"#
    ))
}

/// What makes a challenge unlike every other: canonical JSON in base64url.
#[must_use]
pub fn opaque(nonce: &DeductionId) -> String {
    of_nonce(&format!("{nonce}"))
}

/// The nonce must need no escaping in JSON.
pub(super) fn of_nonce(nonce: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"nonce":"{nonce}"}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"stripe402-example-secret-key-0123456789";
    const JCS: &str = r#"{"amount":"500","currency":"usd","description":"Weather for one day","methodDetails":{"networkId":"profile_test_61TU90nIeGjU7NNVXA6TU90m7ISQWsBxpcx9lASWWXTk","paymentMethodTypes":["card","link"]}}"#;

    /// Made with mppx 0.11.0, and checked with Node's own HMAC.
    #[test]
    fn ids_are_those_of_other_implementations() {
        let request = URL_SAFE_NO_PAD.encode(JCS);
        let opaque = URL_SAFE_NO_PAD.encode(r#"{"nonce":"5f2c9a","route":"GET /weather"}"#);
        let bare = Bound {
            realm: "api.example.com",
            request: &request,
            expires: None,
            opaque: None,
            header: None,
        };
        let full = Bound { expires: Some("2030-01-15T12:05:00Z"), opaque: Some(&opaque), ..bare };
        let elsewhere = Bound { header: Some("Payment-Authorization"), ..full };
        for (bound, id) in [
            (bare, "PePXJpGNuJMPXFaBBAophjKDgd9i-andT3p8X4eVTRk"),
            (full, "DV0nU3zKUCw60URhpdIWRAuLB05HgTRQjUzyYLCR1BQ"),
            (elsewhere, "gM1oAV9fOLlXvd_HGcDMYzRBky1c5lcVwgxTgnffFYc"),
        ] {
            assert_eq!(bound.id(SECRET), id);
            assert!(bound.is_id(SECRET, id));
            assert!(!bound.is_id(b"another", id));
            assert!(
                !bound.is_id(SECRET, &id.replace('P', "Q").replace('D', "E").replace('g', "h"))
            );
        }
    }

    #[test]
    fn every_slot_is_bound() {
        let of = Bound {
            realm: "a",
            request: "b",
            expires: Some("c"),
            opaque: Some("d"),
            header: Some("e"),
        };
        let id = of.id(SECRET);
        for other in [
            Bound { realm: "x", ..of },
            Bound { request: "x", ..of },
            Bound { expires: None, ..of },
            Bound { opaque: Some("x"), ..of },
            Bound { header: None, ..of },
        ] {
            assert!(!other.is_id(SECRET, &id), "{other:?}");
        }
        assert!(!of.is_id(SECRET, ""));
        assert!(!of.is_id(SECRET, &id[..42]), "cut short");
    }

    #[test]
    fn a_challenge_says_what_its_id_is_bound_to() {
        let amount = Units::from_u32(50_001);
        let asked = request(amount, Currency::USD, "profile_test_61");
        let json = URL_SAFE_NO_PAD.decode(&asked).unwrap();
        assert_eq!(
            json,
            br#"{"amount":"501","currency":"usd","methodDetails":{"networkId":"profile_test_61","paymentMethodTypes":["card"]}}"#
        );
        let opaque = opaque(&DeductionId::first_at(0));
        let bound = Bound {
            realm: "api.example.com",
            request: &asked,
            expires: Some("2030-01-15T12:05:00Z"),
            opaque: Some(&opaque),
            header: Some("Payment-Authorization"),
        };
        let Challenge { id, header } = Challenge::new(&bound, SECRET);
        assert_eq!(
            header,
            format!(
                "Payment id=\"{id}\", realm=\"api.example.com\", method=\"stripe\", intent=\"charge\", \
                 request=\"{asked}\", description=\"{DESCRIPTION}\", expires=\"2030-01-15T12:05:00Z\", \
                 opaque=\"{opaque}\", header=\"Payment-Authorization\""
            )
        );
        assert!(header.is_ascii());
    }
}
