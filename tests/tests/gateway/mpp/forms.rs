//! Credentials in every form: nothing is served for one that is wrong, and other schemes are the API's.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use stripe402_tests::{card, stack::StackOptions};

use super::{
    payer::{AGENT, CHALLENGE, Payer, encode},
    stack,
};
use crate::answer::send;

#[tokio::test]
async fn nothing_is_served_for_a_credential_that_is_wrong() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let sound = payer.credential("/api/joke").await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut changed = sound.clone();
        change(&mut changed);
        encode(&changed)
    };
    let cheap = URL_SAFE_NO_PAD.encode(r#"{"amount":"1","currency":"usd"}"#);
    let twice = sound.to_string().replacen("\"spt\"", "\"spt\":\"spt_x\",\"spt\"", 1);
    let id = |c: &Value| c["challenge"]["id"].as_str().unwrap().to_owned();
    for (name, value, status) in [
        ("nothing", "Payment".to_owned(), 402),
        ("garbage", "Payment dGhpcyBpcyBnYXJiYWdl".to_owned(), 402),
        ("no base64", "Payment {}".to_owned(), 402),
        ("an array", encode(&json!([sound])), 402),
        ("a field twice", format!("Payment {}", URL_SAFE_NO_PAD.encode(twice)), 402),
        ("16 KB", format!("Payment {}", "A".repeat(16 * 1_024)), 402),
        ("a smaller amount", changed(&|c| c["challenge"]["request"] = json!(cheap)), 402),
        ("another realm", changed(&|c| c["challenge"]["realm"] = json!("x")), 402),
        ("another method", changed(&|c| c["challenge"]["method"] = json!("tempo")), 402),
        ("another intent", changed(&|c| c["challenge"]["intent"] = json!("session")), 402),
        (
            "a later end",
            changed(&|c| c["challenge"]["expires"] = json!("2099-01-01T00:00:00Z")),
            402,
        ),
        ("no end", changed(&|c| c["challenge"]["expires"] = Value::Null), 402),
        ("a digest", changed(&|c| c["challenge"]["digest"] = json!("sha-256=:AA==:")), 402),
        ("another nonce", changed(&|c| c["challenge"]["opaque"] = json!("e30")), 402),
        ("another id", changed(&|c| c["challenge"]["id"] = json!(id(c).to_lowercase())), 402),
        ("no id", changed(&|c| c["challenge"]["id"] = json!("")), 402),
        ("no token", changed(&|c| c["payload"] = json!({})), 402),
        ("a PaymentMethod", changed(&|c| c["payload"]["spt"] = json!("pm_card_visa")), 402),
        ("a path", changed(&|c| c["payload"]["spt"] = json!("spt_a/../../x")), 402),
        ("two", format!("{}, {}", encode(&sound), encode(&sound)), 400),
        ("beside another", format!("Bearer x, {}", encode(&sound)), 400),
        ("before another", format!("{}, Basic eA==", encode(&sound)), 400),
    ] {
        let answer = send(stack.get("/api/joke").header("authorization", &value)).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(answer.header(CHALLENGE).is_some(), status == 402, "{name}");
        assert_eq!(answer.body["success"], false, "{name}");
    }
    // Another route's credit is the same credit, but its least top-up may differ.
    let both = stack.get("/api/joke").header("authorization", encode(&sound));
    let both = both.header("authorization", "Bearer x");
    assert_eq!(send(both).await.status, 400);
    assert_eq!(stack.upstream.recorder().count(), 0);
    assert!(stack.sim.calls("/v1/payment_intents").await.unwrap().is_empty());
    payer.send("/api/joke", &sound).await.receipt();
}

#[tokio::test]
async fn other_schemes_reach_the_api_byte_for_byte() {
    let stack = stack(StackOptions::new()).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let client = payer.buy("/api/joke").await.receipt()["clientId"].clone();
    for value in [
        "Bearer eyJh.Payment.abc",
        "bearer  two  blanks",
        "Basic UGF5bWVudCB4",
        "Digest username=\"a, Payment b\", realm=\"x\\\", Payment y\", nonce=z",
        "Negotiate YIIZ+/==",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;payment, Signature=c",
        "Payments x",
    ] {
        let asked = send(stack.get("/api/joke").header("authorization", value)).await;
        assert_eq!(asked.status, 402, "{value}");
        let paid = stack.pay("/api/joke", &json!({"clientId": client}));
        send(paid.header("authorization", value)).await.receipt();
        let received = stack.upstream.recorder().last().unwrap();
        assert_eq!(received.header("authorization"), Some(value));
        send(stack.get("/api/health").header("authorization", value)).await;
        assert_eq!(stack.upstream.recorder().last().unwrap().header("authorization"), Some(value));
    }
    // A credential of ours is nobody's business behind the gate, on free routes either.
    send(stack.get("/api/health").header("authorization", "Payment abc")).await;
    assert_eq!(stack.upstream.recorder().last().unwrap().header("authorization"), None);
}

#[tokio::test]
async fn who_names_itself_is_answered_as_mpp_wants() {
    let stack = stack(StackOptions::new()).await;
    let asked = send(stack.get("/api/joke").header("accept-payment", "stripe/charge")).await;
    assert_eq!((asked.status, asked.header("payment-required")), (402, None));
    assert_eq!(asked.body["price"], 100, "the body has the challenge");
    assert!(asked.header(CHALLENGE).is_some());
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let wrong = stack.get("/api/joke").header("authorization", "Payment x");
    let refused = send(wrong.header("accept-payment", "stripe/charge")).await;
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.body["type"], "https://paymentauth.org/problems/malformed-credential");
    assert_eq!(refused.body["status"], 402);
    let id = refused.body["challengeId"].as_str().unwrap();
    assert!(refused.header(CHALLENGE).unwrap().contains(id));
}

#[tokio::test]
async fn with_a_header_of_its_own_authorization_stays_with_the_api() {
    let options = StackOptions::new().config(|config| {
        config.mpp("api.example.com")?;
        config.filter()?["mpp"]["header"] = json!("Payment-Authorization");
        Ok(())
    });
    let stack = stack(options).await;
    let payer = Payer::new(&stack, AGENT, &card::fresh().unwrap()).await;
    let credential = payer.credential("/api/joke").await;
    assert_eq!(credential["challenge"]["header"], "Payment-Authorization");
    assert_eq!(payer.send("/api/joke", &credential).await.status, 402, "that one is the API's");
    let paid = stack.get("/api/joke").header("authorization", "Payment for the API");
    send(paid.header("payment-authorization", encode(&credential))).await.receipt();
    let received = stack.upstream.recorder().last().unwrap();
    assert_eq!(received.header("authorization"), Some("Payment for the API"));
    assert_eq!(received.header("payment-authorization"), None);
}

/// The shipped policy lets pages pay.
#[tokio::test]
async fn a_page_may_read_the_challenge_and_pay_it() {
    let stack = stack(StackOptions::new()).await;
    let page = "https://a.example";
    let asks = stack.client.request(reqwest::Method::OPTIONS, stack.url("/api/joke"));
    let asks = asks.header("origin", page).header("access-control-request-method", "GET");
    let asks = asks.header("access-control-request-headers", "authorization,accept-payment");
    let preflight = send(asks).await;
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    let challenge = send(stack.get("/api/joke").header("origin", page)).await;
    let exposed = challenge.header("access-control-expose-headers").unwrap();
    for (list, names) in
        [(allowed, ["authorization", "accept-payment"]), (exposed, [CHALLENGE, "payment-receipt"])]
    {
        let listed: Vec<_> = list.split(',').map(str::trim).collect();
        assert!(names.iter().all(|name| listed.contains(name)), "{list}");
    }
}
