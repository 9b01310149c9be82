//! By which names a request is found again in the ledger's logs and traces.
//!
//! A client writes both names. Only a valid one goes to the ledger: a batch is one HTTP request,
//! and a header that the ledger's listener refuses would fail every deduction in it.

/// The longest request id that is handed on, in bytes. Envoy's own has 36.
const LONGEST_ID: usize = 128;

/// By which names a request is found again. They are looked at where the ledger is asked only: most
/// requests pass without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace<'h> {
    request_id: Option<&'h [u8]>,
    parent: Option<&'h [u8]>,
}

impl<'h> Trace<'h> {
    /// The names that were kept of a request's head.
    #[must_use]
    pub fn kept(request_id: Option<&'h str>, parent: Option<&'h str>) -> Self {
        Self { request_id: request_id.map(str::as_bytes), parent: parent.map(str::as_bytes) }
    }

    pub(super) const fn hear_id(&mut self, value: &'h [u8]) {
        self.request_id = Some(value);
    }

    pub(super) const fn hear_parent(&mut self, value: &'h [u8]) {
        self.parent = Some(value);
    }

    /// `x-request-id`: 1 to 128 visible ASCII characters; else absent.
    #[must_use]
    pub fn request_id(&self) -> Option<&'h str> {
        self.request_id.and_then(request_id)
    }

    /// `traceparent`, if it is valid (W3C Trace Context, section 3.2); else absent.
    #[must_use]
    pub fn parent(&self) -> Option<&'h str> {
        self.parent.and_then(parent)
    }
}

/// The request id, if it is one.
fn request_id(value: &[u8]) -> Option<&str> {
    let fits = (1..=LONGEST_ID).contains(&value.len());
    let visible = fits && value.iter().all(u8::is_ascii_graphic);
    if visible { core::str::from_utf8(value).ok() } else { None }
}

/// The parent, if it is one: version, trace id, parent id and flags in lowercase hex. Version `ff`
/// and ids of zeros are invalid. A later version may go on after the flags; the ledger would read
/// no more of it, so that it is left out, too.
fn parent(value: &[u8]) -> Option<&str> {
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = |part: &[u8]| hex(part) && part.iter().any(|byte| *byte != b'0');
    let (version, rest) = value.split_at_checked(2)?;
    let (trace, rest) = rest.strip_prefix(b"-")?.split_at_checked(32)?;
    let (span, rest) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
    let flags = rest.strip_prefix(b"-").filter(|flags| flags.len() == 2)?;
    let valid = hex(version) && version != b"ff" && id(trace) && id(span) && hex(flags);
    if valid { core::str::from_utf8(value).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_parent_is_handed_on() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(parent(good.as_bytes()), Some(good));
        assert_eq!(parent(good.replacen("00-", "cc-", 1).as_bytes()).map(str::len), Some(55));
        let (zeros, short) = ("0".repeat(32), "0".repeat(16));
        for wrong in [
            String::new(),
            "a".repeat(40_000),
            good.to_uppercase(),
            good.replacen("00-", "ff-", 1),
            good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
            good.replace("00f067aa0ba902b7", &short),
            good.replacen('-', "_", 1),
            format!("{good}-x"),
            format!("{good}{}", "0".repeat(40_000)),
            good[..54].to_owned(),
            good.replace("-01", "-0g"),
        ] {
            assert_eq!(parent(wrong.as_bytes()), None, "{wrong:.80}");
        }
    }

    #[test]
    fn only_a_short_and_visible_request_id_is_handed_on() {
        for (id, expected) in [
            ("x".repeat(128), true),
            ("2fb3e323-a7a6-44d3-add9-b56c058dd98c".to_owned(), true),
            ("x".repeat(129), false),
            (String::new(), false),
            ("a b".to_owned(), false),
            ("a\tb".to_owned(), false),
            ("\u{fc}".to_owned(), false),
        ] {
            assert_eq!(request_id(id.as_bytes()).is_some(), expected, "{id:.40}");
        }
    }
}
