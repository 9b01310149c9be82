//! Prices in OpenAPI documents of different makes, read again as registries read them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this file is tests, their helpers too"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use stripe402_dev::{binary, openapi};

/// Each document with all that is for sale in it: method, path, amount in the currency's smallest unit, units.
const DOCUMENTS: [(&str, &[&str]); 14] = [
    (
        "plain.yaml",
        &[
            "get /api/joke 1 100",
            "head /api/joke 1 100",
            "get /v1/weather 5 500",
            "get /v2/reports/{year} 3 30000",
            "post /v2/reports/{year} 3 30000",
        ],
    ),
    (
        "absolute-server.json",
        &[
            "get /weather 5 500",
            "get /thumbs/{id} null 75",
            "delete /thumbs/{id} null 75",
            "post /chat null 20000",
        ],
    ),
    ("relative-server.yaml", &["get /weather 5 500"]),
    ("variables.yaml", &["get /weather 5 500", "get /reports/2026 3 30000"]),
    ("servers-below.yaml", &["get /weather 5 500", "post /weather 3 30000", "get /joke 1 100"]),
    ("two-servers.yaml", &["get /forecast 20 2000", "get /thumbs/{id} null 75"]),
    ("swagger.json", &["get /weather 5 500", "post /chat null 20000"]),
    (
        "path-refs.yaml",
        &["get /api/joke 1 100", "get /v1/weather 5 500", "get /v1/thumbs/{id} null 75"],
    ),
    (
        "merge-keys.yaml",
        &["get /api/joke 1 100", "get /v1/weather 5 500", "get /v1/thumbs/{id} null 75"],
    ),
    ("byte-order-mark.json", &["get /api/joke 1 100", "get /v1/weather 5 500"]),
    ("numeric-keys.yaml", &["get /api/joke 1 100", "get /v1/weather 5 500"]),
    ("tools.yaml", &["get /api/joke 1 100", "post /mcp null null"]),
    ("webhooks.yaml", &[]),
    ("other-methods.yaml", &["get /api/joke 1 100", "get /v1/weather 5 500"]),
];

fn fixture(name: &str) -> PathBuf {
    binary::workspace().join("dev/tests/openapi").join(name)
}

fn priced(name: &str) -> openapi::Priced {
    openapi::with_prices(&fixture("gateway.yaml"), &fixture(name), false).unwrap()
}

/// The document with its prices, whatever its form: YAML's numbers are JSON's texts.
fn document(name: &str) -> Value {
    let text = openapi::with_prices(&fixture("gateway.yaml"), &fixture(name), true).unwrap().text;
    assert!(text.starts_with('{'), "{name}: {text}");
    serde_json::from_str(&text).unwrap()
}

fn sold(document: &Value) -> Vec<String> {
    let mut sold: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().unwrap() {
            let ours = &operation["x-stripe402"];
            let offers = operation["x-payment-info"]["offers"].as_array();
            let offers = offers.into_iter().flatten().filter(|offer| offer["method"] == "stripe");
            let amounts: Vec<_> = offers.map(|offer| offer["amount"].clone()).collect();
            assert_eq!(amounts.len(), usize::from(!ours.is_null()), "{method} {path}: {operation}");
            let Some(amount) = amounts.first() else { continue };
            assert!(operation["responses"]["402"]["description"].is_string(), "{method} {path}");
            let amount = amount.as_str().unwrap_or("null");
            sold.push(format!("{method} {path} {amount} {}", ours["price"]));
        }
    }
    sold.sort_unstable();
    sold
}

#[test]
fn every_operation_has_the_price_that_the_gateway_asks() {
    let differs = |(name, expected): (&'static str, &[&str])| {
        let sold = sold(&document(name));
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        (sold != expected).then(|| format!("{name}: {sold:?}, not {expected:?}"))
    };
    let wrong: Vec<String> = DOCUMENTS.into_iter().filter_map(differs).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_offer_is_the_drafts_and_what_only_we_know_is_beside_it() {
    let document = document("absolute-server.json");
    let operation = |method: &str, path: &str| document["paths"][path][method].clone();
    let weather = operation("get", "/weather");
    let offer = json!({
        "intent": "charge", "method": "stripe", "amount": "5", "currency": "usd",
        "description": "Weather",
    });
    assert_eq!(weather["x-payment-info"], json!({"offers": [offer]}));
    let ours = json!({
        "stripe402Version": 1, "price": 500, "currency": "usd", "minTopUp": 50_000,
        "publishableKey": "pk_test_openapi", "description": "Weather",
    });
    assert_eq!(weather["x-stripe402"], ours);
    assert_eq!(weather["responses"]["402"], json!({"description": "Payment Required"}));
    // Below the smallest unit, and known only afterwards: in words.
    let said = |method: &str, path: &str| {
        let operation = operation(method, path);
        operation["x-payment-info"]["offers"][0]["description"].as_str().unwrap().to_owned()
    };
    assert_eq!(said("get", "/thumbs/{id}"), "A thumbnail; $0.0075 per request");
    let thumbs = operation("get", "/thumbs/{id}")["x-stripe402"].clone();
    let free = [&thumbs["trial"], &thumbs["anonymous"]];
    assert_eq!(free, [&json!({"units": 75}), &json!({"requests": 3})], "what costs nothing");
    assert_eq!(
        said("post", "/chat"),
        "Chat; 25 units per 1000 prompt; at most 20000 units ($2.00); a unit is $0.0001"
    );
    assert_eq!(operation("post", "/chat")["x-stripe402"]["pricing"]["least"], 100);
}

#[test]
fn a_message_to_an_mcp_server_costs_what_its_tool_does() {
    let operation = &document("tools.yaml")["paths"]["/mcp"]["post"];
    let tools = json!({"echo": 0, "search": 100, "report": 2_500});
    assert_eq!(operation["x-stripe402"]["tools"], tools);
    assert_eq!(
        operation["x-payment-info"]["offers"][0]["description"],
        "Tools; by the tool that is called: echo free, report at most $0.25, search $0.01"
    );
}

#[test]
fn a_document_keeps_what_it_says_besides() {
    let plain = document("plain.yaml");
    assert_eq!(plain["x-service-info"]["categories"], json!(["data"]));
    let own = json!({"description": "Own words"});
    assert_eq!(plain["paths"]["/v2/reports/{year}"]["get"]["responses"]["402"], own);
    let stale = &plain["paths"]["/api/joke"]["post"];
    assert_eq!(*stale, json!({"responses": {}}), "a price that holds no longer goes");
    let numeric = document("numeric-keys.yaml");
    let joke = &numeric["paths"]["/api/joke"]["get"]["responses"];
    assert_eq!(joke["402"]["description"], "Costs a cent");
    let text = priced("numeric-keys.yaml").text;
    let codes = text.lines().filter(|line| matches!(line.trim(), "402:" | "'402':"));
    assert_eq!(codes.count(), 2, "one an operation: {text}");
    assert_eq!(
        document("webhooks.yaml")["webhooks"]["weatherChanged"].as_object().unwrap().len(),
        1
    );
    let others = document("other-methods.yaml");
    let offers = |path: &str| others["paths"][path]["get"]["x-payment-info"]["offers"].clone();
    assert_eq!(offers("/api/joke")[0]["method"], "tempo");
    assert_eq!(offers("/v1/weather")[0]["description"], "By size");
    assert_eq!(
        offers("/v1/health"),
        json!([{"intent": "charge", "method": "tempo", "amount": "5"}])
    );
    assert_eq!(document("byte-order-mark.json")["info"]["title"], "With a byte order mark 😀");
    for name in ["plain.yaml", "byte-order-mark.json"] {
        assert_eq!(priced(name).text.starts_with('{'), name.ends_with(".json"), "its own form");
        let order = ["openapi", "info", "paths", "/api/joke", "/v1/weather"];
        let text = priced(name).text;
        assert!(order.map(|key| text.find(key).unwrap()).is_sorted(), "its own order: {text}");
    }
}

#[test]
fn what_is_for_sale_and_in_no_operation_is_told() {
    let remarks = priced("webhooks.yaml").remarks;
    let expected = [
        "GET /api/joke ($0.01) is in no operation",
        "GET /v1/weather ($0.05) is in no operation",
        "/v1/forecast ($0.03) is in no operation",
        "pro.example.com/v1/forecast ($0.20) is in no operation",
        "/v1/thumbs/{id} ($0.0075) is in no operation",
        "POST /v1/chat ($2.00) is in no operation",
        "GET /v2/reports/* (3.00 JPY) is in no operation",
        "POST /v2/reports/* (3.00 JPY) is in no operation",
        "Envoy's route internal ($0.07) has its price by its name: no operation says which path that is",
        "/mcp ($0.25) is in no operation",
        "Envoy's route partner has its price in its metadata: no operation says which path that is",
    ];
    assert_eq!(remarks, expected);
    let plain = priced("plain.yaml").remarks;
    assert_eq!(plain, [&expected[2..6], &expected[8..]].concat());
    let two = priced("two-servers.yaml").remarks.join("\n");
    assert!(!two.contains("forecast") && two.contains("GET /v1/weather"), "{two}");
    let refs = priced("path-refs.yaml").remarks.join("\n");
    let far = "/v1/chat has no price: its $ref chat.yaml#/chat is in another file";
    assert!(refs.contains(far), "{refs}");
}

fn command(arguments: &[&str], config: &Path, spec: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stripe402-openapi"));
    command.args(arguments).arg(config).arg(fixture(spec)).output().unwrap()
}

#[test]
fn strict_fails_where_something_is_missing() {
    let (demo, demo_api) = (binary::workspace().join("envoy/envoy.yaml"), "demo-api.yaml");
    for (arguments, config, spec, status, told) in [
        (&[][..], &fixture("gateway.yaml"), "plain.yaml", 0, true),
        (&["--strict"], &fixture("gateway.yaml"), "plain.yaml", 1, true),
        (&["--strict", "--json"], &demo, demo_api, 0, false),
        (&["--strcit"], &demo, demo_api, 1, true),
        (&[], &demo, "gateway.yaml", 1, true),
    ] {
        let output = command(arguments, config, spec);
        assert_eq!(output.status.code(), Some(status), "{arguments:?} {spec}: {output:?}");
        assert_eq!(!output.stderr.is_empty(), told, "{arguments:?} {spec}: {output:?}");
        if told && status == 1 && arguments == ["--strict"] {
            assert!(String::from_utf8(output.stdout).unwrap().contains("x-payment-info"));
        }
    }
}

/// By the draft's JSON schema, by mppx's parser, and by mppx's own command.
#[test]
fn registries_accept_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = DOCUMENTS.map(|(name, _)| {
        let file = folder.path().join(name).with_extension("json");
        std::fs::write(&file, document(name).to_string()).unwrap();
        file
    });
    let packages = binary::workspace().join("tests/sdks");
    let mut node = Command::new("node");
    let output = node.arg("discovery.mjs").args(&files).current_dir(&packages).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for file in &files {
        let found = &found[file.to_str().unwrap()];
        // Registries read OpenAPI 3 only.
        let mppx = if file.ends_with("swagger.json") { 1 } else { 0 };
        assert_eq!(found["bySchema"], json!([]), "{}", file.display());
        assert_eq!(found["byMppx"].as_array().unwrap().len(), mppx, "{}: {found}", file.display());
    }
    let mut command = Command::new(packages.join("node_modules/.bin/mppx"));
    let output = command.args(["discover", "validate"]).arg(&files[1]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
