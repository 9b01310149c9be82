//! Shared Payment Tokens: the calls that are in preview at Stripe, which async-stripe does not know.
//!
//! A preview version changes other objects, too, so it is named for these calls alone, and of their answers
//! only those fields are read that every version has.

use std::{collections::HashMap, time::Duration};

use ::stripe::StripeError;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Uri,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use miniserde::{Deserialize, json};
use secrecy::ExposeSecret as _;
use stripe402_protocol::GrantedTokenId;

use super::{
    BOOKS_FIELD, CardCharge, Failure, GrantedToken, Intent, IntentStatus, SUBJECT_FIELD,
    StripeOptions, TOP_UP_FIELD, TokenLimits,
};
use crate::accounting::ShownCard;

/// The version of Stripe's API in which sellers charge Shared Payment Tokens by
/// `payment_method_data[shared_payment_granted_token]`.
/// Source: docs.stripe.com/agentic-commerce/concepts/shared-payment-tokens.
pub(crate) const PREVIEW_VERSION: &str = "2026-04-22.preview";

/// The largest answer that is read, in bytes.
const ANSWER: usize = 1 << 20;

/// Stripe's API in its preview version. One attempt a call.
#[derive(Clone, Debug)]
pub(super) struct Preview {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: Uri,
    authorization: HeaderValue,
    timeout: Duration,
}

/// A Shared Payment Token as its seller sees it. Everything but its id may be absent.
#[derive(Deserialize)]
struct Token {
    agent_details: Option<Agent>,
    deactivated_at: Option<i64>,
    payment_method_details: Option<Details>,
    usage_details: Option<Usage>,
    usage_limits: Option<Limits>,
}

#[derive(Deserialize)]
struct Usage {
    amount_captured: Option<Captured>,
}

#[derive(Deserialize)]
struct Captured {
    value: i64,
}

#[derive(Deserialize)]
struct Limits {
    currency: String,
    expires_at: i64,
    max_amount: i64,
}

#[derive(Deserialize)]
struct Agent {
    network_business_profile: Option<String>,
}

#[derive(Deserialize)]
struct Details {
    card: Option<CardDetails>,
}

#[derive(Deserialize)]
struct CardDetails {
    fingerprint: Option<String>,
    brand: Option<String>,
    last4: Option<String>,
}

#[derive(Deserialize)]
struct PaymentIntent {
    id: String,
    status: String,
    amount: i64,
    amount_received: i64,
    currency: String,
    client_secret: Option<String>,
    customer: Option<String>,
    payment_method: Option<String>,
    last_payment_error: Option<json::Value>,
    metadata: HashMap<String, String>,
}

impl Preview {
    /// Connects when it is first used.
    ///
    /// # Errors
    /// A sentence naming the setting that is wrong.
    pub(super) fn new(options: &StripeOptions) -> Result<Self, String> {
        let base = options.api_base.parse();
        let key = format!("Bearer {}", options.secret_key.expose_secret());
        let mut authorization = HeaderValue::try_from(key)
            .map_err(|_| "stripe_secret_key: not usable as a header".to_owned())?;
        authorization.set_sensitive(true);
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        Ok(Self {
            // As async-stripe: a connection that Stripe has closed must not look like a lost answer.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            base: base.map_err(|error| format!("stripe_api_base: {error}"))?,
            authorization,
            timeout: options.timeout,
        })
    }

    pub(super) async fn granted_token(&self, id: &GrantedTokenId) -> Result<GrantedToken, Failure> {
        let path = format!("/shared_payment/granted_tokens/{}", id.as_str());
        let token: Token = self.send(Method::GET, &path, None).await?;
        let card = token.payment_method_details.and_then(|details| details.card);
        let captured = token.usage_details.and_then(|usage| usage.amount_captured);
        let captured = captured.map(|captured| captured.value).unwrap_or_default();
        Ok(GrantedToken {
            shown: card
                .as_ref()
                .and_then(|card| ShownCard::new(card.brand.as_deref()?, card.last4.as_deref()?)),
            fingerprint: card.and_then(|card| card.fingerprint),
            agent: token.agent_details.and_then(|agent| agent.network_business_profile),
            deactivated: token.deactivated_at.is_some(),
            limits: token.usage_limits.map(|limits| TokenLimits {
                currency: limits.currency,
                left_minor: limits.max_amount.saturating_sub(captured),
                expires_at: limits.expires_at,
            }),
        })
    }

    /// Charges a token, once. Stripe keeps no card for it: `setup_future_usage` is refused.
    pub(super) async fn charge(
        &self,
        token: &GrantedTokenId,
        charge: &CardCharge,
    ) -> Result<Intent, Failure> {
        // Ids, hexadecimal digits and numbers: nothing needs escaping. The order never changes.
        let body = format!(
            "amount={}&confirm=true&currency={}&customer={}&description=API+credits\
             &metadata[{BOOKS_FIELD}]={}&metadata[{SUBJECT_FIELD}]={}&metadata[{TOP_UP_FIELD}]={}\
             &payment_method_data[shared_payment_granted_token]={}",
            charge.amount_minor,
            charge.currency,
            charge.customer,
            charge.books,
            charge.subject,
            charge.top_up,
            token.as_str(),
        );
        let key = format!("stripe402-top-up-{}", charge.top_up);
        let made: PaymentIntent =
            self.send(Method::POST, "/payment_intents", Some((body, key))).await?;
        Ok(intent(made))
    }

    async fn send<T: Deserialize>(
        &self,
        method: Method,
        path: &str,
        form: Option<(String, String)>,
    ) -> Result<T, Failure> {
        let attempt = self.exchange(method, path, form);
        let answer = tokio::time::timeout(self.timeout, attempt).await;
        let (status, body) = answer.unwrap_or_else(|_| Err(StripeError::Timeout.into()))?;
        let text = std::str::from_utf8(&body);
        let text = text.map_err(|_| Failure::Unknown("an answer that is no UTF-8".to_owned()))?;
        if (200..300).contains(&status) {
            let unread = |_| Failure::Unknown("an answer of another shape".to_owned());
            return json::from_str(text).map_err(unread);
        }
        Err(match json::from_str::<stripe_shared::Error>(text) {
            Ok(error) => StripeError::Stripe(error.error, status).into(),
            Err(_) => Failure::Unknown(format!("status {status}, and no error of Stripe's")),
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        form: Option<(String, String)>,
    ) -> Result<(u16, Bytes), Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}v1{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header("stripe-version", PREVIEW_VERSION);
        let mut sent = Bytes::new();
        if let Some((body, key)) = form {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header("idempotency-key", key);
            sent = body.into();
        }
        let request = request.body(Full::new(sent)).map_err(StripeError::from)?;
        let answer = self.client.request(request).await.map_err(StripeError::from)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| Failure::Unknown(format!("a broken answer: {error}")))?;
        Ok((status, body.to_bytes()))
    }
}

fn intent(made: PaymentIntent) -> Intent {
    let status = match made.status.as_str() {
        "succeeded" => IntentStatus::Succeeded,
        "requires_action" => IntentStatus::RequiresAction,
        "requires_payment_method" => IntentStatus::RequiresPaymentMethod,
        "canceled" => IntentStatus::Canceled,
        _ => IntentStatus::Open,
    };
    Intent {
        id: made.id,
        status,
        amount_minor: made.amount,
        received_minor: made.amount_received,
        currency: made.currency,
        card: made.payment_method,
        client_secret: made.client_secret,
        top_up: made.metadata.get(TOP_UP_FIELD).cloned(),
        books: made.metadata.get(BOOKS_FIELD).cloned(),
        customer: made.customer,
        subject: made.metadata.get(SUBJECT_FIELD).cloned(),
        declined: made.last_payment_error.is_some(),
    }
}
