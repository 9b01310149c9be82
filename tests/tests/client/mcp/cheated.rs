//! What a hostile server gets out of `stripe402 mcp`: its price for what the agent did, and no credential shown.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    Sdk, Server,
    hostile::{CLIENT, Hostile},
};
use crate::cli;

const CARD: [&str; 2] = ["--payment-method", "pm_cheated"];

fn proxy(server: &Hostile, arguments: &[&str]) -> Server {
    let url = server.url("/mcp");
    Sdk::start().server(&[&["proxy", &url], CARD.as_slice(), arguments].concat())
}

async fn result(server: &Server) -> Value {
    let told = server.step(json!({"calls": [{"name": "t", "arguments": {}}]})).await;
    told["results"][0].clone()
}

/// No long piece of who pays.
fn shows_nobody(said: &Value) {
    let said = said.to_string();
    assert!(!said.contains(&CLIENT[..12]) && !said.contains(&CLIENT[52..]), "{said}");
}

/// In the stream of the server's own messages, and in the answer to a call.
#[tokio::test]
async fn answers_to_a_servers_own_requests_are_not_paid_for() {
    let remote = Hostile::start("pings").await;
    let server = proxy(&remote, &[]);
    let answer = result(&server).await;
    assert_eq!(answer["_meta"]["stripe402/receipt"]["left"], 49_900, "{answer}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(remote.heard("answer", true), 0);
    let unpaid = remote.heard("answer", false);
    assert!((1..=80).contains(&unpaid), "{unpaid}");
    assert_eq!(remote.heard("tools/call", true), 1);
}

#[tokio::test]
async fn headers_that_are_not_an_agents_are_refused() {
    let api = Hostile::start("").await;
    let server = Sdk::start().server(&CARD);
    for name in [
        "Host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "payment",
        "accept-encoding",
        "range",
    ] {
        let arguments = json!({"url": api.url("/echo"), "headers": {name: "other.example"}});
        let answer = server.call("fetch_paid", arguments).await;
        assert_eq!(answer["error"]["code"], "usage", "{name}: {answer}");
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.contains(&name.to_lowercase()), "{said}");
    }
    assert_eq!(api.heard("/echo", false), 0);
}

#[tokio::test]
async fn a_body_does_not_show_who_pays() {
    let api = Hostile::start("").await;
    for most in ["74", "100", "137", "5000"] {
        let server = Sdk::start().server(&[&CARD[..], &["--max-body", most]].concat());
        for path in ["/leak", "/bytes", "/echo"] {
            let answer = server.call("fetch_paid", json!({"url": api.url(path)})).await;
            assert_eq!(answer["status"], 200, "{answer}");
            // Again, as a client that is known.
            let answer = server.call("fetch_paid", json!({"url": api.url(path)})).await;
            let body = answer["body"].as_str().unwrap();
            let bytes = match answer["bodyEncoding"].as_str().unwrap() {
                "base64" => {
                    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body)
                        .unwrap()
                }
                _ => body.as_bytes().to_vec(),
            };
            let body = String::from_utf8_lossy(&bytes).into_owned();
            shows_nobody(&json!(body));
            if path == "/echo" && most == "5000" {
                let header: Value = serde_json::from_str(&body).unwrap();
                let payment = header["headers"]["payment"].as_str().unwrap();
                assert!(payment.contains("(hidden by stripe402)"), "{payment}");
            }
        }
    }
}

#[tokio::test]
async fn no_words_of_a_remote_server_show_who_pays() {
    let remote = Hostile::start("errors").await;
    let server = proxy(&remote, &["-H", "authorization: Bearer sk_of_a_person"]);
    let told = server.step(json!({"calls": [{"name": "t", "arguments": {}}]})).await;
    assert_eq!(told["about"]["instructions"], "You are (hidden by stripe402).", "{told}");
    for seen in ["about", "results"] {
        shows_nobody(&told[seen]);
        assert!(!told[seen].to_string().contains("sk_of_a_person"), "{told}");
    }
    assert_eq!(told["results"][0]["data"]["data"]["id"], "(hidden by stripe402)", "{told}");
    let told = server.step(json!({"list": true})).await;
    shows_nobody(&told["failed"]);
    assert!(told["failed"].as_str().unwrap().contains("of (hidden by stripe402)"), "{told}");
}

#[tokio::test]
async fn a_receipt_is_never_the_remote_servers() {
    let remote = Hostile::start("").await;
    let answer = result(&proxy(&remote, &[])).await;
    assert_eq!(answer["_meta"]["stripe402/receipt"]["left"], 49_900, "{answer}");
    assert_eq!(answer["_meta"]["mine"], "kept", "{answer}");
    // Nothing was paid: there is none.
    let remote = Hostile::start("free").await;
    let answer = result(&proxy(&remote, &[])).await;
    assert_eq!(answer["_meta"], json!({"mine": "kept"}), "{answer}");
}

#[tokio::test]
async fn a_call_that_a_payment_went_with_is_not_sent_again() {
    let remote = Hostile::start("expires").await;
    let server = proxy(&remote, &[]);
    let answer = result(&server).await;
    assert!(answer.to_string().contains("call again"), "{answer}");
    assert_eq!(remote.heard("tools/call", true), 1);
    // The next one has a session of its own.
    result(&server).await;
    assert_eq!((remote.heard("initialize", true), remote.heard("tools/call", true)), (2, 2));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let api = Hostile::start("").await;
    let server = Sdk::start().server(&[&CARD[..], &["--max-time", "1"]].concat());
    let began = Instant::now();
    let price = server.call("price", json!({"url": api.url("/silent")})).await;
    assert!(
        price["error"]["message"].as_str().unwrap().contains("did not answer in time"),
        "{price}"
    );
    server.call("fetch_paid", json!({"url": api.url("/echo")})).await;
    let balance = server.call("balance", json!({"url": api.url("/echo")})).await;
    assert_eq!((&balance["left"], &balance["now"]), (&json!(49_900), &json!(false)), "{balance}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up() {
    let remote = Hostile::start("hangs").await;
    let server = proxy(&remote, &["--max-time", "1"]);
    let began = Instant::now();
    let answer = result(&server).await;
    assert_eq!(answer["isError"], true, "{answer}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let told = server.step(json!({"list": true})).await;
    assert_eq!(told["tools"][0]["name"], "t", "the others go on: {told}");
}

/// Whoever starts the proxy can end it, even if the remote server does not say who it is.
#[tokio::test]
async fn a_proxy_ends_with_its_agent() {
    let remote = Hostile::start("silent").await;
    let dir = tempfile::tempdir().unwrap();
    let mut proxy = Command::new(cli::program())
        .args(["mcp", "proxy", &remote.url("/mcp")])
        .args(CARD)
        .env("STRIPE402_CREDENTIALS", dir.path().join("credentials.json"))
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while remote.heard("initialize", false) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(proxy.stdin.take());
    let ended = tokio::time::timeout(Duration::from_secs(5), proxy.wait()).await;
    assert!(ended.expect("the proxy ends").unwrap().success());
}
