//! Answers that the gate gives itself, whoever asks. [`super::encoded_reply`] writes them.

use std::rc::Rc;

use stripe402_protocol::{Code, PAYMENT_REQUIRED, Refusal, message::KeyAnswer};

use super::mpp::Problem;
use crate::{metrics::Counter, pricing::EncodedChallenge};

/// An answer in the API's stead, before it is written for the client's protocol.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The status in HTTP.
    pub(super) status: u16,
    /// The headers that every client has.
    pub(super) headers: Vec<(&'static str, Rc<str>)>,
    /// What it says.
    pub(super) content: Content,
    /// For Envoy's access log.
    pub(super) details: &'static str,
    /// As what it is counted.
    pub(super) counter: Counter,
    /// The challenge of MPP's, as JSON-RPC has it.
    pub(super) of_mpp: Option<String>,
}

/// What a reply says.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Nothing.
    Empty,
    /// What it costs, as JSON.
    Challenge(Rc<[u8]>),
    /// The same, as a page for a person.
    Page {
        /// HTML.
        page: String,
        /// Its content security policy.
        policy: &'static str,
    },
    /// Why a payment was not taken.
    Refusal(Refusal),
    /// Why a credential of MPP's was not taken.
    Problem {
        /// As every client of ours reads it.
        refusal: Refusal,
        /// As MPP's read it.
        problem: Problem,
        /// The id of the challenge that can be paid instead.
        id: Option<String>,
        /// Whether the client knows problem details (RFC 9457).
        typed: bool,
    },
    /// What went wrong.
    Error {
        /// For programs.
        code: &'static str,
        /// For people.
        message: &'static str,
    },
    /// Something that the gate knows, as JSON.
    Found(Rc<[u8]>),
    /// The same as plain text.
    Text(Rc<[u8]>),
}

/// A cached 402 would outlive the client's payment.
const NO_STORE: (&str, &str) = ("cache-control", "no-store");

impl Reply {
    fn new(status: u16, content: Content, details: &'static str) -> Self {
        let headers = vec![(NO_STORE.0, NO_STORE.1.into())];
        Self { status, headers, content, details, counter: Counter::ANSWERED, of_mpp: None }
    }

    fn with(mut self, name: &'static str, value: impl Into<Rc<str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn counted(self, counter: Counter) -> Self {
        Self { counter, ..self }
    }

    /// 402: what it costs and how to pay.
    pub(super) fn challenge(challenge: EncodedChallenge, insufficient: bool) -> Self {
        let counter = if insufficient { Counter::INSUFFICIENT } else { Counter::CHALLENGES };
        Self::new(402, Content::Challenge(challenge.body), "stripe402_challenge")
            .with(PAYMENT_REQUIRED, challenge.header)
            .counted(counter)
    }

    /// 402: the same, as a page for a person.
    pub(super) fn page(challenge: EncodedChallenge, page: String, policy: &'static str) -> Self {
        Self::new(402, Content::Page { page, policy }, "stripe402_paywall")
            .with(PAYMENT_REQUIRED, challenge.header)
            .counted(Counter::CHALLENGES)
    }

    /// 402: a payment that was refused, with the challenge in its header.
    pub(super) fn refusal(
        refusal: Refusal,
        challenge: EncodedChallenge,
        retry_after: Option<u32>,
    ) -> Self {
        let counter = Counter::refused(refusal.error_code);
        let reply = Self::new(402, Content::Refusal(refusal), "stripe402_refused")
            .with(PAYMENT_REQUIRED, challenge.header)
            .counted(counter);
        match retry_after {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        }
    }

    /// A credential of MPP's that was refused; with a challenge where paying again helps.
    pub(super) fn problem(
        status: u16,
        content: Content,
        challenge: Option<EncodedChallenge>,
        retry_after: Option<u32>,
    ) -> Self {
        let code = match &content {
            Content::Problem { refusal, .. } => refusal.error_code,
            _ => Code::PaymentFailed,
        };
        let mut reply = Self::new(status, content, "stripe402_refused");
        if let Some(challenge) = challenge {
            reply = reply.with(PAYMENT_REQUIRED, challenge.header);
        }
        if let Some(seconds) = retry_after {
            reply = reply.with("retry-after", seconds.to_string());
        }
        reply.counted(Counter::refused(code))
    }

    /// 503: the ledger gave no answer. Nothing was served, and no credits are deducted; a card
    /// that is being charged is credited all the same.
    pub(super) fn unavailable() -> Self {
        let message = "payments cannot be taken right now and this request was not served; retry: \
                       a card that was charged meanwhile has its credits";
        Self::error(503, "ledger_unavailable", message, "stripe402_unavailable")
            .with("retry-after", "1")
            .counted(Counter::UNAVAILABLE)
    }

    /// 204: an OPTIONS request that is for nobody behind the gate.
    pub(super) fn options() -> Self {
        Self::new(204, Content::Empty, "stripe402_options")
    }

    /// 403: no route names this request, and the configuration denies what is unnamed.
    pub(super) fn not_for_sale() -> Self {
        Self::error(403, "not_for_sale", "there is nothing for sale here", "stripe402_unmatched")
    }

    /// 400: nothing in the route's table is for what the request's body says.
    pub(super) fn no_unit_price() -> Self {
        let message = "there is no price for what this request's body asks for (such as its model); \
                       nothing was deducted; the 402 challenge's pricing names what has one";
        Self::error(400, "no_unit_price", message, "stripe402_no_unit_price")
    }

    /// 403: the operator names no price for this tool or method.
    pub(super) fn mcp_not_for_sale() -> Self {
        let message = "no tool or method of this name is for sale here: see tools/list";
        Self::error(403, "not_for_sale", message, "stripe402_unmatched")
    }

    /// 400: the body is no message of JSON-RPC.
    pub(super) fn mcp_not_json() -> Self {
        let message = "the body must be one JSON-RPC message: an object of JSON, in UTF-8";
        Self::unreadable(400, "mcp_not_json", message)
    }

    /// 400: several messages at once.
    pub(super) fn mcp_batch() -> Self {
        let message = "messages are sold one by one: send each in a request of its own";
        Self::unreadable(400, "mcp_batch", message)
    }

    /// 400: what is asked for could be read in two ways.
    pub(super) fn mcp_ambiguous() -> Self {
        let message = "method, params and params.name must be there once, as plain texts, and no header may \
                       name another method";
        Self::unreadable(400, "mcp_ambiguous", message)
    }

    /// 400: a header says something else than the body.
    pub(super) fn mcp_mismatch() -> Self {
        let message = "the headers mcp-method and mcp-name must say what the body says";
        Self::unreadable(400, "mcp_header_mismatch", message)
    }

    /// 400: a call that costs something, and wants no answer.
    pub(super) fn mcp_no_id() -> Self {
        let message = "this call costs something: give it an id, a text or a whole number from 0";
        Self::unreadable(400, "mcp_no_id", message)
    }

    /// 408: the body did not come.
    pub(super) fn mcp_late() -> Self {
        let message = "the body took too long to arrive; nothing was deducted";
        Self::unreadable(408, "mcp_late", message)
    }

    /// 413: the body is longer than may be waited for.
    pub(super) fn mcp_too_long() -> Self {
        let message = "the body is longer than this server takes; nothing was deducted";
        Self::unreadable(413, "mcp_too_long", message)
    }

    /// 415: the body is something else than JSON in UTF-8.
    pub(super) fn mcp_media_type() -> Self {
        let message = "send content-type: application/json, in UTF-8 and not compressed";
        Self::unreadable(415, "mcp_media_type", message)
    }

    /// 417: the client waits before it sends its body; it sends the same without that.
    pub(super) fn mcp_expectation() -> Self {
        let message = "send the body at once, without expect: 100-continue";
        Self::unreadable(417, "mcp_expectation", message)
    }

    fn unreadable(status: u16, code: &'static str, message: &'static str) -> Self {
        Self::error(status, code, message, "stripe402_mcp")
    }

    /// 500: the route's metadata is wrong. Its price is not known, so it is not served.
    pub(super) fn misconfigured() -> Self {
        let message = "the price of this is misconfigured at the gateway";
        Self::error(500, "misconfigured", message, "stripe402_misconfigured")
            .counted(Counter::MISCONFIGURED)
    }

    /// 200: a document for registries and agents, which may keep it for five minutes.
    pub(super) fn published(content: Content, kept: bool) -> Self {
        let keep = if kept { "max-age=300" } else { NO_STORE.1 };
        let headers = vec![(NO_STORE.0, keep.into())];
        Self { headers, ..Self::new(200, content, "stripe402_discovery") }
    }

    /// 200: something that the gate knows itself.
    pub(super) fn found(body: Rc<[u8]>, details: &'static str) -> Self {
        Self::new(200, Content::Found(body), details)
    }

    /// 404: the ledger knows no such request of this client's.
    pub(super) fn no_receipt() -> Self {
        let message = "this client paid for no request of this id, or it was too long ago";
        Self::error(404, "no_receipt", message, "stripe402_receipt")
    }

    /// 400: a balance or a receipt is asked for, and nobody is named.
    pub(super) fn no_client() -> Self {
        let message =
            "send a payment header with the clientId whose balance or receipt you ask for";
        Self::error(400, "invalid_payment", message, "stripe402_balance")
    }

    /// 400: keys are asked for, and nobody says whose.
    pub(super) fn no_proof() -> Self {
        let message = "send a payment header with the paymentMethodId of your card, or with a key that may \
                       manage keys as clientId";
        Self::error(400, "invalid_payment", message, "stripe402_keys")
    }

    /// What the ledger says of keys.
    pub(super) fn keys(answer: KeyAnswer) -> Self {
        let body = Content::Found(answer.body.into_bytes().into());
        let reply = Self::new(answer.status, body, "stripe402_keys");
        match answer.retry_after {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        }
    }

    /// 405: the gate's own addresses are for reading.
    pub(super) fn wrong_method(message: &'static str, allowed: &'static str) -> Self {
        Self::error(405, "wrong_method", message, "stripe402_wrong_method").with("allow", allowed)
    }

    /// 429: balances and receipts are asked for too often.
    pub(super) fn too_many() -> Self {
        let message = "too many balances and receipts were asked for; retry later";
        Self::error(429, "rate_limited", message, "stripe402_balance").with("retry-after", "60")
    }

    fn error(
        status: u16,
        code: &'static str,
        message: &'static str,
        details: &'static str,
    ) -> Self {
        Self::new(status, Content::Error { code, message }, details)
    }
}
