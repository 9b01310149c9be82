//! What no agent may see, wherever it turns up.
//!
//! An API is told its client's id, and may repeat it in its answer.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE},
};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};
use stripe402_client::{Policy, Purse};

/// What stands in a credential's place.
const HIDDEN: &str = "(hidden by stripe402)";

/// The fewest bytes of a word in a header that is hidden, and of what is looked for in base64.
const SHORTEST: usize = 6;

/// Fields of our own that are not for agents: what a cardholder confirms a payment with, ids that pay, keys.
const NOT_FOR_AGENTS: [&str; 6] = [
    "chargeId",
    "clientId",
    "clientSecret",
    "paymentIntentId",
    "paymentMethodId",
    "publishableKey",
];

/// Every credential that this program knows, and what each looks like within base64: by first byte.
pub(super) struct Secrets(BTreeMap<u8, Vec<Vec<u8>>>);

impl Secrets {
    /// `others` are those of a person's own, such as a key in a header.
    pub(super) fn new(policy: &Policy, purse: &Purse, others: &[String]) -> Self {
        let mut all = others.to_vec();
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
        let mut forms = BTreeMap::<u8, Vec<Vec<u8>>>::new();
        for secret in all {
            for form in in_base64(secret.as_bytes()).into_iter().chain([secret.into_bytes()]) {
                if let Some(first) = form.first() {
                    forms.entry(*first).or_default().push(form);
                }
            }
        }
        Self(forms)
    }

    /// How long the longest is, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.0.values().flatten().map(Vec::len).max().unwrap_or_default()
    }

    /// The first `most` bytes without them. One that begins there has to be there to its end: more bytes
    /// than `most` by [`Secrets::longest`].
    pub(super) fn hide(&self, bytes: &[u8], most: usize) -> Vec<u8> {
        let mut shown = Vec::new();
        let mut hidden_to = 0;
        for (at, byte) in bytes.iter().enumerate().take(most) {
            let rest = bytes.get(at..).unwrap_or_default();
            let here = self.0.get(byte).into_iter().flatten();
            if let Some(length) = here.filter(|form| rest.starts_with(form)).map(Vec::len).max() {
                if at >= hidden_to {
                    shown.extend_from_slice(HIDDEN.as_bytes());
                }
                hidden_to = hidden_to.max(at.saturating_add(length));
            }
            if at >= hidden_to {
                shown.push(*byte);
            }
        }
        shown
    }

    /// The same text without them.
    pub(super) fn hide_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.hide(text.as_bytes(), text.len())).into_owned()
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

/// What it looks like in the base64 of a longer text, wherever it begins there; both alphabets.
fn in_base64(secret: &[u8]) -> Vec<Vec<u8>> {
    let form = |engine: &GeneralPurpose, before: usize| {
        let text = engine.encode([&[0].repeat(before), secret].concat());
        // A digit that holds bits of what stands before or after is none of the secret's.
        let digits = |bytes: usize| bytes.saturating_mul(4);
        let from = digits(before).div_ceil(3);
        let to = digits(before.saturating_add(secret.len())).checked_div(3).unwrap_or_default();
        text.get(from..to).unwrap_or_default().as_bytes().to_vec()
    };
    let mut forms = Vec::new();
    // What is shorter could stand anywhere by chance.
    if secret.len() >= SHORTEST {
        for before in 0..3 {
            forms.extend([form(&STANDARD, before), form(&URL_SAFE, before)]);
        }
    }
    forms
}

/// What of these headers a server could be cheated with: the words of their values, but not of those that only say
/// what is wanted.
pub(super) fn of_headers(headers: &HeaderMap) -> Vec<String> {
    let plain = |name: &str| {
        ["accept", "content-", "mcp-"].iter().any(|start| name.starts_with(start))
            || name == "user-agent"
    };
    let values = headers.iter().filter(|(name, _)| !plain(name.as_str()));
    let texts = values.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let schemes = ["Basic", "Bearer", "Digest"];
    let mut words = Vec::new();
    for text in texts {
        for word in text.split([' ', '\t', ';', ',']) {
            let of_pair = word.split_once('=').map(|(_, value)| value);
            words.extend([Some(word), of_pair].into_iter().flatten().map(str::to_owned));
        }
    }
    words.retain(|word| word.len() >= SHORTEST && !schemes.contains(&word.as_str()));
    words
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
        Secrets::new(&policy, &purse, &["sk_seller".to_owned()])
    }

    #[test]
    fn credentials_are_hidden_wherever_they_are() {
        let id = "a".repeat(64);
        let said =
            json!({"headers": [["x-id", id]], "pm_mine": {"of": format!("<{id}> pm_mine_too")}});
        let hidden = secrets().hide_json(said).to_string();
        assert!(!hidden.contains("aaaa") && !hidden.contains("pm_mine"), "{hidden}");
        assert_eq!(hidden.matches(HIDDEN).count(), 4, "{hidden}");
        let bytes = [b"\xff\0pm_mine\xfe".as_slice(), id.as_bytes(), b" ", id.as_bytes()].concat();
        let expected = [b"\xff\0".as_slice(), HIDDEN.as_bytes(), b"\xfe", HIDDEN.as_bytes(), b" "];
        let expected = [&expected.concat(), HIDDEN.as_bytes()].concat();
        assert_eq!(secrets().hide(&bytes, bytes.len()), expected);
        assert_eq!(secrets().hide(b"pm_other", 8), b"pm_other");
        assert_eq!(secrets().longest(), 85);
    }

    /// As in a `payment` header that an API repeats.
    #[test]
    fn credentials_are_hidden_within_base64() {
        for before in ["", "1", "12", "123"] {
            for secret in ["a".repeat(64), "pm_mine_too".to_owned(), "sk_seller".to_owned()] {
                let text = STANDARD.encode(format!("{before}{secret} and more"));
                let hidden = secrets().hide_text(&text);
                let inner = STANDARD.encode(&secret);
                assert!(hidden.contains(HIDDEN) && !hidden.contains(&inner), "{text}: {hidden}");
                let left = hidden.replace(HIDDEN, "").len();
                assert!(left <= text.len() - secret.len(), "{text}: {hidden}");
            }
        }
    }

    /// What is hidden is longer than what stands in its place: no part of the last one may move up.
    #[test]
    fn no_part_of_a_credential_is_left_at_the_end() {
        let secrets = secrets();
        let bytes = "a".repeat(64).into_bytes();
        for most in [1, 63, 64, 65, 130, 500] {
            let all = [b"!".as_slice(), &bytes].concat().repeat(20);
            let read = most + secrets.longest();
            let all = all.get(..read).unwrap();
            let hidden = String::from_utf8(secrets.hide(all, most)).unwrap();
            assert!(!hidden.replace(HIDDEN, "").contains('a'), "{most}: {hidden}");
        }
    }

    #[test]
    fn words_of_headers_are_credentials() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer sk_seller".parse().unwrap());
        headers.insert("cookie", "a=secret_1; b=2".parse().unwrap());
        headers.insert("accept-language", "everything".parse().unwrap());
        assert_eq!(of_headers(&headers), ["sk_seller", "a=secret_1", "secret_1"]);
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
