mod anonymous;
mod leases;
mod mcp;
mod metered;
mod mpp;
mod trial;

use serde_json::{Value, json};

use super::*;
use crate::pricing::Wanted;

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
    match config.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[field.parse::<usize>().unwrap()] = value,
        object => object[field] = value,
    }
    config
}

fn parse(config: &Value) -> Result<Config, ConfigError> {
    Config::parse(&serde_json::to_vec(config).unwrap())
}

fn joke(config: &Config) -> Rc<Offer> {
    let wanted = Wanted { method: Some("GET"), host: "", path: "/api/joke", route_name: None };
    config.routes.find(wanted).rule.unwrap().offer.clone().unwrap()
}

#[test]
fn defaults_are_those_that_are_documented() {
    let config = parse(&good()).unwrap();
    assert_eq!(config.ledger.timeout, Duration::from_secs(1));
    assert_eq!(config.ledger.payment_timeout, Duration::from_secs(30));
    assert_eq!(config.ledger.token_env, "LEDGER_TOKEN");
    assert_eq!(config.unmatched, Unmatched::Free);
    assert_eq!(config.limits.payment_header_bytes, 8192);
    let joke = joke(&config);
    assert_eq!((joke.min_top_up.get(), joke.max_top_up.get()), (50_000, 10_000_000));
    assert!(joke.void_on.upstream_5xx && !joke.void_on.client_gone);
    assert!(config.route_metadata && config.access_log);
    assert_eq!(config.ledger_unavailable, LedgerUnavailable::Deny);
    let discovery = config.discovery.unwrap();
    assert_eq!((&*discovery.path, discovery.balances_per_minute), ("/.well-known/stripe402", 60));
    assert_eq!(config.paywall.unwrap().stripe_js, "https://js.stripe.com/v3/");
}

#[test]
fn the_least_top_up_is_never_below_the_price() {
    let config = parse(&with("/routes/0/price", json!(70_000))).unwrap();
    assert_eq!(joke(&config).min_top_up.get(), 70_000);
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
fn a_field_that_is_there_twice_is_a_mistake() {
    let good = good().to_string();
    for (once, twice, path) in [
        ("\"price\":500", "\"price\":500,\"price\":5", "routes[1].price"),
        ("\"price\":500", "\"price\":500,\"pric\\u0065\":500", "routes[1].price"),
        ("\"cluster\":\"ledger\"", "\"cluster\":\"a\",\"cluster\":\"b\"", "ledger.cluster"),
        ("\"publishable_key\"", "\"routes\":[],\"publishable_key\"", "routes"),
    ] {
        let text = good.replacen(once, twice, 1);
        assert_ne!(text, good);
        let error = Config::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.path, path);
        assert!(error.problem.contains("twice"), "{error}");
    }
    assert!(Config::parse(format!("{good} x").as_bytes()).is_err());
}

#[test]
fn what_is_wrong_is_named_by_path() {
    let cases = [
        ("/publishable_key", json!("sk_test_x"), "publishable_key"),
        ("/publishable_key", json!(7), "publishable_key"),
        ("/pubishable_key", json!("pk_test_x"), "pubishable_key"),
        ("/currency", json!("xxx"), "currency"),
        ("/currency", json!("USD"), "currency"),
        ("/currency", json!("jpy"), "routes[0].min_top_up"),
        ("/min_top_up", json!(4_999), "min_top_up"),
        ("/max_top_up", json!(49_999), "max_top_up"),
        ("/ledger/cluster", json!(""), "ledger.cluster"),
        ("/ledger/timeout", json!("1 second"), "ledger.timeout"),
        ("/ledger/timeout", json!("0s"), "ledger.timeout"),
        ("/ledger/payment_timeout", json!(30), "ledger.payment_timeout"),
        ("/ledger/url", json!("http://x"), "ledger.url"),
        ("/routes", json!({}), "routes"),
        ("/routes/1/price", json!(0), "routes[1].price"),
        ("/routes/1/price", json!(-1), "routes[1].price"),
        ("/routes/1/price", json!(0.5), "routes[1].price"),
        ("/routes/1/price", json!("500"), "routes[1].price"),
        ("/routes/1/prize", json!(500), "routes[1].prize"),
        ("/routes/1/min_top_up", json!(4_999), "routes[1].min_top_up"),
        ("/routes/1/max_top_up", json!(59_999), "routes[1].max_top_up"),
        ("/routes/1/path", json!("api"), "routes[1].path"),
        ("/routes/1/path", json!("/api/x{id}"), "routes[1].path"),
        ("/routes/1/path", json!("/api/{}"), "routes[1].path"),
        ("/routes/1/path", json!("/api/{id"), "routes[1].path"),
        ("/routes/1/path", json!("/api//weather"), "routes[1].path"),
        ("/routes/1/path", json!("/api/../weather"), "routes[1].path"),
        ("/routes/1/path", json!("/api/%77eather"), "routes[1].path"),
        ("/routes/1/path", Value::Null, "routes[1].path"),
        ("/routes/1/prefix", json!("/api/"), "routes[1].path"),
        ("/routes/1", json!({"prefix": "/{id}", "price": 1}), "routes[1].prefix"),
        ("/routes/1", json!({"prefix": "api", "price": 1}), "routes[1].prefix"),
        ("/routes/1", json!({"route_name": "", "price": 1}), "routes[1].path"),
        ("/routes/1", json!({"route_name": 1, "price": 1}), "routes[1].route_name"),
        ("/routes/1/free", json!(true), "routes[1].price"),
        ("/routes/1/free", json!("yes"), "routes[1].free"),
        ("/routes/1/price", Value::Null, "routes[1].price"),
        ("/routes/1/currency", json!("jpy"), "routes[1].min_top_up"),
        ("/identity", json!({"client_id": "host"}), "identity.client_id"),
        ("/identity", json!({"price": "content-length"}), "identity.price"),
        ("/routes/1/name", json!(""), "routes[1].name"),
        ("/routes/1/name", json!("a\u{0}b"), "routes[1].name"),
        ("/routes/1/name", json!("n".repeat(257)), "routes[1].name"),
        ("/routes/1/path", json!(format!("/{}", "n".repeat(256))), "routes[1].name"),
        ("/route_metadata", json!("no"), "route_metadata"),
        ("/ledger_unavailable", json!("maybe"), "ledger_unavailable"),
        ("/unmatched", json!("allow"), "unmatched"),
        ("/access_log", json!(1), "access_log"),
        ("/discovery", json!({"path": "x"}), "discovery.path"),
        ("/discovery", json!({"path": "/a\"b"}), "discovery.path"),
        ("/discovery", json!({"balances_per_minute": 0}), "discovery.balances_per_minute"),
        ("/discovery", json!({"openapi": {"openapi": "3.1.0"}}), "discovery.openapi"),
        ("/discovery", json!({"openapi": "openapi: 3.1.0"}), "discovery.openapi"),
        ("/discovery", json!({"openapi": "{\"swagger\": \"2.0\"}"}), "discovery.openapi"),
        ("/discovery", json!({"openapi": document(65_537)}), "discovery.openapi"),
        ("/discovery", json!({"llms": "yes"}), "discovery.llms"),
        ("/paywall", json!({"stripe_js": "javascript:x"}), "paywall.stripe_js"),
        ("/paywall", json!({"stripe_js": "https://x/\"><script>"}), "paywall.stripe_js"),
        ("/paywall", json!({"seller": ""}), "paywall.seller"),
        ("/paywall", json!({"seller": "two\nlines"}), "paywall.seller"),
        ("/paywall", json!({"seller": "x".repeat(81)}), "paywall.seller"),
        ("/paywall", json!({"logo": "data:image/png;base64,AA"}), "paywall.logo"),
        ("/paywall", json!({"support": "help@example.com"}), "paywall.support"),
        ("/paywall", json!({"terms": "javascript:alert(1)"}), "paywall.terms"),
        ("/paywall", json!({"privacy": "https://example.com/a b"}), "paywall.privacy"),
        ("/paywall", json!({"accent": "red"}), "paywall.accent"),
        ("/paywall", json!({"accent": "#12345g"}), "paywall.accent"),
        ("/routes/1/path", json!("/API/Joke/"), "routes[1]"),
        ("/routes/1/hosts", json!("api.example.com"), "routes[1].hosts"),
        ("/routes/1/hosts", json!(["api.example.com:443"]), "routes[1].hosts"),
        ("/routes/1/hosts", json!([7]), "routes[1].hosts[0]"),
        ("/routes/1/methods", json!(["get"]), "routes[1].methods[0]"),
        ("/routes/1/void_on", json!(["whenever"]), "routes[1].void_on[0]"),
        ("/identity", json!({"price": "x-stripe402-client-id"}), "identity.client_id"),
        ("/limits", json!({"queue": 0}), "limits.queue"),
        ("/limits", json!({"by_window_bytes": 1_023}), "limits.by_window_bytes"),
    ];
    for (pointer, value, path) in cases {
        let error = parse(&with(pointer, value.clone())).expect_err(pointer);
        assert_eq!(error.path, path, "{pointer} = {value}: {error}");
    }
    let nowhere = parse(&with("/routes/1/path", Value::Null)).unwrap_err().to_string();
    let expected = "routes[1].path: is missing: a route needs one of path, prefix and route_name";
    assert_eq!(nowhere, expected);
    assert_eq!(Config::parse(b"{").unwrap_err().path, "configuration");
    let mut nothing = good();
    nothing["routes"] = json!([]);
    assert!(parse(&nothing).is_ok(), "routes in Envoy say their prices themselves");
    nothing["route_metadata"] = json!(false);
    assert_eq!(parse(&nothing).unwrap_err().path, "routes");
}

#[test]
fn prices_in_metadata_alone_are_warned_of_unless_the_rest_is_denied() {
    let mut config = good();
    assert_eq!(parse(&config).unwrap().warning(), None);
    config["routes"] = json!([]);
    assert!(parse(&config).unwrap().warning().unwrap().starts_with("routes is empty"));
    config["unmatched"] = json!("deny");
    assert_eq!(parse(&config).unwrap().warning(), None);
}

#[test]
fn rules_of_one_path_clash_unless_their_hosts_tell_them_apart() {
    for (one, other, clash) in [
        (json!(["a.com"]), json!(["b.com"]), false),
        (json!(["a.com"]), json!(["A.com."]), true),
        (json!(["a.com", "b.com"]), json!(["b.com"]), true),
        (json!(["a.com"]), json!([]), false),
        (json!(["*.com"]), json!(["a.com"]), false),
        (json!(["*.com"]), json!(["*.a.com"]), true),
        (json!([]), json!([]), true),
    ] {
        let mut config = good();
        config["routes"] = json!([
            {"path": "/a", "price": 1, "hosts": one}, {"path": "/A", "price": 2, "hosts": other},
        ]);
        let problem = parse(&config).err().map(|error| error.to_string());
        let expected = "routes[1]: has the same path, method and host as routes[0]; remove one";
        assert_eq!(problem, clash.then(|| expected.to_owned()), "{config}");
    }
}

/// An OpenAPI document of so many bytes.
fn document(bytes: usize) -> String {
    let start = "{\"openapi\":\"3.1.0\"}";
    start.to_owned() + &" ".repeat(bytes.saturating_sub(start.len()))
}

#[test]
fn a_document_is_taken_up_to_what_registries_read() {
    let config = parse(&with("/discovery", json!({"openapi": document(65_536)}))).unwrap();
    assert_eq!(config.discovery.unwrap().openapi.unwrap().len(), 65_536);
}

#[test]
fn discovery_and_paywall_can_be_off() {
    let off = json!({"enabled": false});
    assert!(parse(&with("/discovery", off.clone())).unwrap().discovery.is_none());
    assert!(parse(&with("/paywall", off)).unwrap().paywall.is_none());
}

/// What Envoy hands over of a route's metadata: pairs, padded to thirty bytes.
fn said(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut bytes = u32::try_from(fields.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in fields {
        bytes.extend([size(name.as_bytes()), size(value)].concat());
    }
    for (name, value) in fields {
        bytes.extend([name.as_bytes(), &[0], value, &[0]].concat());
    }
    bytes.resize(bytes.len().max(30), 0);
    bytes
}

#[test]
fn what_a_route_says_of_itself_is_its_price_or_an_error_and_never_free_by_mistake() {
    let config = parse(&good()).unwrap();
    let [one, half, price, least] = [1.0_f64, 0.5, 250.0, 60_000.0].map(f64::to_le_bytes);
    let causes = said(&[("upstream_4xx", b""), ("client_gone", b"")]);
    let all = said(&[
        ("price", &price),
        ("min_top_up", &least),
        ("currency", b"eur"),
        ("description", "\u{fc}ber".as_bytes()),
        ("void_on", &causes),
    ]);
    let route = config.metadata(&all, Some("in envoy")).unwrap().unwrap();
    assert_eq!(
        (route.price().get(), route.min_top_up.get(), &*route.name),
        (250, 60_000, "in envoy")
    );
    assert_eq!((route.currency.as_str(), route.description.as_deref()), ("eur", Some("\u{fc}ber")));
    assert!(route.void_on.upstream_4xx && route.void_on.client_gone && !route.void_on.upstream_5xx);
    assert!(config.metadata(&said(&[("free", &[1])]), None).unwrap().is_none());
    let [zero, negative, nan, huge] = [0.0, -1.0, f64::NAN, 1e300].map(f64::to_le_bytes);
    for wrong in [
        vec![],
        vec![1, 2, 3],
        vec![0xff; 30],
        all[..40].to_vec(),
        said(&[]),
        said(&[("price", &zero)]),
        said(&[("price", &negative)]),
        said(&[("price", &half)]),
        said(&[("price", &nan)]),
        said(&[("price", &huge)]),
        said(&[("price", b"")]),
        said(&[("price", b"100")]),
        said(&[("price", b"12345678")]),
        said(&[("price", b"\0\0\0\0\0\0\0\0")]),
        said(&[("price", &[1])]),
        said(&[("prize", &one)]),
        said(&[("free", &[0])]),
        said(&[("free", b"true")]),
        said(&[("price", &one), ("free", &[1])]),
        said(&[("price", &one), ("min_top_up", &one)]),
        said(&[("price", &one), ("currency", b"xxx")]),
        said(&[("price", &one), ("currency", &one)]),
        said(&[("price", &one), ("description", &one)]),
        said(&[("price", &one), ("void_on", b"upstream_5xx")]),
        said(&[("price", &one), ("void_on", &said(&[("never", b"")]))]),
    ] {
        let error = config.metadata(&wrong, None).expect_err(&format!("{wrong:?}"));
        assert!(error.path.starts_with("filter_metadata.stripe402"), "{error}");
    }
}
