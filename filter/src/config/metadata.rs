//! A route's metadata as Envoy hands it over: pairs of names and values, without their types.
//!
//! A number is its eight bytes, a truth one byte, a text itself, a list again pairs (tried on Envoy
//! 1.40). So each field is read as what it has to be. A text that stands where a number should be
//! cannot pass for an amount: eight letters make a double that is no whole number below 2^53.

use serde_json::{Map, Number, Value};

use crate::pairs;

/// The fields of the metadata; `None` if the bytes are no pairs, or name a field twice.
pub(super) fn decode(bytes: &[u8]) -> Option<Value> {
    let mut fields = Map::new();
    for (name, value) in whole(bytes)? {
        let name = core::str::from_utf8(name).ok()?;
        // One that is there twice cannot be told from a mistake.
        if fields.insert(name.to_owned(), field(name, value)).is_some() {
            return None;
        }
    }
    Some(Value::Object(fields))
}

/// The pairs, if all that are announced are there.
fn whole(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let announced = u32::from_le_bytes(*bytes.first_chunk::<4>()?);
    let found: Vec<_> = pairs::read(bytes).collect();
    (u32::try_from(found.len()) == Ok(announced)).then_some(found)
}

fn field(name: &str, value: &[u8]) -> Value {
    let read = match name {
        "price" | "min_top_up" | "max_top_up" => number(value),
        "free" => match value {
            [0] => Some(Value::Bool(false)),
            [1] => Some(Value::Bool(true)),
            _ => None,
        },
        "void_on" => list(value),
        _ => text(value),
    };
    // What is there and is not what it has to be is refused, whatever the field is.
    read.unwrap_or_else(|| Value::Array(vec![Value::Array(Vec::new())]))
}

fn number(value: &[u8]) -> Option<Value> {
    let number = f64::from_le_bytes(value.try_into().ok()?);
    Number::from_f64(number).map(Value::Number)
}

fn list(value: &[u8]) -> Option<Value> {
    whole(value)?
        .into_iter()
        .map(|(element, _)| text(element))
        .collect::<Option<_>>()
        .map(Value::Array)
}

fn text(value: &[u8]) -> Option<Value> {
    let text = core::str::from_utf8(value).ok()?;
    (!text.contains(char::is_control)).then(|| Value::String(text.to_owned()))
}
