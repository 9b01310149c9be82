//! The names of the headers that tell the API who paid.

use super::{
    Identity,
    fields::{Checked, Fields, wrong},
};

/// Headers that HTTP, Envoy or an API takes for something else: to set them would break requests, or
/// tell others who the client is. Source: IANA, "HTTP Field Name Registry".
pub(super) const TAKEN: [&str; 25] = [
    "accept",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "payment",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-request-id",
];

pub(super) fn identity(mut fields: Fields) -> Checked<Identity> {
    let usual = Identity::default();
    let identity = Identity {
        client_id: fields.optional("client_id")?.unwrap_or(usual.client_id),
        credits_remaining: fields.optional("credits_remaining")?.unwrap_or(usual.credits_remaining),
        price: fields.optional("price")?.unwrap_or(usual.price),
        deduction_id: fields.optional("charge_id")?.unwrap_or(usual.deduction_id),
        unpaid: fields.optional("unpaid")?.unwrap_or(usual.unpaid),
    };
    let names = identity.names();
    for (field, name) in names {
        let token = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if name.is_empty() || !token || name.starts_with("x-envoy-") || TAKEN.contains(&name) {
            let problem = "must be a header name of lowercase letters, digits and hyphens that HTTP \
                           and proxies do not use, unlike host or x-envoy-…";
            return wrong(format!("identity.{field}"), problem);
        }
        if names.iter().any(|(other, same)| *other != field && *same == name) {
            return wrong(
                format!("identity.{field}"),
                format!("{name} is used for two headers; choose another name"),
            );
        }
    }
    Ok(identity)
}

impl Identity {
    /// Each field and the header it names.
    #[must_use]
    pub fn names(&self) -> [(&'static str, &str); 5] {
        [
            ("client_id", &self.client_id),
            ("credits_remaining", &self.credits_remaining),
            ("price", &self.price),
            ("charge_id", &self.deduction_id),
            ("unpaid", &self.unpaid),
        ]
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            client_id: "x-stripe402-client-id".to_owned(),
            credits_remaining: "x-stripe402-credits-remaining".to_owned(),
            price: "x-stripe402-price".to_owned(),
            deduction_id: "x-stripe402-charge-id".to_owned(),
            unpaid: "x-stripe402-unpaid".to_owned(),
        }
    }
}
