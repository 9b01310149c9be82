//! Metadata: a caller's own keys on an object. Source: docs.stripe.com/api/metadata.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::form::{Form, Node};

/// A metadata key's longest length, in characters.
const METADATA_KEY_LEN: usize = 40;
/// A metadata value's longest length, in characters.
const METADATA_VALUE_LEN: usize = 500;
/// The most keys that metadata has.
const METADATA_KEYS: usize = 50;

/// The metadata of an object.
pub(crate) type Metadata = BTreeMap<String, String>;

/// What a call asks to do with an object's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetadataPatch {
    /// `metadata=`: unset every key.
    Clear,
    /// Set each key, or unset it where the value is empty.
    Merge(BTreeMap<String, String>),
}

impl MetadataPatch {
    /// Reads `metadata`'s keys, within Stripe's limits.
    pub(crate) fn read(map: Form) -> Result<Self, ApiError> {
        let mut values = BTreeMap::new();
        for (key, node) in map {
            let name = format!("metadata[{key}]");
            let Node::Text(value) = node else {
                let message =
                    format!("Metadata values must be strings, but the value under '{key}' is not.");
                return Err(ApiError::parameter(&name, None, message));
            };
            if key.chars().count() > METADATA_KEY_LEN {
                let message = format!(
                    "Metadata keys may not be longer than {METADATA_KEY_LEN} characters; the key '{key}' is {}.",
                    key.chars().count()
                );
                return Err(ApiError::parameter(&name, None, message));
            }
            if value.chars().count() > METADATA_VALUE_LEN {
                let message = format!(
                    "Metadata values can have up to {METADATA_VALUE_LEN} characters, but you passed in a value that is {} characters. Invalid value: {value}",
                    value.chars().count()
                );
                return Err(ApiError::parameter(&name, None, message));
            }
            values.insert(key, value);
        }
        if values.len() > METADATA_KEYS {
            let message = format!(
                "Metadata can only have up to {METADATA_KEYS} keys; you have {}.",
                values.len()
            );
            return Err(ApiError::parameter("metadata", None, message));
        }
        Ok(Self::Merge(values))
    }

    /// Applies the patch, within the limit on the number of keys.
    pub(crate) fn apply(self, to: &mut Metadata) -> Result<(), ApiError> {
        match self {
            Self::Clear => to.clear(),
            Self::Merge(values) => {
                for (key, value) in values {
                    if value.is_empty() {
                        to.remove(&key);
                    } else {
                        to.insert(key, value);
                    }
                }
            }
        }
        if to.len() > METADATA_KEYS {
            let message = format!(
                "Metadata can only have up to {METADATA_KEYS} keys; you have {}.",
                to.len()
            );
            return Err(ApiError::parameter("metadata", None, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;
    use crate::params::Params;

    fn params(text: &str) -> Params {
        Params::new(form::parse(text).unwrap())
    }

    #[test]
    fn metadata_has_limits() {
        for (key, value, fits) in [(40, 500, true), (41, 1, false), (1, 501, false)] {
            let text = format!("metadata[{}]={}", "k".repeat(key), "v".repeat(value));
            assert_eq!(params(&text).metadata().is_ok(), fits, "{key} {value}");
        }
        for (keys, fits) in [(50, true), (51, false)] {
            let text: Vec<_> = (0..keys).map(|key| format!("metadata[k{key}]=v")).collect();
            assert_eq!(params(&text.join("&")).metadata().is_ok(), fits, "{keys}");
        }
        let mut kept =
            Metadata::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        params("metadata[a]=&metadata[c]=3").metadata().unwrap().unwrap().apply(&mut kept).unwrap();
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["b", "c"]);
    }
}
