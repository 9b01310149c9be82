//! The log of calls that tests read.

use serde::Serialize;
use serde_json::Value;

use crate::form::{Form, Node};

/// The most calls that are remembered.
const MAX_CALLS: usize = 20_000;

/// One call to `/v1`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The parameters, without card numbers and security codes.
    pub(crate) params: Value,
    pub(crate) idempotency_key: Option<String>,
    /// The answer's status; null where the connection was closed instead.
    pub(crate) status: Option<u16>,
    pub(crate) replayed: bool,
}

/// The calls, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: Vec<Call>,
}

impl Calls {
    pub(crate) fn push(&mut self, call: Call) {
        if self.calls.len() < MAX_CALLS {
            self.calls.push(call);
        }
    }

    /// The calls to paths that begin so.
    pub(crate) fn under(&self, prefix: &str) -> Vec<Call> {
        self.calls.iter().filter(|call| call.path.starts_with(prefix)).cloned().collect()
    }
}

/// Parameters as they may be kept: without card numbers and security codes.
pub(crate) fn redact(form: &Form) -> Value {
    form.iter()
        .map(|(key, node)| {
            let value = match (key.as_str(), node) {
                ("number" | "cvc", _) => Value::String("[redacted]".to_owned()),
                (_, Node::Text(text)) => Value::String(text.clone()),
                (_, Node::Map(map)) => redact(map),
            };
            (key.clone(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn card_data_is_not_kept() {
        let form = crate::form::parse(
            "type=card&card[number]=4242424242424242&card[cvc]=123&card[exp_month]=1",
        )
        .unwrap();
        assert_eq!(
            redact(&form),
            json!({"type": "card", "card": {"number": "[redacted]", "cvc": "[redacted]", "exp_month": "1"}})
        );
    }
}
