//! Where a price can stand, and which one holds.

use serde_json::{Value, json};
use stripe402_tests::{
    Result,
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
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
