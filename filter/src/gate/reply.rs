//! Answers that the gate gives itself.

use std::rc::Rc;

use serde_json::json;
use stripe402_protocol::{PAYMENT_REQUIRED, Refusal};

use crate::config::Encoded;

/// An answer in the API's stead.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, Rc<str>)>,
    /// The body.
    pub body: Rc<[u8]>,
    /// For Envoy's access log.
    pub details: &'static str,
}

const JSON: &str = "application/json";
/// A cached 402 would outlive the client's payment.
const NO_STORE: &str = "no-store";

impl Reply {
    /// 402: what it costs and how to pay.
    pub(super) fn challenge(challenge: Encoded) -> Self {
        Self {
            status: 402,
            headers: vec![
                ("content-type", JSON.into()),
                ("cache-control", NO_STORE.into()),
                (PAYMENT_REQUIRED, challenge.header),
            ],
            body: challenge.body,
            details: "stripe402_challenge",
        }
    }

    /// 402: a payment that was refused, with the challenge in its header.
    pub(super) fn refusal(refusal: &Refusal, challenge: Encoded, retry_after: Option<u32>) -> Self {
        let mut headers = vec![
            ("content-type", JSON.into()),
            ("cache-control", NO_STORE.into()),
            (PAYMENT_REQUIRED, challenge.header),
        ];
        headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string().into())));
        let body = serde_json::to_vec(refusal).unwrap_or_default().into();
        Self { status: 402, headers, body, details: "stripe402_refused" }
    }

    /// 503: the ledger gave no answer. Nothing was served, and no credits are deducted; a card
    /// that is being charged is credited all the same.
    pub(super) fn unavailable() -> Self {
        let message = "payments cannot be taken right now and this request was not served; retry: \
                       a card that was charged meanwhile has its credits";
        let mut reply = Self::error(503, "ledger_unavailable", message, "stripe402_unavailable");
        reply.headers.push(("retry-after", "1".into()));
        reply
    }

    /// 204: an OPTIONS request that is for nobody behind the gate.
    pub(super) fn options() -> Self {
        let headers = vec![("cache-control", NO_STORE.into())];
        Self { status: 204, headers, body: [].into(), details: "stripe402_options" }
    }

    /// 403: no route names this request, and the configuration denies what is unnamed.
    pub(super) fn not_for_sale() -> Self {
        Self::error(403, "not_for_sale", "there is nothing for sale here", "stripe402_unmatched")
    }

    fn error(status: u16, code: &str, message: &str, details: &'static str) -> Self {
        let body = json!({"error": {"code": code, "message": message}});
        Self {
            status,
            headers: vec![("content-type", JSON.into()), ("cache-control", NO_STORE.into())],
            body: serde_json::to_vec(&body).unwrap_or_default().into(),
            details,
        }
    }
}
