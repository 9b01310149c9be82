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
    assert_eq!(core.spent(1_800_000_000.0), "50000");

    let kept = core.dump();
    let mut again = Core::new("{}").unwrap();
    again.load(&kept).unwrap();
    assert_eq!(again.dump(), kept);
}

/// What is held, what it cost, and what cannot be known, as JavaScript hears it.
#[on_each]
fn a_hold_is_settled_in_json() {
    let mut core = Core::new(r#"{"clientId": null, "maxPrice": "2usd"}"#).unwrap();
    let id = "019b0000000007070707070707070707";
    let origin = "https://api.example";
    let hold = json!({"id": id, "amount": 20_000, "currency": "usd", "origin": origin});
    let kept = json!({"origins": {origin: {
        "balances": {"usd": 30_000}, "holds": {id: {"amount": 20_000, "currency": "usd"}},
    }}});
    core.load(&kept.to_string()).unwrap();
    let mut settle = |told: Value, waited: f64| -> Value {
        let said = core.settle(&hold.to_string(), &told.to_string(), waited).unwrap();
        let mut said: Value = serde_json::from_str(&said).unwrap();
        let kept: Value = serde_json::from_str(&core.dump()).unwrap();
        said["left"] = kept["origins"][origin]["balances"]["usd"].clone();
        said
    };
    let body = |state: &str, left: i64, captured: Option<i64>| {
        let mut told =
            json!({"id": id, "state": state, "currency": "usd", "creditsRemaining": left});
        if let Some(captured) = captured {
            told["captured"] = json!(captured);
        }
        told
    };
    let answer = |told: &Value| json!({"status": 200, "body": told.to_string()});
    let said = settle(Value::Null, 0.0);
    assert_eq!(said, json!({"after": 100, "changed": false, "left": 30_000}));
    let said = settle(answer(&body("held", 30_000, None)), 400.0);
    assert_eq!(said, json!({"after": 400, "changed": false, "left": 30_000}));
    let told = body("captured", 49_875, Some(125));
    let said = settle(answer(&told), 500.0);
    assert_eq!(said, json!({"settlement": told, "changed": true, "left": 49_875}));
    let said = settle(json!({"status": 404, "body": ""}), 0.0);
    assert_eq!(
        (&said["error"]["code"], &said["error"]["status"]),
        (&json!("unsettled"), &json!(404))
    );
    assert!(core.settle("{}", "null", 0.0).is_err());
    assert!(core.settle(&hold.to_string(), r#"{"status": "200"}"#, 0.0).is_err());
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
