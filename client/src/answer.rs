//! What came back, as far as payments go.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stripe402_protocol::{
    ClientId, Code, Currency, PaymentIntentId, Reason, ReceiptHold, Units, decode,
};

use crate::{Hold, Secret, terms::plain};

/// An answer as an adapter hands it over. Headers that came several times are joined by commas,
/// and so cannot be decoded: two challenges are none.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header of a challenge.
    pub payment_required: Option<String>,
    /// The header of a receipt.
    pub payment_response: Option<String>,
    /// Seconds, where `retry-after` says so.
    pub retry_after: Option<u32>,
    /// The body of a 402 or 503, if it is text of less than 64 KiB; of no other answer.
    pub body: Option<String>,
}

/// A refused payment, as the server says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// One of the six codes.
    pub code: Code,
    /// The finer cause, where it is one that we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether the server gave a finer cause that we do not know.
    #[serde(skip)]
    pub has_unknown_reason: bool,
    /// For people.
    pub message: String,
    /// Seconds after which it may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The PaymentIntent to confirm, with `authentication_required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<PaymentIntentId>,
    /// What Stripe.js confirms it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// The key that Stripe.js needs for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publishable_key: Option<String>,
}

/// A receipt that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GoodReceipt {
    pub(crate) client_id: ClientId,
    pub(crate) left: Units,
    pub(crate) charge_id: Option<String>,
    /// Of its amounts, where the server says it.
    pub(crate) currency: Option<Currency>,
    pub(crate) hold: Option<ReceiptHold>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptWire {
    success: bool,
    credits_remaining: Units,
    client_id: ClientId,
    charge_id: Option<String>,
    /// Any JSON: a currency that is none does not hide the receipt.
    currency: Option<Value>,
    /// Any JSON: a hold that cannot be read does not hide the receipt.
    hold: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefusalWire {
    success: bool,
    error_code: Code,
    error: Option<String>,
    /// Text, so that a reason of tomorrow does not hide the code.
    reason: Option<String>,
    payment_intent_id: Option<String>,
    client_secret: Option<String>,
}

/// Without headers and body, which may hold credentials.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// The receipt, if there is one that can be read and says that it was paid.
    pub(crate) fn receipt(&self) -> Option<GoodReceipt> {
        GoodReceipt::read(self.payment_response.as_ref()?)
    }

    /// The refusal in the body of a 402; a challenge is none.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        let wire: RefusalWire = read(self.said()?)?;
        let is_given = wire.reason.is_some();
        let reason = wire.reason.map(Value::String).and_then(read);
        (!wire.success).then(|| Refused {
            code: wire.error_code,
            reason,
            has_unknown_reason: is_given && reason.is_none(),
            message: plain(&wire.error.unwrap_or_default()),
            retry_after: self.retry_after,
            payment_intent_id: wire.payment_intent_id.and_then(|id| id.parse().ok()),
            client_secret: wire.client_secret.map(|secret| Secret::new(plain(&secret))),
            publishable_key: None,
        })
    }

    /// The body; what a gateway says in an error of JSON-RPC, where it is one.
    fn said(&self) -> Option<Value> {
        let mut body: Value = serde_json::from_str(self.body.as_deref()?).ok()?;
        let is_rpc = body.get("jsonrpc").is_some_and(Value::is_string);
        let data = body.pointer_mut("/error/data").filter(|data| is_rpc && data.is_object());
        Some(data.map(Value::take).unwrap_or(body))
    }

    /// Whether the gateway says that the request was not served, for want of its ledger: the one
    /// 503 after which a request may be sent again.
    pub(crate) fn was_not_served(&self) -> bool {
        let said = self.said().unwrap_or_default();
        let code = ["/error/code", "/code"].into_iter().find_map(|at| said.pointer(at)?.as_str());
        // With a receipt it was paid for, and served by somebody who has a ledger of that name, too.
        self.status == 503 && code == Some("ledger_unavailable") && self.payment_response.is_none()
    }
}

impl GoodReceipt {
    /// Reads a `payment-response`, of the head or of a trailer.
    pub(crate) fn read(header: &str) -> Option<Self> {
        let wire: ReceiptWire = read(decode(header.as_bytes()).ok()?)?;
        wire.success.then(|| Self {
            client_id: wire.client_id,
            left: wire.credits_remaining,
            charge_id: wire.charge_id.map(|id| plain(&id)).filter(|id| !id.is_empty()),
            currency: wire.currency.and_then(read),
            hold: wire.hold.and_then(read),
        })
    }

    /// What it holds, as a value that can be settled later.
    pub(crate) fn held(&self, origin: &str, currency: Currency) -> Option<Hold> {
        let ReceiptHold { id, amount, .. } = self.hold?;
        Some(Hold { id, amount, currency, origin: origin.to_owned() })
    }
}

/// By way of [`Value`] always: one reader of each type, not one per source, which makes the wasm
/// for JavaScript a good deal smaller.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: Some(body.to_owned()), ..Answer::default() }
    }

    #[test]
    fn a_refusal_is_one_in_json_rpc_too() {
        let plain = r#"{"success":false,"errorCode":"card_declined","error":"no"}"#;
        let rpc = format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32043,"message":"no","data":{plain}}}}}"#
        );
        for body in [plain, &rpc] {
            let refused = answer(402, body).refusal().unwrap();
            assert_eq!((refused.code, &*refused.message), (Code::CardDeclined, "no"), "{body}");
        }
        // A challenge is none, nor is what an API says of itself.
        let challenge = r#"{"jsonrpc":"2.0","error":{"code":-32042,"data":{"price":1}}}"#;
        for body in [challenge, &rpc.replace("jsonrpc", "x")] {
            assert_eq!(answer(402, body).refusal(), None, "{body}");
        }
    }

    #[test]
    fn what_was_not_served_is_told_in_json_rpc_too() {
        let plain = r#"{"error":{"code":"ledger_unavailable"}}"#;
        let rpc =
            r#"{"jsonrpc":"2.0","error":{"code":-32603,"data":{"code":"ledger_unavailable"}}}"#;
        for body in [plain, rpc] {
            assert!(answer(503, body).was_not_served(), "{body}");
            assert!(!answer(500, body).was_not_served(), "{body}");
        }
        for body in ["", "{}", r#"{"code":"other"}"#, &rpc.replace("ledger_un", "un")] {
            assert!(!answer(503, body).was_not_served(), "{body}");
        }
    }
}
