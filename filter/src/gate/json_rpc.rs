//! The gate's own answers to clients of MCP: errors of JSON-RPC, under the status that they have in HTTP.
//!
//! Sources: JSON-RPC 2.0, section 5.1; draft-payment-transport-mcp-00, "Payment Challenge" and "Error
//! Handling"; MCP 2026-07-28, "Streamable HTTP".

use std::rc::Rc;

use serde_json::{Map, Value, json};
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
    let (number, message, mut data) = match &reply.content {
        Content::Challenge(body) => {
            (PAYMENT_REQUIRED, "Payment Required", serde_json::from_slice(body).unwrap_or_default())
        }
        Content::Refusal(refusal) => {
            (VERIFICATION_FAILED, &*refusal.error, fields(&json!(refusal)))
        }
        Content::Problem { refusal, problem, .. } => {
            let malformed = refusal.error_code == Code::InvalidPayment;
            let number = if malformed { INVALID_PARAMS } else { VERIFICATION_FAILED };
            let mut data = fields(&json!(refusal));
            let failure = json!({"reason": problem.name, "detail": refusal.error});
            data.insert("failure".to_owned(), failure);
            (number, &*refusal.error, data)
        }
        Content::Error { code, message } => {
            (number(code, reply.status), *message, fields(&json!({"code": code})))
        }
        Content::Empty | Content::Page { .. } | Content::Found(_) | Content::Text(_) => {
            return EncodedReply::http(reply);
        }
    };
    data.insert("httpStatus".to_owned(), reply.status.into());
    if let Some(challenge) = &reply.of_mpp {
        data.insert("challenges".to_owned(), json!([challenge]));
    }
    let id = match id {
        Some(CallId::Number(number)) => json!(number),
        Some(CallId::Text(text)) => json!(text),
        None => Value::Null,
    };
    let error = json!({"code": number, "message": message, "data": data});
    let body = json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string().into_bytes().into();
    let Reply { status, mut headers, details, counter, .. } = reply;
    headers.push(("content-type", Rc::from("application/json")));
    EncodedReply { status, grpc: None, headers, body, details, counter }
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
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
