//! A request's head, read once.

use std::borrow::Cow;

use crate::config::Identity;

/// What the gate needs of a request's headers, and which of them it removes.
#[derive(Debug, Default)]
pub struct Head<'h> {
    /// `:method`.
    pub method: Cow<'h, str>,
    /// Methods that an API may take for the request's own.
    pub overrides: Vec<&'h str>,
    /// `:authority`.
    pub host: Cow<'h, str>,
    /// `:path`, with its query.
    pub path: Cow<'h, str>,
    /// The `payment` header; empty counts as absent.
    pub payment: Option<&'h [u8]>,
    /// Whether there is more than one `payment` header.
    pub ambiguous: bool,
    /// How the client wants to be answered.
    pub audience: Audience,
    /// What the ledger is told for its own traces.
    pub trace: Trace<'h>,
    /// Headers that the API must not get from the client.
    pub remove: Vec<&'h str>,
}

/// To whom the gate speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// A program.
    #[default]
    Json,
    /// A person, in a browser.
    Html,
    /// A gRPC client.
    Grpc,
}

/// By which names a request is found again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace<'h> {
    /// `x-request-id`.
    pub request_id: Option<&'h str>,
    /// `traceparent` (W3C Trace Context).
    pub parent: Option<&'h str>,
}

impl<'h> Head<'h> {
    /// Reads the headers in one pass.
    pub fn read(headers: impl Iterator<Item = (&'h [u8], &'h [u8])>, identity: &Identity) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            match name {
                b":method" => head.method = text(value),
                b":path" => head.path = text(value),
                b":authority" => head.host = text(value),
                b"payment" => {
                    head.ambiguous |= head.remove.contains(&"payment");
                    head.payment = Some(value).filter(|value| !value.is_empty());
                    head.remove.push("payment");
                }
                b"accept" if head.audience == Audience::Json && wants_html(value) => {
                    head.audience = Audience::Html;
                }
                b"content-type" if is_grpc(value) => head.audience = Audience::Grpc,
                b"x-request-id" => head.trace.request_id = core::str::from_utf8(value).ok(),
                b"traceparent" => head.trace.parent = core::str::from_utf8(value).ok(),
                _ if is_reserved(name, identity) => {
                    head.remove.extend(core::str::from_utf8(name).ok());
                }
                _ if is_override(name) => {
                    // Several in one header: some take the first, some the last.
                    let methods = core::str::from_utf8(value).ok().into_iter();
                    head.overrides.extend(methods.flat_map(|all| all.split(',')).map(str::trim));
                }
                _ => {}
            }
        }
        // A page can ask again for what a form was sent to, but not with the form's content.
        if head.audience == Audience::Html && head.method != "GET" {
            head.audience = Audience::Json;
        }
        head
    }
}

/// Fast for what is UTF-8, as nearly all is.
fn text(value: &[u8]) -> Cow<'_, str> {
    core::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}

/// Browsers name HTML when they navigate; programs do not.
fn wants_html(accept: &[u8]) -> bool {
    accept.split(|byte| *byte == b',').any(|range| {
        let name = range.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}

/// `application/grpc`, `application/grpc+proto`; not gRPC-Web, which is answered as HTTP.
fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Headers by which libraries let a client choose another method than the request's.
fn is_override(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 3] = [b"x-http-method-override", b"x-http-method", b"x-method-override"];
    name.starts_with(b"x") && NAMES.iter().any(|own| same_header(name, own))
}

/// Names that are Envoy's or ours to set. A client-chosen time-out or retry policy would be a
/// way to have a request done and its charge voided; a client-chosen path one to have another
/// done than was paid for.
fn is_reserved(name: &[u8], identity: &Identity) -> bool {
    const PREFIXES: [&[u8]; 4] =
        [b"x-envoy-upstream-", b"x-envoy-retry-", b"x-envoy-max-retries", b"x-envoy-hedge-"];
    const PATHS: [&[u8]; 2] = [b"x-original-url", b"x-rewrite-url"];
    let own = |own: &str| same_header(name, own.as_bytes());
    if name.starts_with(b"x") {
        return PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || PATHS.iter().any(|path| same_header(name, path))
            || identity.names().iter().any(|(_, name)| own(name));
    }
    // Every other name of ours has to be compared, too: they are configurable.
    identity.names().iter().any(|(_, name)| own(name))
        || [stripe402_protocol::PAYMENT_REQUIRED, stripe402_protocol::PAYMENT_RESPONSE]
            .iter()
            .any(|name| own(name))
}

/// Whether an API could take one name for the other: CGI-like interfaces do not tell case,
/// hyphens and underscores apart.
fn same_header(name: &[u8], own: &[u8]) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == own.len() && name.iter().zip(own).all(|(one, other)| fold(*one) == fold(*other))
}
