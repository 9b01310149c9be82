//! Form bodies and query strings with nested keys, as Stripe takes them: `a[b][c]=v`, `a[]=v`, `a[0]=v`.
//!
//! Source: docs.stripe.com/api ("form-encoded request bodies"). Anything ambiguous is refused.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;

/// Deeper nesting than any parameter of the API has.
const MAX_DEPTH: usize = 8;

/// The parameters of one call, by their outermost key.
pub(crate) type Form = BTreeMap<String, Node>;

/// One parameter: a text, or keys below it. A list is a map whose keys are its indices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Node {
    /// `a=v`
    Text(String),
    /// `a[b]=v`
    Map(Form),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("Invalid percent-encoding or UTF-8 in request parameters")]
    Encoding,
    #[error("Invalid parameter name: {0}")]
    Key(String),
    #[error("Parameter given twice, or both as a value and as an object: {0}")]
    Conflict(String),
}

/// Reads a form body or a query string.
pub(crate) fn parse(text: &str) -> Result<Form, FormError> {
    let mut form = Form::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name)?;
        let path = key_path(&name).ok_or_else(|| FormError::Key(name.clone()))?;
        insert(&mut form, &path, decode(value)?)
            .ok_or_else(|| FormError::Conflict(name.clone()))?;
    }
    Ok(form)
}

/// Splits `a[b][]` into `["a", "b", ""]`.
fn key_path(name: &str) -> Option<Vec<&str>> {
    let (head, mut rest) = match name.find('[') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    if head.is_empty() || head.contains(']') {
        return None;
    }
    let mut path = vec![head];
    while !rest.is_empty() {
        let (segment, after) = rest.strip_prefix('[')?.split_once(']')?;
        if segment.contains('[') || path.len() >= MAX_DEPTH {
            return None;
        }
        path.push(segment);
        rest = after;
    }
    Some(path)
}

/// Puts `value` where `path` points; `None` where something is there already.
fn insert(map: &mut Form, path: &[&str], value: String) -> Option<()> {
    let (head, rest) = path.split_first()?;
    // `[]` is the next index.
    let key = if head.is_empty() { map.len().to_string() } else { (*head).to_owned() };
    if rest.is_empty() {
        return match map.entry(key) {
            Entry::Vacant(slot) => {
                slot.insert(Node::Text(value));
                Some(())
            }
            Entry::Occupied(_) => None,
        };
    }
    match map.entry(key).or_insert_with(|| Node::Map(Form::new())) {
        Node::Map(inner) => insert(inner, rest, value),
        Node::Text(_) => None,
    }
}

/// Percent-decoding, with `+` as a space.
fn decode(text: &str) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = bytes.next().and_then(hex_digit).ok_or(FormError::Encoding)?;
                let low = bytes.next().and_then(hex_digit).ok_or(FormError::Encoding)?;
                (high << 4) | low
            }
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| FormError::Encoding)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_keys_become_nested_objects() {
        for (text, expected) in [
            ("", json!({})),
            ("a=1&b=", json!({"a": "1", "b": ""})),
            ("a%5Bb%5D%5Bc%5D=x+y%21", json!({"a": {"b": {"c": "x y!"}}})),
            ("a[]=1&a[]=2", json!({"a": {"0": "1", "1": "2"}})),
            ("a[0]=1&a[1]=2", json!({"a": {"0": "1", "1": "2"}})),
            ("a[0][b]=1&a[1][b]=2", json!({"a": {"0": {"b": "1"}, "1": {"b": "2"}}})),
            ("n=%C3%A9&m", json!({"n": "é", "m": ""})),
        ] {
            assert_eq!(serde_json::to_value(parse(text).unwrap()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn ambiguous_and_broken_forms_are_refused() {
        for text in
            ["a=%4", "a=%zz", "a=%ff", "[a]=1", "a]=1", "a[b=1", "a[b]c=1", "a[[b]]=1", "=1"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["a=1&a=2", "a=1&a[b]=2", "a[b]=1&a=2", "a[0]=1&a[0]=2"] {
            assert!(matches!(parse(text), Err(FormError::Conflict(_))), "{text}");
        }
        assert!(parse("a[1][2][3][4][5][6][7][8]=x").is_err());
    }
}
