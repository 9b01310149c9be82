//! A request's head, read once.

use std::borrow::Cow;

use stripe402_protocol::mpp;

use super::{
    Offered,
    reserved::{DEADLINE, Reserved, same_header},
    trace::Trace,
};
use crate::{
    config::Identity,
    usage::{is_encoded, is_in_other_charset},
};

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
    /// What it says of MPP, in the header that is for that.
    pub offered: Offered<'h>,
    /// Whether it says that it speaks MPP.
    pub accepts_payment: bool,
    /// How the client wants to be answered.
    pub audience: Audience,
    /// What the ledger is told for its own traces.
    pub trace: Trace<'h>,
    /// Headers that the API must not get from the client.
    pub remove: Vec<&'h str>,
    /// What `connection` has to be instead: without names of ours.
    pub connection: Option<String>,
    /// Whether the client chose how long the request may take, by [`DEADLINE`].
    pub deadline: bool,
    /// Whether the client takes trailers (`te: trailers`).
    pub takes_trailers: bool,
    /// Whether the body is compressed, or in another charset than UTF-8, as far as the headers say.
    pub encoded: bool,
    /// Whether the body is JSON, as far as the headers say.
    pub json: bool,
    /// Whether the client waits for a word before it sends its body (RFC 9110, section 10.1.1).
    pub expects: bool,
    /// What MCP's clients repeat of the body.
    pub mirror: Mirror<'h>,
    /// Whether the request has no body.
    pub ends: bool,
}

/// What MCP's clients repeat of a body in headers (MCP 2026-07-28, "Streamable HTTP").
#[derive(Clone, Copy, Debug, Default)]
pub struct Mirror<'h> {
    /// `mcp-method`.
    pub method: Option<&'h [u8]>,
    /// `mcp-name`.
    pub name: Option<&'h [u8]>,
    /// Whether one of them is there twice.
    pub twice: bool,
}

impl<'h> Mirror<'h> {
    /// One of the two, in whatever spelling.
    fn see(&mut self, name: &[u8], value: &'h [u8]) {
        let place = if same_header(name, MCP_METHOD) { &mut self.method } else { &mut self.name };
        self.twice |= place.replace(value).is_some();
    }
}

const MCP_METHOD: &[u8] = b"mcp-method";
const MCP_NAME: &[u8] = b"mcp-name";

/// Whether an API could take this header for one in which MCP's clients repeat what their body says.
pub fn is_mirror(name: &[u8]) -> bool {
    name.starts_with(b"mcp") && (same_header(name, MCP_METHOD) || same_header(name, MCP_NAME))
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

impl<'h> Head<'h> {
    /// Reads the headers in one pass. `credentials` names the header in which MPP's credentials come, if
    /// the gate speaks MPP.
    pub fn read(
        headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
        identity: &Identity,
        credentials: Option<&str>,
    ) -> Self {
        let mut head = Self::default();
        let reserved = Reserved::of(identity);
        let mut typed = false;
        let credentials = credentials.map(str::as_bytes);
        // A header of its own is removed in all its spellings, `authorization` only with a credential.
        let own = credentials.filter(|name| *name != mpp::AUTHORIZATION.as_bytes());
        // Of several `authorization` headers one may be of another scheme.
        let mut others = false;
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
                _ if credentials == Some(name) => {
                    head.hear(name, value, own.is_some(), &mut others)
                }
                b"accept-payment" => head.accepts_payment = true,
                b"accept" if head.audience == Audience::Json && wants_html(value) => {
                    head.audience = Audience::Html;
                }
                b"content-type" => {
                    if is_grpc(value) {
                        head.audience = Audience::Grpc;
                    }
                    // Of two an API takes either.
                    head.encoded |= typed || value.contains(&b',') || is_in_other_charset(value);
                    head.json = is_json(value) && !typed;
                    typed = true;
                }
                b"expect" => head.expects = true,
                name if is_mirror(name) => head.mirror.see(name, value),
                b"te" => head.takes_trailers |= names_trailers(value),
                b"content-encoding" => head.encoded |= is_encoded(value),
                b"x-request-id" => head.trace.hear_id(value),
                b"traceparent" => head.trace.hear_parent(value),
                b"connection" => match reserved.left_of_connection(value) {
                    Some(left) if left.is_empty() => head.remove.push("connection"),
                    left => head.connection = left,
                },
                name if name == DEADLINE.as_bytes() => head.deadline = true,
                _ if reserved.contains(name) || is_spelling(name, own) => {
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

impl<'h> Head<'h> {
    /// One more header in which a credential may be. `others`: whether one before it had none.
    fn hear(&mut self, name: &'h [u8], value: &'h [u8], ours: bool, others: &mut bool) {
        if ours && value.is_empty() {
            self.remove.extend(core::str::from_utf8(name).ok());
            return;
        }
        self.offered = self.offered.and(value, ours);
        if self.offered == Offered::Nothing {
            *others = true;
            return;
        }
        self.remove.extend(core::str::from_utf8(name).ok());
        if *others {
            self.offered = Offered::Mixed;
        }
    }
}

/// Fast for what is UTF-8, as nearly all is.
pub(super) fn text(value: &[u8]) -> Cow<'_, str> {
    core::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}

/// Browsers name HTML when they navigate; programs do not.
fn wants_html(accept: &[u8]) -> bool {
    accept.split(|byte| *byte == b',').any(|range| {
        let name = range.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"text/html")
    })
}

/// RFC 9110, section 10.1.4.
fn names_trailers(te: &[u8]) -> bool {
    let codings = te.split(|byte| *byte == b',');
    codings.into_iter().any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// `application/grpc`, `application/grpc+proto`; not gRPC-Web, which is answered as HTTP.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// `application/json`, with parameters or without.
fn is_json(content_type: &[u8]) -> bool {
    let name = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Whether an API could take this header for that one.
fn is_spelling(name: &[u8], own: Option<&[u8]>) -> bool {
    own.is_some_and(|own| same_header(name, own))
}

/// Headers by which libraries let a client choose another method than the request's.
fn is_override(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 3] = [b"x-http-method-override", b"x-http-method", b"x-method-override"];
    name.starts_with(b"x") && NAMES.iter().any(|own| same_header(name, own))
}
