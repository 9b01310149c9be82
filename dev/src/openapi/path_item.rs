//! Path items that stand elsewhere in the document.

use serde_norway::{Mapping, Value};

/// References that lead to references, at the most.
const MOST_STEPS: usize = 16;

/// The item with what its `$ref` names in its place: what stands in two paths has two prices. `None` if it has
/// no `$ref`.
///
/// # Errors
/// What cannot be found, in words.
pub(super) fn resolved(document: &Value, item: &Value) -> Result<Option<Value>, String> {
    if item.get("$ref").is_none() {
        return Ok(None);
    }
    let mut fields = item.as_mapping().cloned().unwrap_or_default();
    for _ in 0..MOST_STEPS {
        let Some(reference) = fields.remove("$ref") else {
            return Ok(Some(Value::Mapping(fields)));
        };
        let reference = reference.as_str().unwrap_or_default();
        let target = reference.strip_prefix('#').ok_or_else(|| {
            format!("its $ref {reference} is in another file: put both into one document first")
        })?;
        let target = at(document, target).and_then(Value::as_mapping);
        let target = target.ok_or_else(|| format!("its $ref {reference} leads nowhere"))?;
        fields = over(target, fields);
    }
    Err("its $ref leads in a circle".to_owned())
}

/// What stands beside a `$ref` holds before what it names.
fn over(target: &Mapping, own: Mapping) -> Mapping {
    let mut all = target.clone();
    all.extend(own);
    all
}

/// A JSON pointer in a URL's fragment (RFC 6901, section 6).
fn at<'d>(document: &'d Value, pointer: &str) -> Option<&'d Value> {
    let mut at = document;
    for token in pointer.strip_prefix('/')?.split('/') {
        let token = percent_decoded(token)?.replace("~1", "/").replace("~0", "~");
        at = at.get(token.as_str())?;
    }
    Some(at)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_followed_to_its_end() {
        let document: Value = serde_norway::from_str(
            "
paths:
  /users/{id}: { get: { summary: One }, post: {} }
  /short: { $ref: '#/paths/~1users~1%7Bid%7D', get: { summary: Own } }
  /far: { $ref: '#/paths/~1short' }
  /a: { $ref: '#/paths/~1b' }
  /b: { $ref: '#/paths/~1a' }
  /c: { $ref: 'c.yaml' }
  /d: { $ref: '#/nowhere' }
",
        )
        .unwrap();
        let of = |path: &str| resolved(&document, document["paths"].get(path).unwrap());
        assert_eq!(of("/users/{id}"), Ok(None));
        for path in ["/short", "/far"] {
            let item = of(path).unwrap().unwrap();
            assert_eq!(item["get"]["summary"], "Own", "{path}");
            assert!(item.get("post").is_some() && item.get("$ref").is_none(), "{path}");
        }
        for (path, wrong) in [("/a", "circle"), ("/c", "another file"), ("/d", "nowhere")] {
            let error = of(path).unwrap_err();
            assert!(error.contains(wrong), "{path}: {error}");
        }
    }
}
