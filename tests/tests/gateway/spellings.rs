//! Both spellings of version 1, and every spelling of a path.

use base64::Engine as _;
use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{pay, send};

/// The published short form: no version, `topUp`, price and least at the top of the challenge.
#[tokio::test]
async fn the_short_form_pays_like_the_long_one() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let challenge = send(stack.get("/api/joke")).await.challenge();
    assert_eq!((&challenge["price"], &challenge["minTopUp"]), (&json!(100), &json!(50_000)));
    assert_eq!(challenge["accepts"][0]["amount"], 100);
    assert_eq!(challenge["accepts"][0]["minTopUp"], 50_000);

    for (payment, left) in [
        (json!({"topUp": 60_000}), 59_900),
        (json!({"stripe402Version": 1, "topUpAmount": 60_000}), 59_900),
        (json!({"topUp": 60_000, "topUpAmount": 60_000, "unknown": {"a": [1]}}), 59_900),
    ] {
        let mut payment = payment;
        payment["paymentMethodId"] = json!(stack.sim.fresh_card().await.unwrap());
        let receipt = pay(&stack, "/api/joke", payment).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left);
        let client = &receipt["clientId"];
        for spend in
            [json!({"clientId": client}), json!({"stripe402Version": 1, "clientId": client})]
        {
            pay(&stack, "/api/joke", spend).await.receipt();
        }
    }
    let both = json!({"paymentMethodId": "pm_card_visa", "topUp": 1, "topUpAmount": 2});
    assert_eq!(pay(&stack, "/api/joke", both).await.refused(), "invalid_payment");
}

#[tokio::test]
async fn base64_in_every_dialect() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = crate::answer::paid_client(&stack).await;
    // "?>" makes + and / appear, and the length makes padding appear.
    let json = json!({"clientId": client, "note": "???>>>~~~ü"}).to_string();
    use base64::engine::general_purpose as engines;
    for engine in
        [engines::STANDARD, engines::STANDARD_NO_PAD, engines::URL_SAFE, engines::URL_SAFE_NO_PAD]
    {
        let header = engine.encode(&json);
        let answer = send(stack.get("/api/joke").header(wire::PAYMENT, &header)).await;
        assert_eq!(answer.receipt()["success"], true, "{header}");
    }
}

/// The demo API serves all of these as the joke; so all of them cost what the joke costs.
#[tokio::test]
async fn every_spelling_of_a_path_has_its_price() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for path in [
        "/api/joke/",
        "/API/JOKE",
        "/Api/Joke/?x=1",
        "//api//joke",
        "/./api/x/../joke",
        "/api/%2e%2e/api/joke",
        "/api/%6aoke",
        "/api/joke?",
        "/api/joke/?a=/b",
        "/api/joke;x=1",
        "/api/joke%20",
    ] {
        let answer = raw_get(&stack, path).await;
        assert!(answer.starts_with("HTTP/1.1 402"), "{path}: {answer}");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
}

/// A request as it is written: HTTP libraries tidy paths up.
async fn raw_get(stack: &Stack, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(stack.envoy.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_shape_of_a_refusal_is_the_published_one() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    let answer = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await;
    let fields: Vec<_> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["clientId", "creditsRemaining", "error", "errorCode", "success"]);
    assert!(!answer.body.as_object().unwrap().values().any(Value::is_null));
}
