//! Where a price can stand, and which one holds.

use serde_json::{Value, json};
use stripe402_tests::{
    Result,
    envoy_config::EnvoyConfig,
    raw,
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{paid_client, pay, send};

/// A route of Envoy's own before the shipped one, with metadata of ours.
fn in_envoy(config: &mut EnvoyConfig, matched: &Value, name: &str, says: &Value) -> Result<()> {
    let mut route =
        json!({"match": matched, "route": {"cluster": "api", "timeout": "15s"}, "name": name});
    if !says.is_null() {
        route["metadata"] = json!({"filter_metadata": {"stripe402": says}});
    }
    config.routes()?.as_array_mut().unwrap().insert(0, route);
    Ok(())
}

/// The price that a request meets; 0 if it is let through.
async fn price(stack: &Stack, method: &str, path: &str) -> i64 {
    let method = method.parse().unwrap();
    let answer = send(stack.client.request(method, stack.url(path))).await;
    match answer.status {
        402 => answer.challenge()["price"].as_i64().unwrap(),
        200 | 404 => 0,
        other => -i64::from(other),
    }
}

#[tokio::test]
async fn one_order_of_precedence() {
    let options = StackOptions::new()
        .filter(|filter| {
            filter["routes"] = json!([
                {"name": "everything", "prefix": "/api/", "price": 1},
                {"name": "item", "path": "/api/items/{id}", "methods": ["GET"], "price": 2},
                {"name": "best", "path": "/api/items/best", "methods": ["GET"], "price": 3},
                {"name": "by name", "route_name": "special", "price": 4},
                {"path": "/api/health", "free": true},
            ]);
        })
        .config(|config| {
            in_envoy(config, &json!({"prefix": "/api/special"}), "special", &Value::Null)?;
            in_envoy(config, &json!({"prefix": "/api/said"}), "special", &json!({"price": 5}))?;
            let free = json!({"free": true});
            in_envoy(config, &json!({"path": "/api/items/free"}), "", &free)
        });
    let stack = Stack::start(options).await.unwrap();
    for (method, path, expected) in [
        ("GET", "/api/joke", 1),
        ("GET", "/api/joke.json", 1),
        ("GET", "/api", 1),
        ("GET", "/API/anything/below", 1),
        ("GET", "/api/items/7", 2),
        ("GET", "/api/Items/7/", 2),
        ("GET", "/api/items/7/parts", 1),
        ("POST", "/api/items/7", 1),
        ("GET", "/api/items/best", 3),
        ("POST", "/api/items/best", 1),
        ("GET", "/api/special/joke", 4),
        ("GET", "/api/said/joke", 5),
        ("GET", "/api/items/free", 0),
        ("GET", "/api/health", 0),
        ("GET", "/elsewhere", 0),
    ] {
        assert_eq!(price(&stack, method, path).await, expected, "{method} {path}");
    }
}

/// Everything that a route can say of itself, in Envoy's metadata as in the configuration.
#[tokio::test]
async fn a_route_in_envoy_says_all_that_a_configured_one_can() {
    let said = json!({
        "price": 700, "min_top_up": 60_000, "max_top_up": 90_000, "currency": "eur",
        "description": "An echo", "mime_type": "application/json", "name": "the echo",
        "void_on": ["upstream_4xx"],
    });
    let options = StackOptions::new()
        .config(move |config| in_envoy(config, &json!({"prefix": "/api/echo"}), "in envoy", &said));
    let mut stack = Stack::start(options).await.unwrap();
    let challenge = send(stack.get("/api/echo?x")).await.challenge();
    assert_eq!(challenge["price"], 700);
    assert_eq!(challenge["minTopUp"], 60_000);
    assert_eq!(challenge["accepts"][0]["currency"], "eur");
    assert_eq!(challenge["resource"]["url"], "/api/echo");
    assert_eq!(challenge["resource"]["description"], "An echo");
    assert_eq!(challenge["resource"]["mimeType"], "application/json");

    let card = stack.sim.fresh_card().await.unwrap();
    let above = json!({"paymentMethodId": card, "topUpAmount": 90_001});
    assert_eq!(pay(&stack, "/api/echo", above).await.reason(), Some("top_up_above_maximum"));
    let paid = pay(&stack, "/api/echo", json!({"paymentMethodId": card})).await.receipt();
    assert_eq!(paid["creditsRemaining"], 59_300);
    assert_eq!(stack.sim.totals("eur").await.unwrap().charged, 600);
    let client = json!({"clientId": paid["clientId"]});
    // Its own void_on holds: a 4xx gives the price back, a 5xx does not.
    for (path, left_after) in [("/api/echo?status=404", 58_600), ("/api/echo?status=500", 57_200)] {
        pay(&stack, path, client.clone()).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let receipt = pay(&stack, "/api/echo", client.clone()).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left_after, "{path}");
    }
    let sold = crate::books::revenue(&mut stack);
    assert!(sold.contains("the echo"), "{sold}");
}

/// Wrong metadata is never free: it is answered 500, logged, and counted.
#[tokio::test]
async fn a_route_that_says_something_wrong_is_answered_500() {
    let wrong = [
        json!({"price": 0.5}),
        json!({"price": 0}),
        json!({"price": -1}),
        json!({"price": "100"}),
        json!({"price": "12345678"}),
        json!({"price": [100]}),
        json!({"price": true}),
        json!({"prize": 100}),
        json!({"price": 100, "free": true}),
        json!({"free": false}),
        json!({"free": "sometimes"}),
        json!({}),
        json!({"price": 100, "currency": "xxx"}),
        json!({"price": 100, "min_top_up": 1}),
    ];
    let cases = wrong.clone();
    let options = StackOptions::new().config(move |config| {
        for (number, says) in cases.iter().enumerate() {
            let path = json!({"path": format!("/api/wrong/{number}")});
            in_envoy(config, &path, &format!("wrong-{number}"), says)?;
        }
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    for (number, says) in wrong.iter().enumerate() {
        let answer = send(stack.get(&format!("/api/wrong/{number}"))).await;
        assert_eq!(answer.status, 500, "{says}: {answer:?}");
        assert_eq!(answer.body["error"]["code"], "misconfigured");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
    let log = std::fs::read_to_string(stack.dir().join("envoy.log")).unwrap();
    assert!(log.contains("the route wrong-0 is answered 500: filter_metadata.stripe402.price"));
    let client = paid_client(&stack).await;
    let answer = pay(&stack, "/api/wrong/0", json!({"clientId": client})).await;
    assert_eq!(answer.status, 500, "a payment does not help");
}

#[tokio::test]
async fn what_no_route_names_is_denied_where_that_is_configured() {
    let options = StackOptions::new()
        .filter(|filter| {
            filter["unmatched"] = json!("deny");
            let health = json!({"path": "/api/health", "free": true});
            filter["routes"].as_array_mut().unwrap().push(health);
        })
        .config(|config| {
            in_envoy(config, &json!({"path": "/api/echo"}), "", &json!({"free": true}))
        });
    let stack = Stack::start(options).await.unwrap();
    for (path, status) in [
        ("/api/health", 200),
        ("/api/echo", 200),
        ("/api/joke", 402),
        ("/api/other", 403),
        ("/", 403),
        ("/.well-known/stripe402", 200),
    ] {
        assert_eq!(send(stack.get(path)).await.status, status, "{path}");
    }
}

/// What a virtual host says holds for all that no rule is about, in every spelling.
#[tokio::test]
async fn a_virtual_host_prices_what_nothing_else_names() {
    for unmatched in ["free", "deny"] {
        let options = StackOptions::new()
            .filter(move |filter| {
                filter["unmatched"] = json!(unmatched);
                filter["routes"] = json!([
                    {"path": "/api/joke", "price": 100}, {"path": "/api/health", "free": true},
                ]);
            })
            .config(|config| {
                in_envoy(config, &json!({"path": "/api/said"}), "", &json!({"price": 5}))?;
                let hosts = config.connection_manager()?.pointer_mut("/route_config/virtual_hosts");
                let hosts = hosts.unwrap().as_array_mut().unwrap();
                let mut wrong = hosts[0].clone();
                let says =
                    |price: Value| json!({"filter_metadata": {"stripe402": {"price": price}}});
                hosts[0]["metadata"] = says(json!(30));
                wrong["name"] = json!("wrong");
                wrong["domains"] = json!(["wrong.example"]);
                wrong["metadata"] = says(json!("30"));
                hosts.push(wrong);
                Ok(())
            });
        let stack = Stack::start(options).await.unwrap();
        for (path, expected) in [
            ("/api/joke", 100),
            ("/api/health", 0),
            ("/api/HEALTH", 30),
            ("/api/said", 5),
            ("/API/said", 30),
            ("/api/JOKE", 100),
            ("/elsewhere", 30),
        ] {
            assert_eq!(price(&stack, "GET", path).await, expected, "{unmatched} {path}");
        }
        let wrong = stack.get("/elsewhere").header("host", "wrong.example");
        assert_eq!(send(wrong).await.status, 500, "wrong metadata is never free");
        let client = paid_client_of(&stack, "/elsewhere").await;
        let paid = send(stack.pay("/elsewhere", &json!({"clientId": client}))).await;
        assert_eq!(paid.status, 404, "it was paid for, and the API answered: {paid:?}");
    }
}

/// A client with a card of its own that has bought the least, and one request of this path.
async fn paid_client_of(stack: &Stack, path: &str) -> String {
    let card = stack.sim.fresh_card().await.unwrap();
    let answer = pay(stack, path, json!({"paymentMethodId": card})).await;
    let receipt = wire::header(&answer.headers, wire::PAYMENT_RESPONSE).unwrap();
    receipt["clientId"].as_str().unwrap().to_owned()
}

/// A price in the metadata of one route is spelt around where another route leads to the same API;
/// not where that one has a price, too, or the rest is denied. The start warns of the first.
#[tokio::test]
async fn prices_in_metadata_want_a_catch_all_with_a_price() {
    let spellings = ["/api/joke", "/API/joke", "/api/joke/", "/Api/Joke/"];
    for (unmatched, everything, expected, warned) in [
        ("free", Value::Null, [402, 200, 200, 200], true),
        ("deny", Value::Null, [402, 403, 403, 403], false),
        ("deny", json!({"price": 100}), [402, 402, 402, 402], false),
        ("free", json!({"price": 100}), [402, 402, 402, 402], true),
    ] {
        let catch_all = everything.clone();
        let options = StackOptions::new()
            .filter(move |filter| {
                filter["routes"] = json!([]);
                filter["unmatched"] = json!(unmatched);
            })
            .config(move |config| {
                if !catch_all.is_null() {
                    config.routes()?[0]["metadata"] =
                        json!({"filter_metadata": {"stripe402": catch_all}});
                }
                let free = json!({"free": true});
                in_envoy(config, &json!({"prefix": "/api/open/"}), "open", &free)?;
                in_envoy(config, &json!({"path": "/api/joke"}), "joke", &json!({"price": 100}))?;
                in_envoy(config, &json!({"path": "/api/health"}), "", &json!({"free": true}))
            });
        let stack = Stack::start(options).await.unwrap();
        for (path, status) in spellings.iter().zip(expected) {
            assert_eq!(
                send(stack.get(path)).await.status,
                status,
                "{unmatched} {everything} {path}"
            );
        }
        assert_eq!(send(stack.get("/api/health")).await.status, 200);
        // Whatever Envoy matches to a free route is free: so give exact paths there.
        let target = "/api/open/..%3b/joke";
        let address = stack.envoy.address();
        assert_eq!(raw::request(address, "GET", target, &[]).await.unwrap().status, 404);
        assert_eq!(stack.upstream.recorder().last().unwrap().path, target);
        let log = std::fs::read_to_string(stack.dir().join("envoy.log")).unwrap();
        assert_eq!(log.contains("routes is empty and unmatched is free"), warned, "{unmatched}");
    }
}

/// Rules by host; a host that is named in an odd way gets nothing cheaper.
#[tokio::test]
async fn rules_may_name_their_hosts() {
    let options = StackOptions::new().filter(|filter| {
        filter["unmatched"] = json!("deny");
        filter["routes"] = json!([
            {"name": "api", "prefix": "/", "hosts": ["api.example.com", "*.api.example.com"], "price": 10},
            {"prefix": "/", "hosts": ["docs.example.com"], "free": true},
            {"name": "dear", "path": "/api/joke", "hosts": ["dear.example.com"], "price": 900},
        ]);
    });
    let stack = Stack::start(options).await.unwrap();
    for (host, target, status) in [
        ("api.example.com", "/api/joke", 402),
        ("eu.api.example.com:10000", "/api/joke", 402),
        ("docs.example.com", "/api/joke", 200),
        ("docs.example.com:10000", "/api/joke", 200),
        ("dear.example.com", "/api/joke", 402),
        ("dear.example.com", "/api/weather", 403),
        ("other.example.com", "/api/joke", 403),
        ("127.0.0.1", "/api/joke", 403),
        // Free for whoever reads the host so; denied, or not for this price, for others.
        ("DOCS.example.com", "/api/joke", 403),
        ("docs.example.com.", "/api/joke", 403),
        ("docs.example.com:", "/api/joke", 403),
        ("x@docs.example.com", "/api/joke", 403),
        ("docs.example.com@x", "/api/joke", 403),
        ("x", "http://docs.example.com/api/joke", 200),
        // Envoy drops the userinfo, and the API does not see it.
        ("x", "http://x@docs.example.com/api/joke", 200),
        ("docs.example.com", "http://other.example.com/api/joke", 403),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = raw::send(stack.envoy.address(), text.as_bytes()).await.unwrap();
        // Envoy may refuse a host itself.
        let refused = answer.status == 400 && status == 403;
        assert!(answer.status == status || refused, "{host} {target}: {answer:?}");
    }
    assert_eq!(stack.upstream.recorder().count(), 4);
    let list = send(stack.get("/.well-known/stripe402")).await;
    assert_eq!(list.body["routes"][0]["hosts"], json!(["api.example.com", "*.api.example.com"]));
}

/// The filter runs before Envoy rewrites a path: a price names what the client asks for.
#[tokio::test]
async fn a_price_names_the_path_before_a_rewrite() {
    let rewrites = |config: &mut EnvoyConfig| {
        let routes = [
            json!({"match": {"prefix": "/v2/"},
                "route": {"cluster": "api", "prefix_rewrite": "/api/"}}),
            json!({"match": {"safe_regex": {"regex": "/r/.*"}}, "route": {"cluster": "api",
                "regex_rewrite": {"pattern": {"regex": "^/r/(.*)$"}, "substitution": "/api/\\1"}}}),
            json!({"match": {"prefix": "/said/"}, "name": "said",
                "route": {"cluster": "api", "prefix_rewrite": "/api/"},
                "metadata": {"filter_metadata": {"stripe402": {"price": 70}}}}),
        ];
        config.routes()?.as_array_mut().unwrap().splice(0..0, routes);
        Ok(())
    };
    // What the filter cannot know: that /v2/joke and /r/joke become what has a price.
    let unaware = StackOptions::new().config(rewrites);
    let stack = Stack::start(unaware).await.unwrap();
    for path in ["/v2/joke", "/r/joke"] {
        assert_eq!(price(&stack, "GET", path).await, 0, "{path}");
        assert_eq!(stack.upstream.recorder().last().unwrap().path, "/api/joke", "{path}");
    }
    assert_eq!(price(&stack, "GET", "/said/joke").await, 70, "the route itself says it");
    // As the documents advise: each path that leads there has a price, or the rest is denied.
    let aware = StackOptions::new().config(rewrites).filter(|filter| {
        filter["unmatched"] = json!("deny");
        let more = [
            json!({"path": "/v2/joke", "price": 100}),
            json!({"name": "by regex", "prefix": "/r/", "price": 100}),
        ];
        filter["routes"].as_array_mut().unwrap().extend(more);
    });
    let stack = Stack::start(aware).await.unwrap();
    for (path, expected) in [
        ("/api/joke", 100),
        ("/v2/joke", 100),
        ("/r/joke", 100),
        ("/said/joke", 70),
        ("/v2/weather", -403),
        ("/V2/joke", -403),
    ] {
        assert_eq!(price(&stack, "GET", path).await, expected, "{path}");
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
}
