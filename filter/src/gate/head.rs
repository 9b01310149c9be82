//! A request's head, read once.

use std::borrow::Cow;

use crate::config::Identity;

/// What the gate needs of a request's headers, and which of them it removes.
#[derive(Debug, Default)]
pub struct Head<'h> {
    /// `:method`.
    pub method: Cow<'h, str>,
    /// `:path`, with its query.
    pub path: Cow<'h, str>,
    /// The `payment` header; empty counts as absent.
    pub payment: Option<&'h [u8]>,
    /// Whether there is more than one `payment` header.
    pub ambiguous: bool,
    /// Headers that the API must not get from the client.
    pub remove: Vec<&'h str>,
}

impl<'h> Head<'h> {
    /// Reads the headers in one pass.
    pub fn read(headers: impl Iterator<Item = (&'h [u8], &'h [u8])>, identity: &Identity) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            match name {
                b":method" => head.method = String::from_utf8_lossy(value),
                b":path" => head.path = String::from_utf8_lossy(value),
                b"payment" => {
                    head.ambiguous |= head.remove.contains(&"payment");
                    head.payment = Some(value).filter(|value| !value.is_empty());
                    head.remove.push("payment");
                }
                _ if is_reserved(name, identity) => {
                    head.remove.extend(core::str::from_utf8(name).ok());
                }
                _ => {}
            }
        }
        head
    }
}

/// Names that are Envoy's or ours to set. A client-chosen time-out or retry policy would be a
/// way to have a request done and its charge voided.
fn is_reserved(name: &[u8], identity: &Identity) -> bool {
    const PREFIXES: [&[u8]; 4] =
        [b"x-envoy-upstream-", b"x-envoy-retry-", b"x-envoy-max-retries", b"x-envoy-hedge-"];
    name.starts_with(b"x-") && PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || identity.names().iter().any(|(_, own)| same_header(name, own.as_bytes()))
}

/// Whether an API could take one name for the other: CGI-like interfaces do not tell case,
/// hyphens and underscores apart.
fn same_header(name: &[u8], own: &[u8]) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == own.len() && name.iter().zip(own).all(|(one, other)| fold(*one) == fold(*other))
}
