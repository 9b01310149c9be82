//! A route's metadata as Envoy hands it over: pairs of names and values, without their types.
//!
//! A number is its eight bytes, a truth one byte, a text itself, a list again pairs (tried on Envoy
//! 1.40). An object inside of the metadata is pairs, too (Envoy, `serializeValue`). So each field is
//! read as what it has to be. A text that stands where a number should be cannot pass for an amount:
//! eight letters make a double that is no whole number below 2^53.

use serde_json::{Map, Number, Value};

use crate::{pairs, usage::whole_double};

/// What a field has to be.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Number,
    Truth,
    List(&'static Self),
    /// An object whose fields have these shapes; what is not among them is text, and refused later.
    Fields(&'static [(&'static str, Self)]),
    /// An object with names of the operator's choice.
    Names(&'static Self),
    /// A number, or an object with these fields. (No object has eight bytes.)
    Price(&'static [(&'static str, Self)]),
}

const ROUTE: &[(&str, Shape)] = &[
    ("price", Shape::Price(PRICE)),
    ("min_top_up", Shape::Number),
    ("max_top_up", Shape::Number),
    ("free", Shape::Truth),
    ("leases", Shape::Truth),
    ("void_on", Shape::List(&Shape::Text)),
];
const PRICE: &[(&str, Shape)] = &[
    ("most", Shape::Number),
    ("least", Shape::Number),
    ("usage", Shape::List(&Shape::Fields(SOURCE))),
    ("by", Shape::Fields(BY)),
    ("extend", Shape::Fields(&[("by", Shape::Number)])),
];
const SOURCE: &[(&str, Shape)] = &[
    ("json", Shape::Names(&Shape::Text)),
    ("sse", Shape::Names(&Shape::Text)),
    ("metadata", Shape::Names(&Shape::Text)),
    ("per_1000", Shape::Names(&Shape::Number)),
    ("bytes", Shape::Fields(&[("per_mib", Shape::Number)])),
    ("seconds", Shape::Fields(&[("each", Shape::Number)])),
];
const BY: &[(&str, Shape)] =
    &[("answer", Shape::Truth), ("table", Shape::Names(&Shape::Names(&Shape::Number)))];

/// The fields of the metadata; `None` if the bytes are no pairs, or name a field twice.
pub(super) fn decode(bytes: &[u8]) -> Option<Value> {
    read(Shape::Fields(ROUTE), bytes)
}

/// The pairs, if all that are announced are there.
fn whole(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let announced = u32::from_le_bytes(*bytes.first_chunk::<4>()?);
    let found: Vec<_> = pairs::read(bytes).collect();
    (u32::try_from(found.len()) == Ok(announced)).then_some(found)
}

fn read(shape: Shape, bytes: &[u8]) -> Option<Value> {
    match shape {
        Shape::Text => text(bytes),
        Shape::Number => number(bytes),
        Shape::Truth => match bytes {
            [0] => Some(Value::Bool(false)),
            [1] => Some(Value::Bool(true)),
            _ => None,
        },
        Shape::List(of) => {
            let elements = whole(bytes)?.into_iter().map(|(element, _)| field(*of, element));
            Some(Value::Array(elements.collect()))
        }
        Shape::Names(of) => object(bytes, |_| *of),
        Shape::Fields(fields) => object(bytes, |name| {
            let known = fields.iter().find(|(known, _)| *known == name);
            known.map_or(Shape::Text, |(_, shape)| *shape)
        }),
        Shape::Price(_) if bytes.len() == size_of::<u64>() => number(bytes),
        Shape::Price(fields) => read(Shape::Fields(fields), bytes),
    }
}

fn object(bytes: &[u8], shape: impl Fn(&str) -> Shape) -> Option<Value> {
    let mut fields = Map::new();
    for (name, value) in whole(bytes)? {
        let name = core::str::from_utf8(name).ok()?;
        // One that is there twice cannot be told from a mistake.
        if fields.insert(name.to_owned(), field(shape(name), value)).is_some() {
            return None;
        }
    }
    Some(Value::Object(fields))
}

/// What is there and is not what it has to be is refused, whatever the field is.
fn field(shape: Shape, bytes: &[u8]) -> Value {
    read(shape, bytes).unwrap_or_else(|| Value::Array(vec![Value::Array(Vec::new())]))
}

fn number(value: &[u8]) -> Option<Value> {
    let bits = u64::from_le_bytes(value.try_into().ok()?);
    whole_double(bits).ok().map(|number| Value::Number(Number::from(number)))
}

fn text(value: &[u8]) -> Option<Value> {
    let text = core::str::from_utf8(value).ok()?;
    (!text.contains(char::is_control)).then(|| Value::String(text.to_owned()))
}
