//! Metadata: a caller's own keys on an object. Source: docs.stripe.com/api/metadata.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::form::{Form, Node};

/// A metadata key's longest length, in characters.
const KEY_LEN: usize = 40;
/// A metadata value's longest length, in characters.
const VALUE_LEN: usize = 500;
const KEYS: usize = 50;

pub(crate) type Metadata = BTreeMap<String, String>;

/// Reads the keys below `metadata` of a new object; a key without a value is none.
pub(crate) fn read(map: Form) -> Result<Metadata, ApiError> {
    let mut values = Metadata::new();
    for (key, node) in map {
        let name = format!("metadata[{key}]");
        let Node::Text(value) = node else {
            let message =
                format!("Metadata values must be strings, but the value under '{key}' is not.");
            return Err(ApiError::parameter(&name, None, message));
        };
        let (key_len, value_len) = (key.chars().count(), value.chars().count());
        if key_len > KEY_LEN {
            let message = format!(
                "Metadata keys may not be longer than {KEY_LEN} characters; the key '{key}' is {key_len}."
            );
            return Err(ApiError::parameter(&name, None, message));
        }
        if value_len > VALUE_LEN {
            let message = format!(
                "Metadata values can have up to {VALUE_LEN} characters, but you passed in a value that is {value_len} characters. Invalid value: {value}"
            );
            return Err(ApiError::parameter(&name, None, message));
        }
        if !value.is_empty() {
            values.insert(key, value);
        }
    }
    if values.len() > KEYS {
        let message =
            format!("Metadata can only have up to {KEYS} keys; you have {}.", values.len());
        return Err(ApiError::parameter("metadata", None, message));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;
    use crate::params::Params;

    fn metadata(text: &str) -> Result<Metadata, ApiError> {
        Params::new(form::parse(text).unwrap()).metadata()
    }

    #[test]
    fn metadata_has_limits() {
        for (key, value, fits) in [(40, 500, true), (41, 1, false), (1, 501, false)] {
            let text = format!("metadata[{}]={}", "k".repeat(key), "v".repeat(value));
            assert_eq!(metadata(&text).is_ok(), fits, "{key} {value}");
        }
        for (keys, fits) in [(50, true), (51, false)] {
            let text: Vec<_> = (0..keys).map(|key| format!("metadata[k{key}]=v")).collect();
            assert_eq!(metadata(&text.join("&")).is_ok(), fits, "{keys}");
        }
        let kept = metadata("metadata[a]=&metadata[c]=3").unwrap();
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["c"]);
    }
}
