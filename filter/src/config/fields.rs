//! Reading the configuration field by field, so that every complaint names its field.
//!
//! Not by derived deserialisers: with the paths they would take a sixth of the module's size.

use std::time::Duration;

use serde_json::{Map, Number, Value};
use stripe402_protocol::Currency;

use super::ConfigError;

pub(super) type Checked<T> = Result<T, ConfigError>;

/// A complaint about a field.
pub(super) fn wrong<T>(path: impl Into<String>, problem: impl Into<String>) -> Checked<T> {
    Err(ConfigError { path: path.into(), problem: problem.into() })
}

/// A value that can be read from JSON.
pub(super) trait Read: Sized {
    /// What would be right, after "must be".
    const EXPECTED: &'static str;

    fn read(value: &Value) -> Option<Self>;
}

/// The fields of one object.
pub(super) struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    /// The object at a path; the root's path is empty. A field that is not among the known ones
    /// is refused before any is missed: it may be one of them, misspelt.
    pub(super) fn of(path: String, value: Value, known: &[&str]) -> Checked<Self> {
        let fields = match value {
            Value::Object(left) => Self { path, left },
            _ if path.is_empty() => return wrong("configuration", "must be an object"),
            _ => return wrong(path, "must be an object"),
        };
        match fields.left.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(fields),
            Some(unknown) => wrong(
                fields.path(unknown),
                format!("unknown field; known fields: {}", known.join(", ")),
            ),
        }
    }

    /// The path of the object itself.
    pub(super) fn here(&self) -> String {
        self.path.clone()
    }

    /// A field's path.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn optional<T: Read>(&mut self, name: &str) -> Checked<Option<T>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match T::read(&value) {
            Some(read) => Ok(Some(read)),
            None => wrong(self.path(name), format!("must be {}", T::EXPECTED)),
        }
    }

    pub(super) fn required<T: Read>(&mut self, name: &str) -> Checked<T> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None => wrong(self.path(name), format!("is missing; it must be {}", T::EXPECTED)),
        }
    }

    /// The object in a field; an absent one is empty.
    pub(super) fn object(&mut self, name: &str, known: &[&str]) -> Checked<Self> {
        let value = self.take(name).unwrap_or_else(|| Value::Object(Map::new()));
        Self::of(self.path(name), value, known)
    }

    /// A field as it is written, with its path.
    pub(super) fn value(&mut self, name: &str) -> Option<(String, Value)> {
        self.take(name).map(|value| (self.path(name), value))
    }

    /// The elements of a list, each with its path; `None` if the field is absent.
    pub(super) fn list(&mut self, name: &str) -> Checked<Option<Vec<(String, Value)>>> {
        let path = self.path(name);
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(elements)) => {
                let numbered = elements.into_iter().enumerate();
                Ok(Some(numbered.map(|(at, value)| (format!("{path}[{at}]"), value)).collect()))
            }
            Some(_) => wrong(path, "must be a list"),
        }
    }

    /// A list of plain values.
    pub(super) fn values<T: Read>(&mut self, name: &str) -> Checked<Option<Vec<T>>> {
        let Some(elements) = self.list(name)? else { return Ok(None) };
        let read = |(path, value): (String, Value)| match T::read(&value) {
            Some(read) => Ok(read),
            None => wrong(path, format!("must be {}", T::EXPECTED)),
        };
        elements.into_iter().map(read).collect::<Checked<_>>().map(Some)
    }
}

/// What is in an object under names that the operator chooses: each name, its path and its value.
pub(super) fn entries(path: &str, value: Value) -> Checked<Vec<(Box<str>, String, Value)>> {
    let Value::Object(entries) = value else { return wrong(path, "must be an object") };
    let entry = |(name, value): (String, Value)| {
        let below = format!("{path}.{name}");
        (name.into(), below, value)
    };
    Ok(entries.into_iter().map(entry).collect())
}

impl Read for String {
    const EXPECTED: &'static str = "text";

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(ToOwned::to_owned)
    }
}

impl Read for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Read for i64 {
    const EXPECTED: &'static str = "a whole number";

    /// Envoy turns a `Struct` into JSON, and every number of a `Struct` is a double: a whole
    /// number may arrive as `1e+15`.
    fn read(value: &Value) -> Option<Self> {
        value.as_i64().or_else(|| whole(value.as_number()?))
    }
}

/// One that was written with a point or an exponent, and is whole.
fn whole(number: &Number) -> Option<i64> {
    let whole: i64 = number.to_string().strip_suffix(".0")?.parse().ok()?;
    (whole.unsigned_abs() < 1 << 53).then_some(whole)
}

impl Read for usize {
    const EXPECTED: &'static str = "a whole number above 0";

    fn read(value: &Value) -> Option<Self> {
        i64::read(value).filter(|number| *number > 0).and_then(|number| Self::try_from(number).ok())
    }
}

impl Read for Currency {
    const EXPECTED: &'static str =
        "the lowercase code of a currency that Stripe charges in, such as usd";

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }
}

impl Read for Duration {
    const EXPECTED: &'static str = "a duration from 1ms to 60m, such as 500ms, 1s or 2m";

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return None,
        };
        let millis = number.parse::<u64>().ok()?.checked_mul(factor)?;
        (1..=3_600_000).contains(&millis).then(|| Self::from_millis(millis))
    }
}
