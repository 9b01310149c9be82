//! The gate's own answers to clients of MCP: errors of JSON-RPC, under the status that they have in HTTP.
//!
//! Sources: JSON-RPC 2.0, section 5.1; draft-payment-transport-mcp-00, "Payment Challenge" and "Error
//! Handling"; MCP 2026-07-28, "Streamable HTTP".

use std::rc::Rc;

use serde::Serialize;
use stripe402_protocol::Code;

use super::{
    EncodedReply,
    reply::{Content, Reply},
};
use crate::usage::CallId;

const PAYMENT_REQUIRED: i32 = -32_042;
const VERIFICATION_FAILED: i32 = -32_043;
const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;
const INTERNAL_ERROR: i32 = -32_603;
const HEADER_MISMATCH: i32 = -32_020;

/// An answer to the message of this id.
pub(super) fn encode(reply: Reply, id: Option<&CallId>) -> EncodedReply {
    let (number, message, data) = match &reply.content {
        Content::Challenge(body) => {
            (PAYMENT_REQUIRED, "Payment Required", String::from_utf8_lossy(body).into_owned())
        }
        Content::Refusal(refusal) => (VERIFICATION_FAILED, &*refusal.error, text(refusal)),
        Content::Problem { refusal, .. } => {
            let malformed = refusal.error_code == Code::InvalidPayment;
            let number = if malformed { INVALID_PARAMS } else { VERIFICATION_FAILED };
            (number, &*refusal.error, text(refusal))
        }
        Content::Error { code, message } => {
            (number(code, reply.status), *message, format!("{{\"code\":\"{code}\"}}"))
        }
        // None of these is said to a client of MCP's.
        Content::Empty | Content::Page { .. } | Content::Found(_) | Content::Text(_) => {
            (INTERNAL_ERROR, reply.details, "{\"code\":\"internal\"}".to_owned())
        }
    };
    let challenges = reply.of_mpp.as_ref();
    let challenges = challenges.map(|one| format!(",\"challenges\":[{one}]")).unwrap_or_default();
    let id = match id {
        Some(CallId::Number(number)) => number.to_string(),
        Some(CallId::Text(own)) => text(own),
        None => "null".to_owned(),
    };
    // All of `data` is an object, and none of them empty.
    let rest = data.strip_prefix('{').unwrap_or("}");
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{number},\"message\":{},\
         \"data\":{{\"httpStatus\":{}{challenges},{rest}}}}}",
        text(message),
        reply.status,
    );
    let Reply { status, mut headers, details, counter, .. } = reply;
    headers.push(("content-type", Rc::from("application/json")));
    EncodedReply { status, grpc: None, headers, body: body.into_bytes().into(), details, counter }
}

fn text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn number(code: &str, status: u16) -> i32 {
    match code {
        "mcp_not_json" => PARSE_ERROR,
        "mcp_header_mismatch" => HEADER_MISMATCH,
        "not_for_sale" => METHOD_NOT_FOUND,
        _ if status >= 500 => INTERNAL_ERROR,
        _ => INVALID_REQUEST,
    }
}
