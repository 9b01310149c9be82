//! What the gateway answered, and what the walk expects of it.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::{Error, Result, wire};

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// What was asked, for messages.
    what: String,
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// Asks, with the payment if there is one.
    pub(super) async fn get(
        client: &reqwest::Client,
        url: &str,
        payment: Option<&Value>,
    ) -> Result<Self> {
        Self::of(format!("GET {url}"), client.get(url), payment).await
    }

    /// Sends JSON with a payment.
    pub(super) async fn post(
        client: &reqwest::Client,
        url: &str,
        payment: &Value,
        body: &Value,
    ) -> Result<Self> {
        Self::of(format!("POST {url}"), client.post(url).json(body), Some(payment)).await
    }

    async fn of(
        what: String,
        mut request: reqwest::RequestBuilder,
        payment: Option<&Value>,
    ) -> Result<Self> {
        if let Some(payment) = payment {
            request = request.header(wire::PAYMENT, wire::encode(payment));
        }
        let answer = request.send().await.map_err(Error::http(&what))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await.map_err(Error::http(&what))?;
        Ok(Self { what, status, headers, body })
    }

    /// It must have this status.
    pub(super) fn expect(self, status: u16) -> Result<Self> {
        if self.status.as_u16() == status {
            return Ok(self);
        }
        let told =
            wire::header(&self.headers, wire::PAYMENT_REQUIRED).map(|told| format!("\n{told}"));
        let told = told.unwrap_or_default();
        Err(Error::Invalid(format!(
            "{} answered {}, where {status} was expected:\n{}{told}",
            self.what,
            self.status,
            self.body.trim()
        )))
    }

    /// The decoded header; an error names what was asked.
    pub(super) fn header(&self, name: &str) -> Result<Value> {
        wire::header(&self.headers, name)
            .map_err(|error| Error::Invalid(format!("{}: {error}", self.what)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }
}

/// A whole number at this place, such as `/accepts/0/amount`.
pub(super) fn number(value: &Value, pointer: &str) -> Result<i64> {
    value
        .pointer(pointer)
        .and_then(Value::as_i64)
        .ok_or_else(|| absent(value, pointer, "a whole number"))
}

/// A text at this place.
pub(super) fn text<'value>(value: &'value Value, pointer: &str) -> Result<&'value str> {
    value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| absent(value, pointer, "a text"))
}

fn absent(value: &Value, pointer: &str, wanted: &str) -> Error {
    Error::Invalid(format!("expected {wanted} at {pointer} in {value}"))
}

/// Two values must be the same; else the message says what differs.
pub(super) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    expected: &T,
) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Invalid(format!("{what} is {found:?}, where {expected:?} was expected")))
}
