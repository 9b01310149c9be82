//! The gate's own answers, written for the client's protocol: one encoder for each.

use std::rc::Rc;

use serde_json::json;

use stripe402_protocol::Refusal;

use super::{
    mpp::Problem,
    reply::{Content, Reply},
};
use crate::metrics::Counter;

/// An answer in the API's stead, as Envoy sends it.
#[derive(Clone, Debug)]
pub struct EncodedReply {
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

impl EncodedReply {
    /// For programs and browsers.
    pub(super) fn http(reply: Reply) -> Self {
        let Reply { status, mut headers, content, details, counter, .. } = reply;
        let mut typed = |value: &str| headers.push(("content-type", value.into()));
        let body: Rc<[u8]> = match content {
            Content::Empty => [].into(),
            Content::Challenge(body) | Content::Found(body) => {
                typed(JSON);
                body
            }
            Content::Text(body) => {
                typed("text/plain; charset=utf-8");
                body
            }
            Content::Refusal(refusal) => {
                typed(JSON);
                serde_json::to_vec(&refusal).unwrap_or_default().into()
            }
            Content::Problem { refusal, problem, id, typed: known } => {
                typed(if known { "application/problem+json" } else { JSON });
                problem_details(&refusal, problem, id.as_deref())
            }
            Content::Error { code, message } => {
                typed(JSON);
                let body = json!({"error": {"code": code, "message": message}});
                body.to_string().into_bytes().into()
            }
            Content::Page { page, policy } => {
                typed("text/html; charset=utf-8");
                // The body depends on who asks, the header with the challenge does not.
                headers.push(("vary", "accept".into()));
                headers.push(("content-security-policy", policy.into()));
                headers.push(("referrer-policy", "no-referrer".into()));
                page.into_bytes().into()
            }
        };
        Self { status, grpc: None, headers, body, details, counter }
    }

    /// For a gRPC client: a status and a message. Left to itself, Envoy would make UNKNOWN of a 402.
    pub(super) fn grpc(reply: Reply) -> Self {
        let Reply { status, headers, content, details, counter, .. } = reply;
        let message = match &content {
            Content::Challenge(_) | Content::Page { .. } => {
                "payment required: see the payment-required metadata"
            }
            Content::Refusal(refusal) | Content::Problem { refusal, .. } => &refusal.error,
            Content::Error { message, .. } => message,
            Content::Found(_) | Content::Text(_) | Content::Empty => details,
        };
        let body = message.as_bytes().into();
        Self { status, grpc: Some(code(status)), headers, body, details, counter }
    }
}

/// A refusal, and beside its fields those of problem details (RFC 9457; draft-ryan-httpauth-payment-00,
/// section 8).
fn problem_details(refusal: &Refusal, problem: Problem, id: Option<&str>) -> Rc<[u8]> {
    let mut body = serde_json::to_value(refusal).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        let kind = format!("https://paymentauth.org/problems/{}", problem.name);
        fields.insert("type".to_owned(), kind.into());
        fields.insert("title".to_owned(), problem.title.into());
        fields.insert("status".to_owned(), problem.status.into());
        fields.insert("detail".to_owned(), refusal.error.as_str().into());
        if let Some(id) = id {
            fields.insert("challengeId".to_owned(), id.into());
        }
    }
    body.to_string().into_bytes().into()
}

/// The google.rpc.Code of a status. A client should not repeat what it has not paid for.
const fn code(status: u16) -> u8 {
    match status {
        200 | 204 => 12,
        400 => 3,
        402 => 9,
        403 => 7,
        429 => 8,
        503 => 14,
        _ => 13,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use stripe402_protocol::{Code, Refusal};

    use super::*;
    use crate::pricing::EncodedChallenge;

    fn challenge() -> EncodedChallenge {
        EncodedChallenge { header: "e30=".into(), body: b"{}".to_vec().into() }
    }

    /// Each kind of reply, with what a program and what a gRPC client reads of it.
    #[test]
    fn every_reply_says_the_same_in_both_protocols() {
        let refusal = Refusal::new(Code::CardDeclined, "the card was declined");
        let required = "payment required: see the payment-required metadata";
        let page = Reply::page(challenge(), "<p>".to_owned(), "none");
        let list = Reply::found(b"[]".to_vec().into(), "stripe402_discovery");
        for (reply, of_http, of_grpc) in [
            (Reply::challenge(challenge(), false), (402, "application/json"), (9, required)),
            (page, (402, "text/html; charset=utf-8"), (9, required)),
            (
                Reply::refusal(refusal, challenge(), Some(7)),
                (402, "application/json"),
                (9, "the card was declined"),
            ),
            (
                Reply::not_for_sale(),
                (403, "application/json"),
                (7, "there is nothing for sale here"),
            ),
            (Reply::wrong_method("use GET", "GET"), (405, "application/json"), (13, "use GET")),
            (list, (200, "application/json"), (12, "stripe402_discovery")),
            (Reply::options(), (204, ""), (12, "stripe402_options")),
        ] {
            let http = EncodedReply::http(reply.clone());
            let header = |reply: &EncodedReply, name: &str| {
                let found = reply.headers.iter().find(|(of, _)| *of == name);
                found.map_or(String::new(), |(_, value)| value.to_string())
            };
            let of = (http.status, header(&http, "content-type"));
            assert_eq!(of, (of_http.0, of_http.1.to_owned()), "{}", http.details);
            let grpc = EncodedReply::grpc(reply);
            assert_eq!((http.grpc, grpc.grpc), (None, Some(of_grpc.0)), "{}", http.details);
            assert_eq!(String::from_utf8_lossy(&grpc.body), of_grpc.1, "{}", http.details);
            assert_eq!(header(&grpc, "content-type"), "", "gRPC has one of its own");
            for name in ["cache-control", "payment-required", "retry-after", "allow"] {
                assert_eq!(header(&http, name), header(&grpc, name), "{name}: {}", http.details);
            }
        }
    }

    #[test]
    fn programs_read_a_code_and_a_text() {
        let body = |reply: Reply| {
            serde_json::from_slice::<Value>(&EncodedReply::http(reply).body).unwrap()
        };
        let error = body(Reply::too_many())["error"].clone();
        assert_eq!(error["code"], "rate_limited");
        assert_eq!(error["message"], "too many balances and receipts were asked for; retry later");
        let refusal = Refusal::new(Code::CardDeclined, "declined");
        let refusal = body(Reply::refusal(refusal, challenge(), None));
        assert_eq!(
            (&refusal["errorCode"], &refusal["error"]),
            (&"card_declined".into(), &"declined".into())
        );
    }
}
