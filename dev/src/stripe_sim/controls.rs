//! What a test does at the stand-in that no payer could: faults, the cardholder's part, and a look at the books.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{SECRET_KEY, StripeSim};
use crate::{Error, Result, http};

/// What moved in one currency, in its minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Totals {
    /// Taken from cards.
    pub charged: i64,
    /// Given back.
    pub refunded: i64,
    /// Withdrawn by disputes.
    pub disputed: i64,
}

/// One call that the stand-in received.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The parameters, without card numbers.
    pub params: Value,
    /// The key that makes it the same call again.
    pub idempotency_key: Option<String>,
    /// How it was answered; `None` if the connection was closed instead.
    pub status: Option<u16>,
    /// Whether the answer was that of an earlier call with the same key.
    pub replayed: bool,
}

impl StripeSim {
    /// Lets something go wrong, such as
    /// `{"method": "POST", "path": "/v1/payment_intents", "action": "drop_after"}`; once unless `times` says otherwise.
    ///
    /// # Errors
    /// If the stand-in refuses the rule.
    pub async fn fault(&self, rule: &Value) -> Result<()> {
        self.post("/_sim/faults", rule).await.map(drop)
    }

    /// Lets nothing go wrong any more.
    ///
    /// # Errors
    /// If the stand-in does not answer.
    pub async fn clear_faults(&self) -> Result<()> {
        let url = self.url("/_sim/faults");
        super::json(&format!("DELETE {url}"), http::client()?.delete(&url)).await.map(drop)
    }

    /// The calls to paths that begin so, oldest first.
    ///
    /// # Errors
    /// If the stand-in does not answer.
    pub async fn calls(&self, path: &str) -> Result<Vec<Call>> {
        let mut answer = self.get(&format!("/_sim/calls?path={path}")).await?;
        read("the calls", answer.get_mut("calls").map(Value::take).unwrap_or_default())
    }

    /// The cardholder confirms (or refuses) a PaymentIntent that requires it.
    ///
    /// # Errors
    /// If there is no such PaymentIntent, or it requires nothing.
    pub async fn authenticate(&self, payment_intent: &str, confirms: bool) -> Result<Value> {
        let outcome = if confirms { "succeed" } else { "fail" };
        self.post(
            "/_sim/authenticate",
            &json!({"payment_intent": payment_intent, "outcome": outcome}),
        )
        .await
    }

    /// What moved in this currency.
    ///
    /// # Errors
    /// If the stand-in does not answer.
    pub async fn totals(&self, currency: &str) -> Result<Totals> {
        let mut all: BTreeMap<String, Totals> =
            read("the totals", self.get("/_sim/totals").await?)?;
        Ok(all.remove(currency).unwrap_or_default())
    }

    /// Any other control, such as `control("disputes", {"payment_intent": …})`.
    ///
    /// # Errors
    /// If the stand-in refuses.
    pub async fn control(&self, name: &str, value: &Value) -> Result<Value> {
        self.post(&format!("/_sim/{name}"), value).await
    }

    /// Reads Stripe's own API with the secret key.
    ///
    /// # Errors
    /// If the stand-in refuses.
    pub async fn api_get(&self, path: &str) -> Result<Value> {
        let url = self.url(path);
        super::json(&format!("GET {url}"), http::client()?.get(&url).bearer_auth(SECRET_KEY)).await
    }

    /// Writes to Stripe's own API with the secret key, as its dashboard would: a refund, for example.
    ///
    /// # Errors
    /// If the stand-in refuses.
    pub async fn api_post(&self, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        let url = self.url(path);
        super::json(
            &format!("POST {url}"),
            http::client()?.post(&url).bearer_auth(SECRET_KEY).form(form),
        )
        .await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let url = self.url(path);
        super::json(&format!("GET {url}"), http::client()?.get(&url)).await
    }

    async fn post(&self, path: &str, value: &Value) -> Result<Value> {
        let url = self.url(path);
        super::json(&format!("POST {url}"), http::client()?.post(&url).json(value)).await
    }
}

fn read<T: serde::de::DeserializeOwned>(what: &str, value: Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| Error::Invalid(format!("{what} of the stand-in: {error}")))
}
