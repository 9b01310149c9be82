//! Stripe's error object and the ways in which a call is refused.
//!
//! Source: docs.stripe.com/api/errors, docs.stripe.com/error-codes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::declines::Decline;

/// `error.type`, which client libraries map to their error classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ErrorType {
    #[serde(rename = "api_error")]
    Api,
    #[serde(rename = "card_error")]
    Card,
    #[serde(rename = "idempotency_error")]
    Idempotency,
    #[serde(rename = "invalid_request_error")]
    InvalidRequest,
}

/// The `error` object of an answer; `last_payment_error` and `last_setup_error` have the same shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(rename = "type")]
    pub(crate) kind: ErrorType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decline_code: Option<String>,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) param: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) doc_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_log_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) charge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payment_intent: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payment_method: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) setup_intent: Option<Value>,
}

/// A refused call.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// Whether the answer is kept under the call's idempotency key. What fails before the endpoint
    /// begins is not (docs.stripe.com/api/idempotent_requests).
    pub(crate) stored: bool,
    pub(crate) body: Box<ErrorBody>,
}

impl ApiError {
    fn new(status: u16, kind: ErrorType, code: Option<&str>, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            kind,
            code: code.map(str::to_owned),
            decline_code: None,
            message: message.into(),
            param: None,
            doc_url: code.map(|code| {
                format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))
            }),
            request_log_url: None,
            charge: None,
            payment_intent: None,
            payment_method: None,
            setup_intent: None,
        };
        Self { status, stored: true, body: Box::new(body) }
    }

    /// A parameter that fails validation, before the endpoint begins: never stored under the key.
    pub(crate) fn parameter(param: &str, code: Option<&str>, message: impl Into<String>) -> Self {
        let mut error = Self::new(400, ErrorType::InvalidRequest, code, message).param(param);
        error.stored = false;
        error
    }

    /// A call without a parameter that it needs.
    pub(crate) fn missing(param: &str) -> Self {
        Self::parameter(
            param,
            Some("parameter_missing"),
            format!("Missing required param: {param}."),
        )
    }

    /// A call that Stripe cannot read at all.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        let mut error = Self::new(400, ErrorType::InvalidRequest, None, message);
        error.stored = false;
        error
    }

    /// A call that is well-formed and refused for what it asks.
    pub(crate) fn refused(code: Option<&str>, message: impl Into<String>) -> Self {
        Self::new(400, ErrorType::InvalidRequest, code, message)
    }

    /// The object named by the path does not exist.
    pub(crate) fn no_such(noun: &str, id: &str, param: &str) -> Self {
        let message = format!("No such {noun}: '{id}'");
        Self::new(404, ErrorType::InvalidRequest, Some("resource_missing"), message).param(param)
    }

    /// An object named by a parameter does not exist: 400, not 404.
    pub(crate) fn no_such_param(noun: &str, id: &str, param: &str) -> Self {
        Self { status: 400, ..Self::no_such(noun, id, param) }
    }

    /// A card that is refused for what it is.
    pub(crate) fn card(code: &str, message: &str, param: Option<&str>) -> Self {
        let mut error = Self::new(402, ErrorType::Card, Some(code), message);
        error.body.param = param.map(str::to_owned);
        error
    }

    /// A card that its issuer, or Stripe in its place, refused.
    pub(crate) fn declined(decline: &Decline) -> Self {
        let mut error = Self::card(decline.code, decline.message, decline.param);
        error.body.decline_code = Some(decline.decline_code.to_owned());
        error
    }

    /// No key, or one that is not accepted here.
    pub(crate) fn unauthorized(code: Option<&str>, message: impl Into<String>) -> Self {
        let mut error = Self::new(401, ErrorType::InvalidRequest, code, message);
        error.stored = false;
        error
    }

    /// A call for something that is no part of the stand-in, though Stripe may have it. Its status is not one
    /// of Stripe's, so that nobody takes it for Stripe's own refusal.
    pub(crate) fn not_done(what: &str) -> Self {
        let message = format!("stripe-sim, the stand-in for Stripe, does not {what}.");
        let mut error = Self::new(501, ErrorType::InvalidRequest, None, message);
        error.stored = false;
        error
    }

    /// A confirmation that does not say `allowed_payment_method_types`: any method of the Dashboard is meant
    /// then. Source: docs.stripe.com/payments/accept-a-payment (`return_url`).
    pub(crate) fn may_redirect(noun: &str) -> Self {
        let message = format!(
            "This {noun} is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
        );
        Self::refused(None, message).param("return_url")
    }

    /// An idempotency key that came with another request before.
    pub(crate) fn key_reused(message: impl Into<String>) -> Self {
        let mut error = Self::new(400, ErrorType::Idempotency, None, message);
        error.stored = false;
        error
    }

    /// An idempotency key whose first request is still running. Stripe's type here is
    /// `invalid_request_error`; the code tells it apart from a reuse.
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        let mut error =
            Self::new(409, ErrorType::InvalidRequest, Some("idempotency_key_in_use"), message);
        error.stored = false;
        error
    }

    /// An error of Stripe's own making, played by a fault rule.
    pub(crate) fn played(status: u16, code: Option<&str>) -> Self {
        let (kind, code, message) = match status {
            429 => (
                ErrorType::InvalidRequest,
                Some(code.unwrap_or("rate_limit")),
                "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
            ),
            _ => (
                ErrorType::Api,
                code,
                "Sorry! There was an error while talking to one of our backends. Support has been notified.",
            ),
        };
        Self::new(status, kind, code, message)
    }

    pub(crate) fn param(mut self, param: &str) -> Self {
        self.body.param = Some(param.to_owned());
        self
    }

    pub(crate) fn with_payment_intent(mut self, intent: Value) -> Self {
        self.body.payment_intent = Some(intent);
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::declines;

    #[test]
    fn absent_fields_are_left_out_and_the_code_names_its_page() {
        let error = ApiError::declined(&declines::LOST);
        assert_eq!(
            serde_json::to_value(&*error.body).unwrap(),
            json!({
                "type": "card_error", "code": "card_declined", "decline_code": "lost_card",
                "message": "Your card was declined.", "doc_url": "https://stripe.com/docs/error-codes/card-declined",
            })
        );
        assert_eq!((error.status, error.stored), (402, true));
    }

    #[test]
    fn only_what_ran_is_stored_under_the_key() {
        for (error, stored) in [
            (ApiError::missing("amount"), false),
            (ApiError::key_in_use("k"), false),
            (ApiError::unauthorized(None, ""), false),
            (ApiError::no_such("customer", "cus_1", "id"), true),
            (ApiError::refused(None, ""), true),
        ] {
            assert_eq!(error.stored, stored, "{error:?}");
        }
    }
}
