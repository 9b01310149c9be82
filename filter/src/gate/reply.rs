//! Answers that the gate gives itself.

use std::rc::Rc;

use serde_json::json;
use stripe402_protocol::{PAYMENT_REQUIRED, Refusal};

use crate::{metrics::Counter, pricing::EncodedChallenge};

/// An answer in the API's stead.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The status of gRPC, to a client that speaks it: then the body is its message.
    pub grpc: Option<u8>,
    /// The headers.
    pub headers: Vec<(&'static str, Rc<str>)>,
    /// The body.
    pub body: Rc<[u8]>,
    /// For Envoy's access log.
    pub details: &'static str,
    /// As what it is counted.
    pub counter: Counter,
}

const JSON: &str = "application/json";
/// A cached 402 would outlive the client's payment.
const NO_STORE: &str = "no-store";
/// The body depends on who asks, the header with the challenge does not.
const VARY: (&str, &str) = ("vary", "accept");

impl Reply {
    /// 402: what it costs and how to pay.
    pub(super) fn challenge(challenge: EncodedChallenge, insufficient: bool) -> Self {
        let counter = if insufficient { Counter::INSUFFICIENT } else { Counter::CHALLENGES };
        Self {
            status: 402,
            grpc: None,
            headers: vec![
                ("content-type", JSON.into()),
                ("cache-control", NO_STORE.into()),
                (PAYMENT_REQUIRED, challenge.header),
            ],
            body: challenge.body,
            details: "stripe402_challenge",
            counter,
        }
    }

    /// 402: the same, as a page for a person.
    pub(super) fn page(challenge: EncodedChallenge, body: String, policy: &str) -> Self {
        let mut reply = Self::challenge(challenge, false);
        reply.headers.retain(|(name, _)| *name != "content-type");
        reply.headers.push(("content-type", "text/html; charset=utf-8".into()));
        reply.headers.push((VARY.0, VARY.1.into()));
        reply.headers.push(("content-security-policy", policy.into()));
        reply.headers.push(("referrer-policy", "no-referrer".into()));
        reply.body = body.into_bytes().into();
        reply.details = "stripe402_paywall";
        reply
    }

    /// 402: a payment that was refused, with the challenge in its header.
    pub(super) fn refusal(
        refusal: &Refusal,
        challenge: EncodedChallenge,
        retry_after: Option<u32>,
    ) -> Self {
        let mut headers = vec![
            ("content-type", JSON.into()),
            ("cache-control", NO_STORE.into()),
            (PAYMENT_REQUIRED, challenge.header),
        ];
        headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string().into())));
        let body = serde_json::to_vec(refusal).unwrap_or_default().into();
        let counter = Counter::refused(refusal.error_code);
        Self { status: 402, grpc: None, headers, body, details: "stripe402_refused", counter }
    }

    /// 503: the ledger gave no answer. Nothing was served, and no credits are deducted; a card
    /// that is being deducted is credited all the same.
    pub(super) fn unavailable() -> Self {
        let message = "payments cannot be taken right now and this request was not served; retry: \
                       a card that was charged meanwhile has its credits";
        let mut reply = Self::error(503, "ledger_unavailable", message, "stripe402_unavailable");
        reply.headers.push(("retry-after", "1".into()));
        reply.counter = Counter::UNAVAILABLE;
        reply
    }

    /// 204: an OPTIONS request that is for nobody behind the gate.
    pub(super) fn options() -> Self {
        Self {
            status: 204,
            grpc: None,
            headers: vec![("cache-control", NO_STORE.into())],
            body: [].into(),
            details: "stripe402_options",
            counter: Counter::ANSWERED,
        }
    }

    /// 403: no route names this request, and the configuration denies what is unnamed.
    pub(super) fn not_for_sale() -> Self {
        Self::error(403, "not_for_sale", "there is nothing for sale here", "stripe402_unmatched")
    }

    /// 500: the route's metadata is wrong. Its price is not known, so it is not served.
    pub(super) fn misconfigured() -> Self {
        let message = "the price of this is misconfigured at the gateway";
        let mut reply = Self::error(500, "misconfigured", message, "stripe402_misconfigured");
        reply.counter = Counter::MISCONFIGURED;
        reply
    }

    /// 200: something that the gate knows itself.
    pub(super) fn found(body: Rc<[u8]>, details: &'static str) -> Self {
        Self { status: 200, body, ..Self::json(details) }
    }

    /// 400: a balance is asked for, and nobody is named.
    pub(super) fn no_client() -> Self {
        let message = "send a payment header with a clientId, whose balance you ask for";
        Self::error(400, "invalid_payment", message, "stripe402_balance")
    }

    /// 405: the gate's own addresses are for reading.
    pub(super) fn wrong_method() -> Self {
        let mut reply = Self::error(405, "wrong_method", "use GET", "stripe402_discovery");
        reply.headers.push(("allow", "GET, HEAD, OPTIONS".into()));
        reply
    }

    /// 429: balances are asked for too often.
    pub(super) fn too_many() -> Self {
        let message = "too many balances were asked for; retry later";
        let mut reply = Self::error(429, "rate_limited", message, "stripe402_balance");
        reply.headers.push(("retry-after", "60".into()));
        reply
    }

    fn error(status: u16, code: &str, message: &str, details: &'static str) -> Self {
        let body = json!({"error": {"code": code, "message": message}});
        Self { status, body: body.to_string().into_bytes().into(), ..Self::json(details) }
    }

    fn json(details: &'static str) -> Self {
        Self {
            status: 200,
            grpc: None,
            headers: vec![("content-type", JSON.into()), ("cache-control", NO_STORE.into())],
            body: [].into(),
            details,
            counter: Counter::ANSWERED,
        }
    }

    /// The same to a gRPC client: a status and a message. Left to itself, Envoy would make
    /// UNKNOWN of a 402.
    pub(super) fn into_grpc(self) -> Self {
        let body = crate::config::json(&self.body).unwrap_or_default();
        let error = body.get("error");
        let text = error.and_then(|error| error.get("message").unwrap_or(error).as_str());
        let message = match self.details {
            "stripe402_challenge" => "payment required: see the payment-required metadata",
            _ => text.unwrap_or(self.details),
        };
        // google.rpc.Code. A client should not repeat what it has not paid for.
        let status = match self.status {
            200 | 204 => 12,
            400 => 3,
            402 => 9,
            403 => 7,
            429 => 8,
            503 => 14,
            _ => 13,
        };
        let mut headers = self.headers;
        headers.retain(|(name, _)| *name != "content-type");
        Self { grpc: Some(status), headers, body: message.as_bytes().into(), ..self }
    }
}
