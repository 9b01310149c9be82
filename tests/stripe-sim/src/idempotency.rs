//! Idempotency keys. Source: docs.stripe.com/api/idempotent_requests, docs.stripe.com/error-low-level#idempotency.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::ids;
use crate::table::{Row, Table};

/// How long an answer is replayed, in milliseconds.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// The longest key, in characters.
const MAX_KEY_LEN: usize = 255;

/// The first answer to a call with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Completed {
    /// Older journals call it `slot`.
    #[serde(alias = "slot")]
    pub(crate) key: String,
    pub(crate) path: String,
    /// A digest of the parameters, byte by byte: stricter than Stripe, so that a client whose retries
    /// differ in their order is seen.
    pub(crate) params: String,
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) at_ms: i64,
    /// `req_…` of the first call.
    pub(crate) request: String,
}

impl Row for Completed {
    fn id(&self) -> &str {
        &self.key
    }
}

/// A call with an idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct Keyed {
    pub(crate) key: String,
    pub(crate) path: String,
    pub(crate) params: String,
}

impl Keyed {
    pub(crate) fn new(key: &str, path: &str, sent: &str) -> Result<Self, ApiError> {
        if key.is_empty() || key.chars().count() > MAX_KEY_LEN {
            let message = format!("Idempotency keys must be 1 to {MAX_KEY_LEN} characters long.");
            return Err(ApiError::malformed(message));
        }
        Ok(Self { key: key.to_owned(), path: path.to_owned(), params: ids::digest(sent) })
    }

    /// The answer to replay, if the key was used within a day; a refusal if it was for something else.
    pub(crate) fn replay(
        &self,
        completed: &Table<Completed>,
        now_ms: i64,
    ) -> Result<Option<Completed>, ApiError> {
        let first =
            completed.get(&self.key).filter(|first| now_ms.saturating_sub(first.at_ms) < KEPT_MS);
        let Some(first) = first else { return Ok(None) };
        let key = &self.key;
        if first.path != self.path {
            return Err(ApiError::key_reused(format!(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for ('{}' vs '{}'). Try using a key other than '{key}' if you meant to execute a different request.",
                self.path, first.path
            )));
        }
        if first.params != self.params {
            return Err(ApiError::key_reused(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            )));
        }
        Ok(Some(first.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(path: &str, params: &str) -> Keyed {
        Keyed::new("k", path, params).unwrap()
    }

    #[test]
    fn the_same_call_is_replayed_for_a_day_and_another_is_refused() {
        let first = keyed("/v1/a", "x=1&y=2");
        let mut table = Table::default();
        table.put(Completed {
            key: first.key.clone(),
            path: first.path.clone(),
            params: first.params.clone(),
            status: 200,
            body: "{}".to_owned(),
            at_ms: 1000,
            request: "req_1".to_owned(),
        });
        assert!(keyed("/v1/a", "x=1&y=2").replay(&table, 1000).unwrap().is_some());
        for (path, params) in
            [("/v1/b", "x=1&y=2"), ("/v1/a", "x=1&y=3"), ("/v1/a", "x=1"), ("/v1/a", "y=2&x=1")]
        {
            assert!(keyed(path, params).replay(&table, 1000).is_err(), "{path} {params}");
        }
        assert!(keyed("/v1/a", "x=1&y=2").replay(&table, 999 + KEPT_MS).unwrap().is_some());
        assert!(keyed("/v1/b", "").replay(&table, 1000 + KEPT_MS).unwrap().is_none());
        assert!(Keyed::new("", "/", "").is_err());
        assert!(Keyed::new(&"k".repeat(256), "/", "").is_err());
    }
}
