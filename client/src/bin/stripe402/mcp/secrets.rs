//! What no agent may see, wherever it turns up.
//!
//! An API is told its client's id, and may repeat it in its answer.

use serde_json::{Map, Value};
use stripe402_client::{Policy, Purse};

/// What stands in a credential's place.
const HIDDEN: &str = "(hidden by stripe402)";

/// Fields of our own that are not for agents: what a cardholder confirms a payment with, ids that pay, keys.
const NOT_FOR_AGENTS: [&str; 6] = [
    "chargeId",
    "clientId",
    "clientSecret",
    "paymentIntentId",
    "paymentMethodId",
    "publishableKey",
];

/// Every credential that this program knows.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn new(policy: &Policy, purse: &Purse) -> Self {
        let mut all = Vec::new();
        all.extend(policy.payment_method.as_ref().map(|card| card.as_str().to_owned()));
        all.extend(policy.client_id.map(|id| id.to_hex()));
        all.extend(purse.bound.keys().map(|secret| secret.expose().to_owned()));
        for known in purse.origins.values() {
            all.extend(known.client_id.iter().chain(&known.stale).map(|id| id.to_hex()));
            all.extend(known.card.as_ref().map(|card| card.as_str().to_owned()));
            for open in known.pending.iter().chain(&known.unconfirmed) {
                all.extend([open.payment_method.as_str().to_owned(), open.key.clone()]);
            }
        }
        all.retain(|secret| !secret.is_empty());
        // The longest first: one may begin with another.
        all.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self(all)
    }

    /// How long the longest is, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.0.first().map_or(0, String::len)
    }

    /// Bytes without them.
    pub(super) fn hide(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for secret in &self.0 {
            let mut at = 0;
            while let Some(found) = find(bytes.get(at..).unwrap_or_default(), secret.as_bytes()) {
                let start = at.saturating_add(found);
                let end = start.saturating_add(secret.len());
                bytes.splice(start..end, HIDDEN.bytes());
                at = start.saturating_add(HIDDEN.len());
            }
        }
        bytes
    }

    /// The same text without them.
    pub(super) fn hide_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }

    /// JSON without them, in its names and texts.
    pub(super) fn hide_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide_text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.hide_json(item)).collect(),
            Value::Object(fields) => Value::Object(self.hide_fields(fields)),
            other => other,
        }
    }

    pub(super) fn hide_fields(&self, fields: Map<String, Value>) -> Map<String, Value> {
        let hide = |(name, value): (String, Value)| (self.hide_text(&name), self.hide_json(value));
        fields.into_iter().map(hide).collect()
    }
}

/// One of our own objects, such as an error, without the fields that are not for agents.
pub(super) fn for_agents(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(for_agents).collect(),
        Value::Object(fields) => {
            let shown = |(name, _): &(String, Value)| !NOT_FOR_AGENTS.contains(&name.as_str());
            fields
                .into_iter()
                .filter(shown)
                .map(|(name, value)| (name, for_agents(value)))
                .collect()
        }
        other => other,
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets() -> Secrets {
        let policy = Policy::card("pm_mine".parse().unwrap());
        let mut purse = Purse::default();
        let known = purse.origins.entry("https://api.example".to_owned()).or_default();
        known.client_id = Some("a".repeat(64).parse().unwrap());
        known.card = Some("pm_mine_too".parse().unwrap());
        Secrets::new(&policy, &purse)
    }

    #[test]
    fn credentials_are_hidden_wherever_they_are() {
        let id = "a".repeat(64);
        let said =
            json!({"headers": [["x-id", id]], "pm_mine": {"of": format!("<{id}> pm_mine_too")}});
        let hidden = secrets().hide_json(said).to_string();
        assert!(!hidden.contains("aaaa") && !hidden.contains("pm_mine"), "{hidden}");
        assert_eq!(hidden.matches(HIDDEN).count(), 4, "{hidden}");
        let bytes = [b"\xff\0pm_mine\xfe".as_slice(), id.as_bytes(), id.as_bytes()].concat();
        let expected = [
            b"\xff\0".as_slice(),
            HIDDEN.as_bytes(),
            b"\xfe",
            HIDDEN.as_bytes(),
            HIDDEN.as_bytes(),
        ];
        assert_eq!(secrets().hide(bytes), expected.concat());
        assert_eq!(secrets().hide(b"pm_other".to_vec()), b"pm_other");
        assert_eq!(secrets().longest(), 64);
    }

    #[test]
    fn an_error_says_nothing_that_could_be_spent() {
        let error = json!({
            "code": "payment_failed", "clientSecret": "pi_1_secret_2", "paymentIntentId": "pi_1",
            "terms": {"price": 500, "publishableKey": "pk_1"},
        });
        let expected = json!({"code": "payment_failed", "terms": {"price": 500}});
        assert_eq!(for_agents(error), expected);
    }
}
