use serde_json::{Value, json};

use super::*;

fn good() -> Value {
    json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [
            {"path": "/api/joke", "price": 100},
            {"path": "/api/weather", "methods": ["GET"], "price": 500, "min_top_up": 60000},
        ],
    })
}

/// The good configuration with one value replaced; a path is written as in the error.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = good();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap()[field] = value;
    config
}

fn parse(config: &Value) -> Result<Config, ConfigError> {
    Config::parse(&serde_json::to_vec(config).unwrap())
}

#[test]
fn defaults_are_those_that_are_documented() {
    let config = parse(&good()).unwrap();
    assert_eq!(config.ledger.timeout, Duration::from_secs(1));
    assert_eq!(config.ledger.payment_timeout, Duration::from_secs(30));
    assert_eq!(config.ledger.token_env, "LEDGER_TOKEN");
    assert_eq!(config.unmatched, Unmatched::Free);
    assert_eq!(config.limits.payment_header_bytes, 8192);
    let joke = config.routes.find("GET", "/api/joke").unwrap();
    assert_eq!((joke.min_top_up.get(), joke.max_top_up.get()), (50_000, 10_000_000));
    assert!(joke.void_on.upstream_5xx && !joke.void_on.client_gone);
}

#[test]
fn the_least_top_up_is_never_below_the_price() {
    let config = parse(&with("/routes/0/price", json!(70_000))).unwrap();
    assert_eq!(config.routes.find("GET", "/api/joke").unwrap().min_top_up.get(), 70_000);
}

#[test]
fn whole_doubles_are_amounts() {
    for price in ["500.0", "5e2"] {
        let text = good().to_string().replace("\"price\":500", &format!("\"price\":{price}"));
        assert!(text.contains(price));
        assert!(Config::parse(text.as_bytes()).is_ok(), "{price}");
    }
}

#[test]
fn what_is_wrong_is_named_by_path() {
    let cases: [(&str, Value, &str); 28] = [
        ("/publishable_key", json!("sk_test_x"), "publishable_key"),
        ("/publishable_key", json!(7), "publishable_key"),
        ("/pubishable_key", json!("pk_test_x"), "pubishable_key"),
        ("/currency", json!("xxx"), "currency"),
        ("/currency", json!("USD"), "currency"),
        ("/currency", json!("jpy"), "min_top_up"),
        ("/min_top_up", json!(4_999), "min_top_up"),
        ("/max_top_up", json!(49_999), "max_top_up"),
        ("/ledger/cluster", json!(""), "ledger.cluster"),
        ("/ledger/timeout", json!("1 second"), "ledger.timeout"),
        ("/ledger/timeout", json!("0s"), "ledger.timeout"),
        ("/ledger/payment_timeout", json!(30), "ledger.payment_timeout"),
        ("/ledger/url", json!("http://x"), "ledger.url"),
        ("/routes", json!([]), "routes"),
        ("/routes/1/price", json!(0), "routes[1].price"),
        ("/routes/1/price", json!(-1), "routes[1].price"),
        ("/routes/1/price", json!(0.5), "routes[1].price"),
        ("/routes/1/price", json!("500"), "routes[1].price"),
        ("/routes/1/prize", json!(500), "routes[1].prize"),
        ("/routes/1/min_top_up", json!(4_999), "routes[1].min_top_up"),
        ("/routes/1/max_top_up", json!(59_999), "routes[1].max_top_up"),
        ("/routes/1/path", json!("api"), "routes[1].path"),
        ("/routes/1/path", json!("/api/{id}"), "routes[1].path"),
        ("/routes/1/path", json!("/API/Joke/"), "routes[1]"),
        ("/routes/1/methods", json!(["get"]), "routes[1].methods[0]"),
        ("/routes/1/void_on", json!(["whenever"]), "routes[1].void_on[0]"),
        ("/identity", json!({"price": "x-stripe402-client-id"}), "identity.client_id"),
        ("/limits", json!({"queue": 0}), "limits.queue"),
    ];
    for (pointer, value, path) in cases {
        let error = parse(&with(pointer, value.clone())).expect_err(pointer);
        assert_eq!(error.path, path, "{pointer} = {value}: {error}");
    }
    assert_eq!(Config::parse(b"{").unwrap_err().path, "configuration");
}
