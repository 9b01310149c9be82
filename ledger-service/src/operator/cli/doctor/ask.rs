//! Reads at Stripe, each once and within a time: what async-stripe does not show is needed here, too, such as the
//! `Date` of an answer.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request,
    body::Bytes,
    header::{AUTHORIZATION, DATE, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::config::Config;

/// The longest time for one answer, also where STRIPE_TIMEOUT is longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const ANSWER: usize = 1 << 20;

/// Stripe, to be read.
pub(super) struct Ask {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    base: String,
    authorization: HeaderValue,
    timeout: Duration,
}

/// What Stripe answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// As in its header.
    pub(super) date: Option<String>,
    /// Null if it is none of JSON's.
    pub(super) body: Value,
}

impl Ask {
    /// Connects when it is first used.
    ///
    /// # Errors
    /// A sentence naming the setting that is wrong.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        let key = format!("Bearer {}", config.stripe_secret_key.expose_secret());
        let mut authorization = HeaderValue::try_from(key)
            .map_err(|_| "stripe_secret_key: not usable as a header".to_owned())?;
        authorization.set_sensitive(true);
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            base: config.stripe_api_base.trim_end_matches('/').to_owned(),
            authorization,
            timeout: config.stripe_timeout.min(PATIENCE),
        })
    }

    /// What is at this path below `/v1`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, String> {
        let answer = tokio::time::timeout(self.timeout, self.exchange(path)).await;
        answer.unwrap_or_else(|_| Err(format!("none within {} s", self.timeout.as_secs())))
    }

    async fn exchange(&self, path: &str) -> Result<Answer, String> {
        let request = Request::get(format!("{}/v1/{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| cause(&error))?;
        let status = answer.status().as_u16();
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.map(str::to_owned);
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| format!("a broken answer: {error}"))?.to_bytes();
        Ok(Answer { status, date, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

/// The last of the causes: those before it only say that there is one.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
