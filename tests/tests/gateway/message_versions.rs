//! Gateways and ledgers are upgraded one after the other: messages of every version, byte for byte as
//! filters sent them, are carried out. What answers do to a filter: `filter/src/worker/tests/recorded.rs`.

use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe402_protocol::message::{Batch, compact};
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};

/// Whose the recorded messages are; here it is whoever paid first.
const RECORDED: &str = "d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd";

fn recorded(name: &str) -> String {
    let path = binary::workspace().join("tests/fixtures/messages/1").join(name);
    std::fs::read_to_string(path).unwrap()
}

async fn post(stack: &mut Stack, path: &str, body: String) -> (StatusCode, Value) {
    let token = stack.secrets.ledger_token.clone();
    let url = stack.ledger().unwrap().url(path);
    let request = stack.client.post(url).bearer_auth(token).body(body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// The recorded charge ids were minted in 2023: such a ledger still takes them.
async fn stack() -> Stack {
    let options = StackOptions::new().ledger_env("LEDGER_CHARGE_MEMORY", "20000days");
    Stack::start(options).await.unwrap()
}

#[tokio::test]
async fn messages_of_version_1_are_carried_out() {
    let mut stack = stack().await;
    let mut client = String::new();
    for (message, left) in [("payment.json", 59_900), ("payment.least.json", 59_800)] {
        let sent: Value = serde_json::from_str(&recorded(message)).unwrap();
        let (status, answer) = post(&mut stack, "/v1/payments", recorded(message)).await;
        assert_eq!(status, 200, "{message}: {answer}");
        let paid = &answer["paid"];
        assert_eq!(paid["chargeId"], sent["chargeId"], "{message}: {answer}");
        assert_eq!(paid["creditsRemaining"], left, "{message}: {answer}");
        client = paid["clientId"].as_str().unwrap().to_owned();
    }
    for (path, message, expected) in [
        ("/v1/batch", "batch.json", "batch.of-ledger.json"),
        ("/v1/balance", "balance.json", "balance.of-ledger.json"),
    ] {
        let (status, answer) =
            post(&mut stack, path, recorded(message).replace(RECORDED, &client)).await;
        let expected: Value = serde_json::from_str(&recorded(expected)).unwrap();
        assert_eq!((status, answer), (StatusCode::OK, expected), "{message}");
    }
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 600);
}

/// Version 2: batches are compact, everything else is as it was.
#[tokio::test]
async fn batches_of_version_2_are_carried_out() {
    let mut stack = stack().await;
    let mut client = String::new();
    for message in ["payment.json", "payment.least.json"] {
        let (status, answer) = post(&mut stack, "/v1/payments", recorded(message)).await;
        assert_eq!(status, 200);
        client = answer["paid"]["clientId"].as_str().unwrap().to_owned();
    }
    let fixtures = binary::workspace().join("tests/fixtures/messages/2");
    let mut batch: Batch =
        compact::from_bytes(&std::fs::read(fixtures.join("batch")).unwrap()).unwrap();
    batch.deductions.iter_mut().for_each(|charge| charge.client_id = client.parse().unwrap());
    let sent = compact::to_bytes(&batch);
    let answer = send_compact(&mut stack, sent.clone()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], compact::MEDIA_TYPE);
    let expected = std::fs::read(fixtures.join("batch.of-ledger")).unwrap();
    assert_eq!(answer.bytes().await.unwrap(), expected);
    let mut later = sent.clone();
    later[0] = 3;
    let cut = sent[..sent.len() - 1].to_vec();
    for (body, code) in [(later, "newer_version"), (cut, "bad_request"), (vec![], "bad_request")] {
        let answer = send_compact(&mut stack, body).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], code);
    }
}

async fn send_compact(stack: &mut Stack, body: Vec<u8>) -> reqwest::Response {
    let token = stack.secrets.ledger_token.clone();
    let url = stack.ledger().unwrap().url("/v1/batch");
    let request = stack.client.post(url).bearer_auth(token).body(body);
    request.header("content-type", compact::MEDIA_TYPE).send().await.unwrap()
}

#[tokio::test]
async fn a_later_version_is_refused_by_name_and_nothing_is_done() {
    let mut stack = stack().await;
    for (path, message) in [
        ("/v1/batch", "batch.json"),
        ("/v1/payments", "payment.json"),
        ("/v1/balance", "balance.json"),
    ] {
        let mut later: Value = serde_json::from_str(&recorded(message)).unwrap();
        later["version"] = json!(3);
        // As it is, and with a field that nobody knows yet.
        for _ in 0..2 {
            let (status, answer) = post(&mut stack, path, later.to_string()).await;
            assert_eq!(
                (status, &answer["error"]["code"]),
                (400.try_into().unwrap(), &json!("newer_version")),
                "{answer}"
            );
            later["later"] = json!(true);
        }
    }
    assert!(stack.sim.calls("/v1").await.unwrap().is_empty(), "no card was charged");
}
