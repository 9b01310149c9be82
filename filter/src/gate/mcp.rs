//! MCP: one address for everything, so that a request's body says what it costs.
//!
//! The request waits until its body is here, and is then sold like any other. Source: MCP,
//! "Streamable HTTP", 2025-03-26 to 2026-07-28.

use std::rc::Rc;

use super::{
    Audience, BodyStep, Head, Mint, Offered, Phase, PricedRequest, Reply, Step, Stream, Trace,
    head::Mirror,
};
use crate::{
    pricing::{Offer, Pricing, TOOLS_CALL, Tools},
    usage::{CallId, Message, MessageReader, Unreadable},
};

/// A request of MCP's whose body is on its way.
#[derive(Debug)]
pub(super) struct Reading {
    offer: Rc<Offer>,
    path: String,
    reader: MessageReader,
    kept: Kept,
    /// Whether there must be no body.
    bodiless: bool,
    /// Since when, in Unix milliseconds.
    since_ms: u64,
}

/// What is needed of a head once the body is here.
#[derive(Debug)]
struct Kept {
    method: Box<str>,
    payment: Option<Box<[u8]>>,
    ambiguous: bool,
    credential: Option<Box<[u8]>>,
    mixed: bool,
    accepts_payment: bool,
    takes_trailers: bool,
    mirror_method: Option<Box<[u8]>>,
    mirror_name: Option<Box<[u8]>>,
    request_id: Option<Box<str>>,
    parent: Option<Box<str>>,
}

impl Kept {
    fn of(head: &Head<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(Into::into);
        let credential = match head.offered {
            Offered::Credential(credential) => Some(credential),
            Offered::Nothing | Offered::Mixed => None,
        };
        Self {
            method: head.method.as_ref().into(),
            payment: owned(head.payment),
            ambiguous: head.ambiguous,
            credential: owned(credential),
            mixed: head.offered == Offered::Mixed,
            accepts_payment: head.accepts_payment,
            takes_trailers: head.takes_trailers,
            mirror_method: owned(head.mirror.method),
            mirror_name: owned(head.mirror.name),
            request_id: head.trace.request_id().map(Into::into),
            parent: head.trace.parent().map(Into::into),
        }
    }

    /// The head as it was, as far as it still matters.
    fn head(&self) -> Head<'_> {
        let offered = match &self.credential {
            _ if self.mixed => Offered::Mixed,
            Some(credential) => Offered::Credential(credential),
            None => Offered::Nothing,
        };
        Head {
            method: (&*self.method).into(),
            payment: self.payment.as_deref(),
            ambiguous: self.ambiguous,
            offered,
            accepts_payment: self.accepts_payment,
            takes_trailers: self.takes_trailers,
            mirror: Mirror {
                method: self.mirror_method.as_deref(),
                name: self.mirror_name.as_deref(),
                twice: false,
            },
            trace: Trace::kept(self.request_id.as_deref(), self.parent.as_deref()),
            ..Head::default()
        }
    }
}

/// What becomes of a request whose body is here.
#[derive(Debug)]
pub struct Decided {
    /// What is to be done.
    pub step: Step,
    /// As in [`Trace`].
    pub request_id: Option<Box<str>>,
    /// As in [`Trace`].
    pub parent: Option<Box<str>>,
}

impl Stream {
    /// The head of a request to an address of MCP's.
    pub(super) fn on_mcp(&mut self, offer: Rc<Offer>, path: String, head: &Head<'_>) -> Step {
        if self.audience == Audience::Html {
            self.audience = Audience::Json;
        }
        self.call_id = Some(None);
        let posts = head.method == "POST";
        if !posts && !matches!(&*head.method, "GET" | "HEAD" | "DELETE") {
            return self
                .refuse(Reply::wrong_method("use POST", "GET, HEAD, POST, DELETE, OPTIONS"));
        }
        // What the API may take for another method's.
        if !head.overrides.is_empty() || head.mirror.twice {
            return self.refuse(Reply::mcp_ambiguous());
        }
        match (posts, head.ends) {
            // The stream of a session's events, or its end.
            (false, true) => return self.unpriced(head, true),
            (true, true) => return self.refuse(Reply::mcp_not_json()),
            // Nobody would say the word: an API does not see the head before.
            (_, false) if head.expects => return self.refuse(Reply::mcp_expectation()),
            (true, false) if head.encoded || !head.json => {
                return self.refuse(Reply::mcp_media_type());
            }
            (_, false) => {}
        }
        let reader = MessageReader::new(self.config.limits.mcp_body_bytes);
        let kept = Kept::of(head);
        let reading = Reading { offer, path, reader, kept, bodiless: !posts, since_ms: 0 };
        self.phase = Phase::Reading(Box::new(reading));
        Step::Read
    }

    /// Whether a request waits for its body.
    #[must_use]
    pub const fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Reading(_))
    }

    /// The request waits for its body from now on.
    pub fn read_from(&mut self, now_ms: u64) {
        if let Phase::Reading(reading) = &mut self.phase {
            reading.since_ms = now_ms;
        }
    }

    /// Whether a request waits for its body since this very moment: hosts use stream ids again.
    #[must_use]
    pub fn is_reading_since(&self, moment_ms: u64) -> bool {
        matches!(&self.phase, Phase::Reading(reading) if reading.since_ms == moment_ms)
    }

    /// The body did not come in time.
    pub fn on_late_body(&mut self) -> Option<Step> {
        self.is_reading().then(|| self.refuse(Reply::mcp_late()))
    }

    /// The next piece of the body of a request that waits for it.
    pub(super) fn on_message_piece(&mut self, chunk: &[u8], end: bool, mint: Mint<'_>) -> BodyStep {
        let Phase::Reading(reading) = &mut self.phase else { return BodyStep::Pass };
        match reading.reader.feed(chunk) {
            Ok(()) if !end => return BodyStep::Hold,
            Ok(()) => {}
            Err(_) => return decided(self.refuse(Reply::mcp_too_long()), None),
        }
        match core::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Reading(reading) => {
                let step = self.on_message(&reading, mint);
                decided(step, Some(reading.kept))
            }
            phase => {
                self.phase = phase;
                BodyStep::Pass
            }
        }
    }

    /// All of the body is here.
    fn on_message(&mut self, reading: &Reading, mint: Mint<'_>) -> Step {
        let head = reading.kept.head();
        if reading.bodiless {
            return if reading.reader.is_empty() {
                self.unpriced(&head, true)
            } else {
                self.refuse(Reply::mcp_ambiguous())
            };
        }
        let message = match reading.reader.finish() {
            Ok(message) => message,
            Err(problem) => {
                return self.refuse(match problem {
                    Unreadable::TooLong => Reply::mcp_too_long(),
                    Unreadable::NotJson => Reply::mcp_not_json(),
                    Unreadable::Batch => Reply::mcp_batch(),
                    Unreadable::Ambiguous => Reply::mcp_ambiguous(),
                });
            }
        };
        let has_id = message.id.is_some();
        let pricing = match reading.offer.tools.as_deref() {
            Some(_) if !mirrors(&head.mirror, &message) => {
                self.call_id = Some(message.id);
                return self.refuse(Reply::mcp_mismatch());
            }
            Some(tools) => price(tools, &message),
            None => Pricing::Unlisted,
        };
        self.call_id = Some(message.id);
        match pricing {
            Pricing::Free => self.unpriced(&head, true),
            Pricing::Unlisted => self.refuse(Reply::mcp_not_for_sale()),
            // Nobody could be told what it costs.
            Pricing::Offer(_) if !has_id => self.refuse(Reply::mcp_no_id()),
            Pricing::Offer(offer) => {
                let path = reading.path.clone();
                self.sell(PricedRequest { offer, path }, &head, mint)
            }
        }
    }
}

fn decided(step: Step, kept: Option<Kept>) -> BodyStep {
    let (request_id, parent) = kept.map_or((None, None), |kept| (kept.request_id, kept.parent));
    BodyStep::Decided(Box::new(Decided { step, request_id, parent }))
}

/// An answer to a question of the server's has no method, and costs nothing.
fn price(tools: &Tools, message: &Message) -> Pricing {
    let Some(method) = &message.method else { return Pricing::Free };
    tools.price(method, message.name.as_deref())
}

/// Whether what is repeated in headers is what the body says: an API could go by either.
fn mirrors(mirror: &Mirror<'_>, message: &Message) -> bool {
    let same = |header: Option<&[u8]>, own: Option<&str>| match header {
        None => true,
        Some(header) => own.is_some_and(|own| is_text(header, own)),
    };
    let method = message.method.as_deref();
    let named = method == Some(TOOLS_CALL);
    same(mirror.method, method) && (!named || same(mirror.name, message.name.as_deref()))
}

/// Whether a header's value is this text: as it is, or in base64 between `=?base64?` and `?=`.
fn is_text(value: &[u8], text: &str) -> bool {
    let inner = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    match inner {
        Some(inner) => {
            stripe402_protocol::decode_bytes(inner).is_ok_and(|bytes| bytes == text.as_bytes())
        }
        None => value == text.as_bytes(),
    }
}

/// The id that an answer of the gate's names.
pub(super) type Answered = Option<CallId>;
