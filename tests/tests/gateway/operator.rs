//! An operator of a stack: asks its API.

use reqwest::Method;
use serde_json::Value;
use stripe402_protocol::ClientId;
use stripe402_tests::stack::Stack;

use crate::answer::{Answer, send};

/// A request to the operator API of the first ledger, with its token.
pub(crate) fn request(stack: &Stack, method: Method, path: &str) -> reqwest::RequestBuilder {
    let ledger = &stack.ledgers[0];
    let url = ledger.admin_url(&format!("/admin/v1{path}"));
    stack.client.request(method, url).bearer_auth(ledger.admin_token())
}

pub(crate) async fn get(stack: &Stack, path: &str) -> Value {
    let answer = send(request(stack, Method::GET, path)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.body
}

pub(crate) async fn post(stack: &Stack, path: &str, body: Value) -> Answer {
    send(request(stack, Method::POST, path).json(&body)).await
}

/// How people name a client.
pub(crate) fn subject(client: &str) -> String {
    client.parse::<ClientId>().unwrap().subject()
}
