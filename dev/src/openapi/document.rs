//! An OpenAPI document as a value: read from JSON or YAML, and written again.

use serde_norway::Value;

/// A document, and in which form it was written.
pub(super) struct Document {
    /// All of it.
    pub(super) value: Value,
    is_json: bool,
}

impl Document {
    /// Reads JSON, or YAML with its merge keys carried out. A byte order mark at the start is no part of it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        // Not all JSON is YAML: tabs and escaped surrogates are not.
        let json =
            if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { None };
        let is_json = json.is_some();
        let value = json.map_or_else(|| yaml(text).map_err(|error| error.to_string()), Ok)?;
        // A document of OpenAPI 3.1 may have webhooks or components alone.
        if !["paths", "webhooks", "components"].iter().any(|field| value.get(field).is_some()) {
            return Err("it has no paths".to_owned());
        }
        Ok(Self { value, is_json })
    }

    /// Writes it as it was written, or as JSON.
    ///
    /// # Errors
    /// What cannot be written, in words.
    pub(super) fn write(&self, json: bool) -> Result<String, String> {
        if json || self.is_json {
            let text = serde_json::to_string_pretty(&self.value);
            return text.map(|text| text + "\n").map_err(|error| error.to_string());
        }
        serde_norway::to_string(&self.value).map_err(|error| error.to_string())
    }
}

fn yaml(text: &str) -> Result<Value, serde_norway::Error> {
    let mut value: Value = serde_norway::from_str(text)?;
    value.apply_merge()?;
    Ok(value)
}
