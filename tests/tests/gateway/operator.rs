//! An operator of a stack: asks its API.

use reqwest::Method;
use serde_json::Value;
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome, HoldTerms, VERSION, compact},
};
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

/// The cookie of an operator who has signed in to the first ledger's page.
pub(crate) async fn signed_in(stack: &Stack) -> String {
    let ledger = &stack.ledgers[0];
    let form = stack.client.post(ledger.admin_url("/admin/login"));
    let form = form.header("sec-fetch-site", "same-origin");
    let signed = send(form.form(&[("token", ledger.admin_token())])).await;
    let cookie = signed.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// How people name a client.
pub(crate) fn subject(client: &str) -> String {
    client.parse::<ClientId>().unwrap().subject()
}

/// Sends a batch to the first ledger, as a gateway would.
pub(crate) async fn send_batch(stack: &Stack, batch: Batch) -> BatchAnswer {
    let url = stack.ledgers[0].url("/v1/batch");
    let sent = stack.client.post(url).bearer_auth(&stack.secrets.ledger_token);
    let sent = sent.body(compact::to_bytes(&batch)).send().await.unwrap();
    compact::from_bytes(&sent.bytes().await.unwrap()).unwrap()
}

pub(crate) fn batch(deductions: Vec<Deduction>) -> Batch {
    Batch { version: VERSION, deductions, ..Batch::default() }
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// A hold for this route, opened so many seconds ago, which ends in so many and takes a tenth then.
pub(crate) async fn hold(
    stack: &Stack,
    client: &str,
    (route, amount): (&str, u32),
    (ago, ends): (u64, u64),
) -> Deduction {
    let nanoseconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos().to_be_bytes();
    let random = *nanoseconds.last_chunk().unwrap();
    let (ends_ms, at_end) = (now_ms() + ends * 1_000, Units::from_u32(amount / 10));
    let terms = HoldTerms { ends_ms, at_end, lease: None };
    let hold = Deduction {
        id: DeductionId::mint(now_ms() - ago * 1_000, random),
        client_id: client.parse().unwrap(),
        currency: Currency::USD,
        amount: Units::from_u32(amount),
        route: route.to_owned(),
        hold: Some(terms),
    };
    let answer = send_batch(stack, batch(vec![hold.clone()])).await;
    assert!(matches!(answer.deductions[0].1, DeductionOutcome::Deducted(_)), "{answer:?}");
    hold
}
