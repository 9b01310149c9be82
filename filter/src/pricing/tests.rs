use std::time::Instant;

use serde_json::{Value, json};

use super::{Found, Table, Wanted};
use crate::config::Config;

fn table(routes: &Value) -> Table {
    let config = json!({
        "publishable_key": "pk_test_x", "ledger": {"cluster": "l"}, "routes": routes,
    });
    Config::parse(config.to_string().as_bytes()).unwrap().routes
}

fn find<'t>(table: &'t Table, path: &str) -> Found<'t> {
    table.find(Wanted { method: Some("GET"), host: "x", path, route_name: None })
}

/// The name of what is sold, `free` where a rule says so, `none` where no rule speaks.
fn name<'t>(table: &'t Table, method: &str, path: &str) -> &'t str {
    named(table, method, path, None)
}

fn named<'t>(table: &'t Table, method: &str, path: &str, route_name: Option<&str>) -> &'t str {
    called(table.find(Wanted { method: Some(method), host: "x", path, route_name }))
}

fn called(found: Found<'_>) -> &str {
    match found.rule {
        None => "none",
        Some(rule) => rule.offer.as_ref().map_or("free", |offer| &offer.name),
    }
}

/// The same where that which no rule names is denied.
fn or_denied<'t>(table: &'t Table, path: &str) -> &'t str {
    let found = find(table, path);
    if found.open { "denied" } else { called(found) }
}

#[test]
fn every_spelling_that_a_lax_api_serves_is_priced() {
    let table =
        table(&json!([{"name": "joke", "path": "/api/joke", "methods": ["GET"], "price": 1}]));
    for path in [
        "/api/joke",
        "/api/joke/",
        "/API/Joke",
        "/api/joke?x=1",
        "/api/joke/?x=/",
        "/api/joke#f",
        "//api//joke//",
        "/api/%6aoke",
        "/api/%6Aoke",
        "/api/%256aoke",
        "/api%2fjoke",
        "/%61%70%69/joke%2F",
        "/api/joke;x=1",
        "/api;v=2/joke;x=/?y",
        "/api/joke%3Bx",
        "/api/joke%20",
        "/api/joke%20/",
        "/api/joke.",
        "/api/joke%09",
        "/api/joke%0a",
        "/api/joke%00.png",
        "/api/jo%E2%84%AAe",
        "/x/../api/joke",
        "/x/%2e%2e%2fapi/joke",
        "/api\\joke",
        "/api/./joke",
        // Steps that an API may take in another order, or not at all.
        "/x%3f/..;/api/joke",
        "/x%23/..;/api/joke",
        "/x%252fy/..;/api/joke",
    ] {
        assert_eq!(name(&table, "GET", path), "joke", "{path}");
    }
    for path in ["/api/jokes", "/api", "/", "", "*", "/api/joke/1", "/api/jok%", "/api/%zzjoke"] {
        assert_eq!(name(&table, "GET", path), "none", "{path}");
    }
}

#[test]
fn methods() {
    let table = table(&json!([
        {"name": "get", "path": "/a", "methods": ["GET"], "price": 1},
        {"name": "post", "path": "/a", "methods": ["POST", "PUT"], "price": 2},
        {"name": "all", "path": "/b", "price": 3},
    ]));
    for (method, path, expected) in [
        ("GET", "/a", "get"),
        ("HEAD", "/a", "get"),
        ("get", "/a", "get"),
        ("POST", "/a", "post"),
        ("PUT", "/a", "post"),
        ("DELETE", "/a", "none"),
        ("DELETE", "/b", "all"),
        ("BREW", "/b", "all"),
        ("OPTIONS", "/b", "none"),
    ] {
        assert_eq!(name(&table, method, path), expected, "{method} {path}");
    }
}

#[test]
fn strict_routes_tell_spellings_apart() {
    let table = table(&json!([
        {"name": "lax", "path": "/a", "price": 1},
        {"name": "A", "path": "/A", "strict": true, "price": 2},
        {"name": "slash", "path": "/a/", "strict": true, "price": 3},
        {"name": "under A", "prefix": "/A/", "strict": true, "price": 4},
        {"name": "{A}", "path": "/A/{x}/Y", "strict": true, "price": 5},
    ]));
    for (path, expected) in [
        ("/a", "lax"),
        ("/A", "A"),
        ("/a/", "slash"),
        // As it is written; a lax API would serve something that costs less.
        ("/A/", "under A"),
        ("/A/b", "under A"),
        ("/a/b", "none"),
        ("/A/b/Y", "{A}"),
        ("/A/b/y", "under A"),
    ] {
        assert_eq!(name(&table, "GET", path), expected, "{path}");
    }
}

/// The one order of precedence, and rules that leave a method to the next.
#[test]
fn precedence() {
    let table = table(&json!([
        {"name": "everything", "prefix": "/", "price": 1},
        {"name": "under v1", "prefix": "/v1/", "price": 2},
        {"name": "under users", "prefix": "/v1/users", "methods": ["GET"], "price": 3},
        {"name": "user", "path": "/v1/users/{id}", "methods": ["GET"], "price": 4},
        {"name": "any user", "path": "/v1/{kind}/{id}", "methods": ["GET", "PUT"], "price": 5},
        {"name": "orders", "path": "/v1/users/{id}/orders", "price": 6},
        {"path": "/v1/users/me", "methods": ["GET"], "free": true},
        {"name": "named", "route_name": "special", "methods": ["GET"], "price": 7},
        {"path": "/healthz", "free": true},
    ]));
    for (method, path, expected) in [
        ("GET", "/v1/users/me", "free"),
        // What is free is so as it is written, and in no other spelling.
        ("GET", "/V1/Users/ME/", "any user"),
        ("GET", "/v1/users/ME", "user"),
        ("GET", "/v1/users/me/", "under users"),
        ("GET", "/v1/users/7/", "user"),
        ("GET", "/v1/users/m%65", "user"),
        ("GET", "/v1/users/me;x", "user"),
        ("PUT", "/v1/users/me", "any user"),
        ("DELETE", "/v1/users/me", "under v1"),
        ("GET", "/v1/users/7", "user"),
        ("PUT", "/v1/users/7", "any user"),
        ("GET", "/v1/things/7", "any user"),
        ("POST", "/v1/users/7/orders", "orders"),
        ("GET", "/v1/users/7/orders/1", "under users"),
        ("GET", "/v1/users", "under users"),
        ("GET", "/v1/users.json", "under users"),
        ("GET", "/v1/usersandmore", "under users"),
        ("DELETE", "/v1/users", "under v1"),
        ("GET", "/v1/", "under v1"),
        ("GET", "/v1", "under v1"),
        ("GET", "/v1beta", "everything"),
        ("GET", "/", "everything"),
        ("GET", "/healthz", "free"),
        // An API may take the slash for a part of the id, or not: the dearer holds.
        ("GET", "/v1/users/a%2Fb", "user"),
        ("PUT", "/v1/users/a%2Forders", "orders"),
        // Free as it is written, priced as it is meant, and the other way round.
        ("GET", "/healthz/..%2fv1/x", "under v1"),
        ("GET", "/v1/users/..%2f..%2fhealthz", "user"),
    ] {
        assert_eq!(name(&table, method, path), expected, "{method} {path}");
    }
    for (method, route_name, expected) in [
        ("GET", Some("special"), "named"),
        ("PUT", Some("special"), "any user"),
        ("GET", Some("other"), "user"),
        ("GET", None, "user"),
    ] {
        assert_eq!(named(&table, method, "/v1/users/7", route_name), expected, "{route_name:?}");
    }
}

/// Whatever the prefixes are, the longest that fits is found.
#[test]
fn the_longest_prefix_of_many() {
    let prefixes = ["/", "/a", "/a/", "/a/b", "/a-", "/ab/c", "/b/", "/a/b/c/d"];
    let rules: Vec<Value> =
        prefixes.iter().map(|prefix| json!({"prefix": prefix, "price": 1})).collect();
    let table = table(&json!(rules));
    for path in ["/", "/a", "/a/", "/a/b", "/a/bc", "/a/b/c/d/e", "/ab/d", "/a-b", "/b", "/b/x"] {
        let with_slash = format!("{}/", path.trim_end_matches('/'));
        let longest = prefixes
            .iter()
            .filter(|prefix| with_slash.starts_with(**prefix))
            .max_by_key(|prefix| prefix.len())
            .unwrap();
        assert_eq!(name(&table, "GET", path), *longest, "{path}");
    }
}

/// A lookup costs the same in a small table and in one of 100,000 rules.
#[test]
fn a_hundred_thousand_routes() {
    let rules = |count: usize| {
        let rule = |number: usize| match number % 4 {
            0 => json!({"path": format!("/shop/item-{number}"), "price": 1}),
            1 => json!({"path": format!("/shop/{{kind}}/by-{number}/{{id}}"), "price": 2}),
            2 => json!({"prefix": format!("/files/{number}/"), "price": 3}),
            _ => json!({"path": format!("/Strict/{number}"), "strict": true, "price": 4}),
        };
        table(&json!((0..count).map(rule).collect::<Vec<_>>()))
    };
    let time = |table: &Table| {
        let paths = ["/shop/item-0", "/shop/x/by-1/7", "/files/2/deep/er", "/Strict/3", "/no/one"];
        let expected = [true, true, true, true, false];
        let start = Instant::now();
        for _ in 0..20_000 {
            for (path, expected) in paths.iter().zip(expected) {
                assert_eq!(name(table, "GET", path) != "none", expected, "{path}");
            }
        }
        start.elapsed()
    };
    let (small, large) = (time(&rules(8)), time(&rules(100_000)));
    println!("100,000 lookups: {small:?} among 8 rules, {large:?} among 100,000");
    assert!(large < small * 8, "{large:?} after {small:?}");
}

/// What stands for a parameter of a template may be written so that a lax reading has none.
#[test]
fn parameters_that_a_lax_reading_loses() {
    let table = table(&json!([{"name": "user", "path": "/users/{id}", "price": 1}]));
    for path in ["/users/a", "/users;x/a%252fb", "/users;y/%3fa", "/users/...", "/users/.../"] {
        assert_eq!(name(&table, "GET", path), "user", "{path}");
    }
    assert_eq!(name(&table, "GET", "/users"), "none");
}

/// A rule that is matched in a lax way makes a request dearer, and never cheaper.
#[test]
fn cheaper_rules_are_for_their_own_spelling() {
    let table = table(&json!([
        {"path": "/items/abc", "free": true},
        {"name": "item", "path": "/items/{id}", "price": 50},
        {"name": "cheap", "path": "/items/offer", "price": 5},
        {"name": "camel", "path": "/items/{id}/getParts", "price": 60},
        {"name": "dear", "path": "/items/Gold", "price": 500},
    ]));
    for (path, expected) in [
        ("/items/abc", "free"),
        ("/items/ABC", "item"),
        ("/Items/abc", "item"),
        ("/items/abc/", "free"),
        ("/items/ABC/", "item"),
        ("/items/ab%63", "item"),
        ("/items/abc%2f", "item"),
        ("/items/offer", "cheap"),
        ("/items/SALE", "item"),
        ("/items/7", "item"),
        ("/items/Gold", "dear"),
        ("/items/gold", "dear"),
        ("/ITEMS/GOLD/", "dear"),
        ("/items/7/getParts", "camel"),
        ("/items/7/getparts", "camel"),
        ("/other", "none"),
    ] {
        assert_eq!(name(&table, "GET", path), expected, "{path}");
    }
}

/// Where what no rule names is denied, a reading that no rule names is the dearest of all.
#[test]
fn a_reading_without_a_rule_is_denied() {
    let table = table(&json!([
        {"prefix": "/docs/", "free": true},
        {"path": "/users/me", "free": true},
        {"name": "user", "path": "/users/{id}", "price": 5},
        {"name": "joke", "path": "/api/joke", "price": 1},
        {"name": "cafe", "path": "/caf\u{e9}", "price": 3},
    ]));
    for (path, expected) in [
        ("/docs/guide", "free"),
        ("/docs/Guide.html", "free"),
        ("/docs/caf%C3%A9", "free"),
        ("/docs/a%2Fb", "free"),
        ("/docs/a;v=1/b", "free"),
        ("/docs/%2e%2e;/secret", "denied"),
        ("/docs/..%3b/secret", "denied"),
        ("/docs%2f..%2fsecret", "denied"),
        ("/docs/..%2fsecret", "denied"),
        ("/docs/..\\secret", "denied"),
        ("/docs/%252e%252e%252fsecret", "denied"),
        ("/docs", "denied"),
        ("/DOCS/x", "denied"),
        ("/users/me", "free"),
        ("/users/ME", "user"),
        ("/users/7", "user"),
        ("/users/J%C3%BCrgen", "user"),
        ("/users/a%2Fb", "denied"),
        ("/users/7/", "denied"),
        ("/api/joke", "joke"),
        ("/api/joke?x=/", "joke"),
        ("/api/%6aoke", "denied"),
        ("/api/Joke", "denied"),
        ("/caf%C3%A9", "cafe"),
        ("/caf%c3%a9", "cafe"),
        ("/CAF%C3%89", "denied"),
        ("/secret", "denied"),
    ] {
        assert_eq!(or_denied(&table, path), expected, "{path}");
    }
}

/// APIs that split at the slashes that are written, and decode each segment by itself.
#[test]
fn segments_that_are_decoded_by_themselves() {
    let table = table(&json!([
        {"name": "cancel", "path": "/users/{id}/orders:cancel", "price": 9},
        {"name": "cafe", "path": "/caf\u{e9}", "price": 3},
        {"name": "stra\u{df}e", "path": "/Stra\u{df}e/{id}", "price": 4},
    ]));
    for (path, expected) in [
        ("/users/a%2Fb/orders%3Acancel", "cancel"),
        ("/users/a%2fb/orders:cancel", "cancel"),
        ("/users/a%5Cb/orders%3Acancel", "cancel"),
        ("/users/%2e%2e/orders%3Acancel", "cancel"),
        ("/users/..;x/orders%3Acancel", "cancel"),
        ("/users/%3bx/orders;v=1", "none"),
        ("/users;v=1/%3bx/orders:cancel", "cancel"),
        ("/users/a%252Fb/orders%253Acancel", "cancel"),
        // Letter case beyond ASCII.
        ("/caf%C3%A9", "cafe"),
        ("/CAF%C3%89", "cafe"),
        ("/caf\u{c9}", "cafe"),
        ("/STRA%C3%9FE/7", "stra\u{df}e"),
    ] {
        assert_eq!(name(&table, "GET", path), expected, "{path}");
    }
}

/// A rule may be for some hosts; the host that is named in an odd way is none that is cheaper.
#[test]
fn hosts() {
    let table = table(&json!([
        {"name": "all", "prefix": "/", "price": 10},
        {"prefix": "/", "hosts": ["docs.example.com"], "free": true},
        {"name": "dear", "prefix": "/", "hosts": ["dear.example.com", "*.dear.com"], "price": 99},
        {"name": "joke", "path": "/joke", "hosts": ["joke.example.com"], "price": 5},
        {"name": "below", "path": "/below", "hosts": ["*.b.com"], "price": 70},
        {"name": "one", "path": "/below", "hosts": ["one.b.com"], "price": 60},
    ]));
    for (host, path, expected) in [
        ("example.com", "/", "all"),
        ("docs.example.com", "/", "free"),
        ("docs.example.com:8443", "/x", "free"),
        ("DOCS.example.com", "/", "all"),
        ("docs.example.com.", "/", "all"),
        ("docs.example.com:", "/", "all"),
        ("x@docs.example.com", "/", "dear"),
        ("docs.example.com@x", "/", "dear"),
        ("dear.example.com", "/", "dear"),
        ("Dear.Example.Com.", "/", "dear"),
        ("dear.example.com:1", "/", "dear"),
        ("x.dear.com", "/", "dear"),
        ("dear.com", "/", "all"),
        ("joke.example.com", "/joke", "joke"),
        ("joke.example.com", "/Joke", "all"),
        ("JOKE.example.com", "/joke", "all"),
        ("one.b.com", "/below", "one"),
        ("two.b.com", "/below", "below"),
        ("", "/joke", "dear"),
    ] {
        let wanted = Wanted { method: Some("GET"), host, path, route_name: None };
        assert_eq!(called(table.find(wanted)), expected, "{host} {path}");
    }
    let table = self::table(&json!([{"path": "/a", "hosts": ["a.com"], "price": 1}]));
    for (host, open) in [("a.com", false), ("b.com", true), ("A.com", true), ("", true)] {
        let wanted = Wanted { method: Some("GET"), host, path: "/a", route_name: None };
        assert_eq!(table.find(wanted).open, open, "{host}");
    }
}

/// A path that would have too many readings costs the most that it could.
#[test]
fn a_path_that_nobody_can_read_is_the_dearest() {
    let table = table(&json!([
        {"prefix": "/docs/", "free": true},
        {"name": "dearest", "path": "/report", "methods": ["POST"], "price": 9},
    ]));
    let path = format!("/docs/{}", "a;b%2f..%5c//%252e%3f/".repeat(2_000));
    assert_eq!(name(&table, "GET", &path), "dearest");
    assert!(find(&table, &path).open);
}
