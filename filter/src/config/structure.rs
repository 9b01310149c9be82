//! `google.protobuf.Struct`, as Envoy hands it to a plugin: serialised, not as JSON.
//!
//! With it, prices stand in Envoy's own YAML. Source: protobuf, `google/protobuf/struct.proto`
//! and "Encoding" (protobuf.dev/programming-guides/encoding).

use serde_json::{Map, Number, Value};

use super::once::{Once, put};

/// Nested deeper than any configuration.
const DEEPEST: u8 = 16;

/// The value of a serialised `Struct`, or `None` if the bytes are none. A key that is there twice
/// is told to `once`: protobuf's own readers would keep the last without a word.
pub(super) fn decode(bytes: &[u8], once: &Once) -> Option<Value> {
    structure(bytes, 0, "", once).map(Value::Object)
}

/// `Struct { map<string, Value> fields = 1; }`; a map's entry is `{ key = 1; value = 2; }`.
fn structure(bytes: &[u8], depth: u8, path: &str, once: &Once) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    let mut reader = Reader(bytes);
    while let Some(field) = reader.field()? {
        let Field::Bytes(1, entry) = field else { return None };
        let (mut key, mut content) = ("", &[][..]);
        let mut reader = Reader(entry);
        while let Some(field) = reader.field()? {
            match field {
                Field::Bytes(1, text) => key = core::str::from_utf8(text).ok()?,
                Field::Bytes(2, bytes) => content = bytes,
                _ => return None,
            }
        }
        let below = once.field(path, key);
        let content = value(content, depth, &below, once)?;
        put(&mut map, key.to_owned(), content, below, once);
    }
    Some(map)
}

/// `Value { oneof { null = 1; double = 2; string = 3; bool = 4; Struct = 5; ListValue = 6; } }`
fn value(bytes: &[u8], depth: u8, path: &str, once: &Once) -> Option<Value> {
    let depth = depth.checked_add(1).filter(|depth| *depth <= DEEPEST)?;
    let mut found = Value::Null;
    let mut reader = Reader(bytes);
    while let Some(field) = reader.field()? {
        found = match field {
            Field::Number(1, _) => Value::Null,
            Field::Double(2, number) => Value::Number(Number::from_f64(number)?),
            Field::Bytes(3, text) => Value::String(core::str::from_utf8(text).ok()?.to_owned()),
            Field::Number(4, truth) => Value::Bool(truth != 0),
            Field::Bytes(5, bytes) => Value::Object(structure(bytes, depth, path, once)?),
            Field::Bytes(6, bytes) => Value::Array(list(bytes, depth, path, once)?),
            _ => return None,
        };
    }
    Some(found)
}

/// `ListValue { repeated Value values = 1; }`
fn list(bytes: &[u8], depth: u8, path: &str, once: &Once) -> Option<Vec<Value>> {
    let mut elements = Vec::new();
    let mut reader = Reader(bytes);
    while let Some(field) = reader.field()? {
        let Field::Bytes(1, bytes) = field else { return None };
        let below = once.element(path, elements.len());
        elements.push(value(bytes, depth, &below, once)?);
    }
    Some(elements)
}

/// A field's number and content, by wire type: varint, 64 bits, bytes.
enum Field<'b> {
    Number(u64, u64),
    Double(u64, f64),
    Bytes(u64, &'b [u8]),
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// The next field, `Some(None)` at the end, `None` if there is something else.
    fn field(&mut self) -> Option<Option<Field<'b>>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        Some(Some(match tag & 7 {
            0 => Field::Number(number, self.varint()?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Field::Double(number, f64::from_le_bytes(*bytes))
            }
            2 => {
                let size = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(size)?;
                self.0 = rest;
                Field::Bytes(number, bytes)
            }
            _ => return None,
        }))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64_u32).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Made with protobuf's own library for Python.
    const GOLDEN: &str = "0a250a016112202a1e0a080a026f6b120220010a120a0570726963651209110000000000\
        407f400a270a016c122232200a041a02c3bc0a0208000a091100003426f56b0c430a0911000000000000f8bf";

    fn read(bytes: &[u8]) -> Option<Value> {
        decode(bytes, &Once::default())
    }

    #[test]
    fn a_key_that_is_there_twice_is_named() {
        // { "l": [null, { "a": true, "a": true }] }, fields as protobuf writes them.
        let entry =
            |key: &str, value: &[u8]| field(1, &[field(1, key.as_bytes()), field(2, value)]);
        let truth = [0x20, 1];
        let inner = [entry("a", &truth), entry("a", &truth)].concat();
        let list = [field(1, &[vec![0x08, 0]]), field(1, &[field(5, &inner)])].concat();
        let twice = Once::default();
        assert!(decode(&entry("l", &field(6, &list)), &twice).is_some());
        assert_eq!(twice.broken().as_deref(), Some("l[1].a"));
        let never = Once::default();
        assert!(decode(&golden(), &never).is_some() && never.broken().is_none());
    }

    /// A field of bytes.
    fn field(number: u8, content: &(impl AsBytes + ?Sized)) -> Vec<u8> {
        let content = content.bytes();
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()][..], &content].concat()
    }

    trait AsBytes {
        fn bytes(&self) -> Vec<u8>;
    }

    impl AsBytes for [u8] {
        fn bytes(&self) -> Vec<u8> {
            self.to_vec()
        }
    }

    impl AsBytes for Vec<u8> {
        fn bytes(&self) -> Vec<u8> {
            self.clone()
        }
    }

    impl<const N: usize> AsBytes for [Vec<u8>; N] {
        fn bytes(&self) -> Vec<u8> {
            self.concat()
        }
    }

    fn golden() -> Vec<u8> {
        let digits = GOLDEN.as_bytes().as_chunks::<2>().0;
        let byte = |pair: &[u8; 2]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16);
        digits.iter().map(|pair| byte(pair).unwrap()).collect()
    }

    #[test]
    fn every_kind_of_value() {
        let expected = json!({"a": {"ok": true, "price": 500.0}, "l": ["ü", null, 1e15, -1.5]});
        assert_eq!(read(&golden()), Some(expected));
        assert_eq!(read(b""), Some(json!({})));
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_refused() {
        let golden = golden();
        let whole = [0, 39, golden.len()];
        for end in 0..=golden.len() {
            assert_eq!(read(&golden[..end]).is_some(), whole.contains(&end), "{end}");
        }
        let mut deep = vec![];
        for _ in 0..20 {
            let inner = [
                &[0x12, u8::try_from(deep.len()).unwrap() + 2, 0x2a][..],
                &[u8::try_from(deep.len()).unwrap()],
                &deep,
            ]
            .concat();
            deep = [&[0x0a, u8::try_from(inner.len()).unwrap()][..], &inner].concat();
        }
        for wrong in [&b"{}"[..], b"\x0a\xff", b"\x0a\x02\x12\x00\x13", b"\xff\xff", &deep] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
