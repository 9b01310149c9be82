//! The golden vectors, natively and (with `--target wasm32-unknown-unknown`) as wasm under Node.
//!
//! They were made with another language's standard library: see `vectors/protocol.json`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a vector that is not there, or of another shape, must fail the test"
)]

use serde_json::{Value, json};
use stripe402_protocol::{Challenge, ClientId, Currency, Payment, Receipt, Units, encode};

#[cfg(not(target_arch = "wasm32"))]
use core::prelude::v1::test as golden;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as golden;

fn vectors(group: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../vectors/protocol.json")).unwrap();
    let group = file[group].as_array().unwrap().clone();
    assert!(!group.is_empty());
    group
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Decodes with the type of the header, and writes it again.
fn round_trip(header: &str, encoded: &str) -> (Value, String) {
    match header {
        "payment-required" => {
            let challenge: Challenge = stripe402_protocol::decode(encoded.as_bytes()).unwrap();
            (json!(challenge), encode(&challenge))
        }
        "payment-response" => {
            let receipt: Receipt = stripe402_protocol::decode(encoded.as_bytes()).unwrap();
            (json!(receipt), encode(&receipt))
        }
        "payment" => {
            let payment = Payment::decode(encoded.as_bytes()).unwrap();
            (json!(payment), encode(&payment))
        }
        other => panic!("a vector for an unknown header: {other}"),
    }
}

#[golden]
fn headers_decode_to_their_json_and_encode_to_the_same_bytes() {
    for vector in vectors("headers") {
        let (json, encoded) = round_trip(text(&vector["header"]), text(&vector["encoded"]));
        assert_eq!(json, vector["json"]);
        assert_eq!(encoded, text(&vector["encoded"]));
    }
}

#[golden]
fn payments_in_every_spelling_mean_the_same() {
    for vector in vectors("payments") {
        let payment = Payment::decode(text(&vector["encoded"]).as_bytes()).unwrap();
        assert_eq!(json!(payment), vector["means"]);
    }
}

#[golden]
fn broken_payments_are_refused() {
    for vector in vectors("invalidPayment") {
        assert!(Payment::decode(text(&vector).as_bytes()).is_err(), "{vector}");
    }
}

#[golden]
fn client_ids_are_derived_from_fingerprint_and_secret() {
    for vector in vectors("clientIds") {
        let id = ClientId::derive(text(&vector["secret"]).as_bytes(), text(&vector["fingerprint"]));
        assert_eq!(id.to_hex(), text(&vector["clientId"]));
    }
}

#[golden]
fn units_become_minor_units_and_back() {
    for vector in vectors("units") {
        let currency: Currency = text(&vector["currency"]).parse().unwrap();
        let units = Units::new(vector["units"].as_i64().unwrap()).unwrap();
        assert_eq!(currency.minor_units(units), vector["minor"].as_i64().unwrap(), "{vector}");
        let credited = currency.chargeable(units).unwrap();
        assert_eq!(credited.get(), vector["credited"].as_i64().unwrap(), "{vector}");
    }
}
