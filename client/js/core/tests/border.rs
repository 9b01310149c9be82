//! The border to JavaScript, natively, and as wasm under Node and in a browser.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this file is tests"
)]

use serde_json::{Value, json};
use stripe402_client_js::{Core, explain};
use stripe402_protocol::{ClientId, encode};

#[cfg(not(target_arch = "wasm32"))]
use core::prelude::v1::test as on_each;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as on_each;

fn challenge() -> Value {
    json!({
        "stripe402Version": 1, "price": 500, "minTopUp": 50_000, "resource": {"url": "/w"},
        "accepts": [{
            "scheme": "stripe", "currency": "usd", "amount": 500, "minTopUp": 50_000,
            "publishableKey": "pk_test_1",
        }],
        "extensions": ["maxPrice", "idempotencyKey", "paymentIntentId"],
    })
}

/// What a conversation looks like from JavaScript, from the first question to the receipt.
#[on_each]
fn a_conversation_in_json() {
    let mut core = Core::new(r#"{"paymentMethodId": "pm_1", "maxPrice": "0.05usd"}"#).unwrap();
    let request = json!({
        "origin": "https://api.example", "method": "GET", "path": "/w", "replayable": true,
        "key": "key-1",
    });
    let mut call = core.call(&request.to_string()).unwrap();
    let mut tell = |event: Value| -> Value {
        let step = core.step(&mut call, &event.to_string(), 1_800_000_000.0).unwrap();
        serde_json::from_str(&step).unwrap()
    };
    let step = tell(json!({"event": "start"}));
    assert_eq!((&step["step"], &step["payment"]), (&json!("send"), &Value::Null));
    let answer = json!({"status": 402, "paymentRequired": encode(&challenge())});
    let step = tell(json!({"event": "answer", "answer": answer}));
    assert_eq!((&step["step"], &step["keepsTurn"]), (&json!("takeTurn"), &json!(true)));
    let step = tell(json!({"event": "turn"}));
    let payment = step["payment"].as_str().unwrap_or_else(|| panic!("{step}"));
    let sent: Value = stripe402_protocol::decode(payment.as_bytes()).unwrap();
    assert_eq!((&sent["maxPrice"], &sent["topUpAmount"]), (&json!(500), &json!(50_000)));
    assert_eq!(step["changed"], true, "written down before it is sent");
    let id = ClientId::derive(b"secret", "card").to_hex();
    let receipt = encode(&json!({
        "success": true, "creditsRemaining": 49_500, "clientId": id, "chargeId": "pi_1",
    }));
    let answer = json!({"status": 200, "paymentResponse": receipt});
    let step = tell(json!({"event": "answer", "answer": answer}));
    let paid = json!({
        "creditsRemaining": 49_500, "clientId": id, "chargeId": "pi_1", "charged": 50_000,
    });
    assert_eq!((&step["step"], &step["paid"]), (&json!("done"), &paid));
    assert_eq!(core.spent(), "50000");

    let kept = core.dump();
    let mut again = Core::new("{}").unwrap();
    again.load(&kept).unwrap();
    assert_eq!(again.dump(), kept);
}

#[on_each]
fn a_challenge_is_explained() {
    let explained: Value = serde_json::from_str(&explain(&encode(&challenge()))).unwrap();
    assert_eq!(explained["terms"]["price"], 500);
    let explained: Value = serde_json::from_str(&explain("~")).unwrap();
    assert_eq!(explained["error"]["code"], "challenge_malformed");
}

#[on_each]
fn what_makes_no_sense_is_refused_in_words() {
    assert!(Core::new(r#"{"maxPrize": 1}"#).unwrap_err().contains("maxPrize"));
    let mut core = Core::new("{}").unwrap();
    assert!(core.call("{}").is_err());
    assert!(core.load("[]").is_err());
    let request = r#"{"origin":"x","method":"GET","path":"/","replayable":true,"key":"k"}"#;
    let mut call = core.call(request).unwrap();
    assert!(core.step(&mut call, r#"{"event":"party"}"#, 0.0).is_err());
    assert!(core.step(&mut call, r#"{"event":"card","card":"4242"}"#, 0.0).is_err());
}
