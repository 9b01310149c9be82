//! Gateways and ledgers are upgraded one after the other: messages of every version, byte for byte as
//! filters sent them, are carried out. What answers do to a filter: `filter/src/worker/tests/recorded.rs`.

use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe402_protocol::message::{BatchAnswer, CaptureOutcome, DeductionOutcome, compact};
use stripe402_tests::{
    binary,
    stack::{Stack, StackOptions},
};

/// Whose the recorded messages are; here it is whoever paid first.
const RECORDED: &str = "d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd";

fn recorded(name: &str) -> String {
    let path = binary::workspace().join("tests/fixtures/messages/3").join(name);
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
async fn messages_of_version_3_are_carried_out() {
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
    let asked = recorded("balance.json").replace(RECORDED, &client);
    let (status, answer) = post(&mut stack, "/v1/balance", asked).await;
    let expected = json!({"creditsRemaining": 59_800});
    assert_eq!((status, answer), (StatusCode::OK, expected));
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 600);
}

/// A ledger that does not know what a gateway offers charges nothing: the client was told of no charge.
#[tokio::test]
async fn a_message_with_an_offer_of_a_later_release_is_refused() {
    let mut stack = stack().await;
    let mut later: Value = serde_json::from_str(&recorded("payment.json")).unwrap();
    later["present"] = json!({"units": 2_000});
    let (status, answer) = post(&mut stack, "/v1/payments", later.to_string()).await;
    let code = &answer["error"]["code"];
    assert_eq!((status, code), (400.try_into().unwrap(), &json!("bad_request")), "{answer}");
    assert!(stack.sim.calls("/v1").await.unwrap().is_empty(), "no card was charged");
}

/// The offer of trial credit, since a later release of version 5.
#[tokio::test]
async fn a_message_of_version_5_offers_a_trial() {
    let mut stack = stack().await;
    let message = std::fs::read_to_string(fixture(5, "payment.trial.json")).unwrap();
    let (status, answer) = post(&mut stack, "/v1/payments", message).await;
    assert_eq!(
        (status, &answer["paid"]["creditsRemaining"]),
        (200.try_into().unwrap(), &json!(1_900))
    );
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 0);
}

/// Version 5: what is charged may be a Shared Payment Token.
#[tokio::test]
async fn a_message_of_version_5_names_a_token() {
    let mut stack = stack().await;
    let message = std::fs::read_to_string(fixture(5, "payment.token.json")).unwrap();
    let (status, answer) = post(&mut stack, "/v1/payments", message).await;
    assert_eq!(status, 200, "{answer}");
    let refusal = &answer["refused"]["refusal"];
    assert_eq!(refusal["errorCode"], "payment_failed", "Stripe knows no such token: {answer}");
    let asked = stack.sim.calls("/v1/shared_payment/granted_tokens/spt_1").await.unwrap();
    assert_eq!(asked.len(), 1);
}

/// Version 6: what came to a gateway's address for keys, and what is to be answered there.
#[tokio::test]
async fn a_message_of_version_6_is_about_keys() {
    let mut stack = stack().await;
    let message = std::fs::read_to_string(fixture(6, "keys.json")).unwrap();
    let (status, answer) = post(&mut stack, "/v1/keys", message).await;
    assert_eq!((status, &answer["status"]), (200.try_into().unwrap(), &json!(403)), "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["error"]["code"], "not_allowed");
}

fn fixture(version: u16, name: &str) -> std::path::PathBuf {
    binary::workspace().join(format!("tests/fixtures/messages/{version}/{name}"))
}

/// A recorded batch, about this client.
fn batch(version: u16, client: &str) -> Vec<u8> {
    // The batches of versions 5 to 7 are that of version 4.
    let mut bytes = std::fs::read(fixture(version.min(4), "batch")).unwrap();
    bytes[0] = u8::try_from(version).unwrap();
    let of: stripe402_protocol::ClientId = client.parse().unwrap();
    let recorded: stripe402_protocol::ClientId = RECORDED.parse().unwrap();
    let at: Vec<_> =
        (0..bytes.len()).filter(|at| bytes[*at..].starts_with(recorded.as_bytes())).collect();
    assert!(!at.is_empty());
    for at in at {
        bytes[at..at + 32].copy_from_slice(of.as_bytes());
    }
    bytes
}

/// A capture comes before its hold here. Version 4 says of a hold whether it is a lease, and of a capture
/// for how many requests it is.
#[tokio::test]
async fn batches_of_every_version_are_carried_out() {
    for version in [3, 4, 5, 6, 7] {
        is_carried_out(version).await;
    }
}

async fn is_carried_out(version: u16) {
    let mut stack = stack().await;
    let (_, paid) = post(&mut stack, "/v1/payments", recorded("payment.json")).await;
    let client = paid["paid"]["clientId"].as_str().unwrap().to_owned();
    let sent = batch(version, &client);
    let answer = send_compact(&mut stack, sent.clone()).await;
    assert_eq!(answer.headers()["content-type"], compact::MEDIA_TYPE);
    let answer = answer.bytes().await.unwrap();
    let answer: BatchAnswer = compact::from_bytes(&answer).unwrap();
    assert_eq!(answer.captures.len(), 1);
    assert_eq!(answer.captures[0].1, CaptureOutcome::Marked);
    let (held, outcome) = answer.deductions.last().unwrap();
    assert_eq!(*held, answer.captures[0].0);
    assert!(matches!(outcome, DeductionOutcome::Deducted(_)), "{outcome:?}");
    let again = send_compact(&mut stack, sent.clone()).await.bytes().await.unwrap();
    let again: BatchAnswer = compact::from_bytes(&again).unwrap();
    assert!(matches!(again.captures[0].1, CaptureOutcome::Captured { .. }), "{again:?}");
    assert_eq!(again.deductions, answer.deductions, "the first answers");

    let mut later = sent.clone();
    later[0] = 8;
    let mut earlier = sent.clone();
    earlier[0] = 2;
    let cut = sent[..sent.len() - 1].to_vec();
    for (body, code) in [
        (later, "newer_version"),
        (earlier, "bad_request"),
        (cut, "bad_request"),
        (vec![], "bad_request"),
    ] {
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
    for (path, message) in [("/v1/payments", "payment.json"), ("/v1/balance", "balance.json")] {
        let mut later: Value = serde_json::from_str(&recorded(message)).unwrap();
        later["version"] = json!(8);
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
