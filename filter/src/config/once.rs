//! Each field of a configuration is there once. Readers of JSON and of protobuf keep the last of two
//! without a word: a price would not be the one that the operator looks at.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::ConfigError;

/// The first field that is there twice.
#[derive(Debug, Default)]
pub(super) struct Once(RefCell<Option<String>>);

impl Once {
    /// Its path.
    pub(super) fn broken(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// # Errors
    /// [`ConfigError`] if a field was there twice.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.broken() {
            None => Ok(()),
            Some(path) => {
                Err(ConfigError { path, problem: "appears twice; remove one of them".to_owned() })
            }
        }
    }

    /// The path of a field of the object at `path`.
    pub(super) fn field(&self, path: &str, name: &str) -> String {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    }

    /// The path of an element of the list at `path`.
    pub(super) fn element(&self, path: &str, at: usize) -> String {
        format!("{path}[{at}]")
    }
}

/// Puts a field into its object; if it is there already, that is remembered.
pub(super) fn put(
    map: &mut Map<String, Value>,
    name: String,
    value: Value,
    path: String,
    once: &Once,
) {
    if map.insert(name, value).is_some() {
        once.0.borrow_mut().get_or_insert(path);
    }
}

/// A value of JSON at this path.
pub(super) struct At<'o>(pub(super) String, pub(super) &'o Once);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let Self(path, once) = self;
        let mut elements = Vec::new();
        while let Some(element) =
            list.next_element_seed(At(once.element(&path, elements.len()), once))?
        {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let Self(path, once) = self;
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let below = once.field(&path, &name);
            let value = fields.next_value_seed(At(below.clone(), once))?;
            put(&mut map, name, value, below, once);
        }
        Ok(Value::Object(map))
    }
}
