//! An answer of the gateway's, read as a client reads it.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use stripe402_tests::{stack::Stack, wire};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Sends a request and reads all of its answer.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status, headers, body }
}

/// A request that pays so.
pub(crate) async fn pay(stack: &Stack, path: &str, payment: Value) -> Answer {
    send(stack.pay(path, &payment)).await
}

/// A client with a card of its own that has bought the least, and one weather report of it.
pub(crate) async fn paid_client(stack: &Stack) -> String {
    let card = stack.sim.fresh_card().await.unwrap();
    let answer = pay(stack, "/api/weather", json!({"paymentMethodId": card})).await;
    answer.receipt()["clientId"].as_str().unwrap().to_owned()
}

/// What a client has left, seen by spending 100 units of it.
pub(crate) async fn left_before(stack: &Stack, client: &str) -> i64 {
    let answer = pay(stack, "/api/joke", json!({"clientId": client})).await;
    answer.receipt()["creditsRemaining"].as_i64().unwrap() + 100
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The receipt of a served request.
    pub(crate) fn receipt(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(!self.headers.contains_key(wire::PAYMENT_REQUIRED));
        wire::header(&self.headers, wire::PAYMENT_RESPONSE).unwrap()
    }

    /// The challenge of a 402, whose body says the same.
    pub(crate) fn challenge(&self) -> Value {
        self.assert_402();
        let challenge = wire::header(&self.headers, wire::PAYMENT_REQUIRED).unwrap();
        assert_eq!(self.body, challenge);
        challenge
    }

    /// The code of a refused payment, whose header has the challenge all the same.
    pub(crate) fn refused(&self) -> &str {
        self.assert_402();
        let challenge = wire::header(&self.headers, wire::PAYMENT_REQUIRED).unwrap();
        assert_eq!(challenge["stripe402Version"], 1);
        assert_eq!(challenge["error"], Value::Null);
        assert_eq!(self.body["success"], false);
        assert_eq!(self.body["creditsRemaining"], 0);
        assert_eq!(self.body["clientId"], "");
        assert!(!self.body["error"].as_str().unwrap().is_empty());
        self.body["errorCode"].as_str().unwrap()
    }

    /// The finer cause of a refusal.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.body["reason"].as_str()
    }

    fn assert_402(&self) {
        assert_eq!(self.status, 402, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert!(!self.headers.contains_key(wire::PAYMENT_RESPONSE));
    }
}
