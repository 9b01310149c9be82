//! A buyer that speaks MPP, without any of the code under test.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use stripe402_tests::stack::Stack;

use crate::answer::{Answer, send};

/// The header of a challenge.
pub(super) const CHALLENGE: &str = "www-authenticate";
/// The key of a buyer's account at Stripe.
pub(super) const AGENT: &str = "sk_test_agent";

/// A buyer with one card.
pub(super) struct Payer {
    stack: Arc<Stack>,
    key: &'static str,
    method: String,
}

/// A call at Stripe of a buyer's account, in the version that has tokens.
pub(super) fn as_agent(call: reqwest::RequestBuilder, key: &str) -> reqwest::RequestBuilder {
    call.bearer_auth(key).header("stripe-version", "2026-04-22.preview")
}

impl Payer {
    pub(super) async fn new(stack: &Arc<Stack>, key: &'static str, number: &str) -> Self {
        Self::with_cvc(stack, key, number, "123").await
    }

    pub(super) async fn with_cvc(
        stack: &Arc<Stack>,
        key: &'static str,
        number: &str,
        cvc: &str,
    ) -> Self {
        let method = stack.sim.payment_method(number, cvc).await.unwrap();
        Self { stack: Arc::clone(stack), key, method }
    }

    /// A token for at most so much, in minor units.
    pub(super) async fn token(&self, most: i64) -> String {
        self.token_in("usd", most).await
    }

    pub(super) async fn token_in(&self, currency: &str, most: i64) -> String {
        let path = "/v1/test_helpers/shared_payment/granted_tokens";
        let most = most.to_string();
        let form = [
            ("payment_method", self.method.as_str()),
            ("usage_limits[currency]", currency),
            ("usage_limits[max_amount]", &most),
            ("seller_details[network_id]", "profile_test_standin"),
        ];
        let call = self.stack.client.post(self.stack.sim.url(path)).form(&form);
        let made: Value = as_agent(call, self.key).send().await.unwrap().json().await.unwrap();
        made["id"].as_str().unwrap_or_else(|| panic!("{made:#}")).to_owned()
    }

    /// A credential for a new challenge, with a new token.
    pub(super) async fn credential(&self, path: &str) -> Value {
        self.credential_for(self.stack.get(path)).await
    }

    /// A credential for what a request is asked to pay, with a new token.
    pub(super) async fn credential_for(&self, request: reqwest::RequestBuilder) -> Value {
        let asked = challenge(request).await;
        let request = URL_SAFE_NO_PAD.decode(&asked["request"]).unwrap();
        let request: Value = serde_json::from_slice(&request).unwrap();
        let token = self.token(request["amount"].as_str().unwrap().parse().unwrap()).await;
        json!({"challenge": asked, "payload": {"spt": token}})
    }

    /// A credential for a new challenge, with this token.
    pub(super) async fn with_token(&self, path: &str, token: &str) -> Value {
        json!({"challenge": challenge(self.stack.get(path)).await, "payload": {"spt": token}})
    }

    pub(super) async fn send(&self, path: &str, credential: &Value) -> Answer {
        send(self.stack.get(path).header("authorization", encode(credential))).await
    }

    /// All of it: asks, has a token made, pays.
    pub(super) async fn buy(&self, path: &str) -> Answer {
        let credential = self.credential(path).await;
        self.send(path, &credential).await
    }
}

/// What a request without payment is asked to pay.
async fn challenge(request: reqwest::RequestBuilder) -> BTreeMap<String, String> {
    let asked = send(request).await;
    assert_eq!(asked.status, 402, "{asked:?}");
    let header = asked.header(CHALLENGE).unwrap();
    let parameters = header.strip_prefix("Payment ").unwrap().split("\", ");
    let parameter = |text: &str| {
        let (name, value) = text.split_once("=\"").unwrap();
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    };
    parameters.map(parameter).collect()
}

pub(super) fn encode(credential: &Value) -> String {
    format!("Payment {}", URL_SAFE_NO_PAD.encode(credential.to_string()))
}

/// The receipt in MPP's own header.
pub(super) fn receipt(answer: &Answer) -> Value {
    let header = answer.header("payment-receipt").unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}
