//! Identity headers come from the filter only.

use serde_json::json;
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::answer::{paid_client, pay, send};

const NAMES: [&str; 4] = [
    "x-stripe402-client-id",
    "x-stripe402-credits-remaining",
    "x-stripe402-price",
    "x-stripe402-charge-id",
];

#[tokio::test]
async fn the_api_learns_who_paid() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;
    pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    let received = stack.upstream.recorder().last().unwrap();
    let [id, left, price, charge] = NAMES.map(|name| received.header(name).unwrap());
    assert_eq!((id, left, price), (client.as_str(), "49400", "100"));
    assert_eq!(charge.len(), 32);
    assert!(received.header(wire::PAYMENT).is_none(), "the credential went on to the API");
}

/// What a client may try: the names as they are, in other letters, twice, with underscores.
fn forged(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    let request = NAMES.iter().fold(request, |request, name| {
        let underscored = name.replace('-', "_");
        request
            .header(*name, "forged")
            .header(name.to_uppercase(), "forged too")
            .header(&underscored, "forged")
            .header(name.replacen('-', "_", 1), "forged")
    });
    request
        .header("x-envoy-upstream-rq-timeout-ms", "1")
        .header("x-envoy-max-retries", "9")
        .header("x-envoy-retry-on", "5xx")
}

#[tokio::test]
async fn what_a_client_forges_never_arrives() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let client = paid_client(&stack).await;

    let payment = json!({"clientId": client});
    assert_eq!(send(forged(stack.pay("/api/joke", &payment))).await.status, 200);
    let paid = stack.upstream.recorder().last().unwrap();
    let ours: Vec<_> = paid.headers.iter().filter(|(name, _)| name.contains("stripe402")).collect();
    assert_eq!(ours.len(), 4, "{ours:?}");
    assert_eq!(paid.header("x-stripe402-client-id"), Some(client.as_str()));

    for request in [stack.get("/api/health"), stack.pay("/api/health", &payment)] {
        assert_eq!(send(forged(request)).await.status, 200);
        let free = stack.upstream.recorder().last().unwrap();
        for (name, value) in &free.headers {
            assert!(!value.contains("forged"), "{name}: {value}");
            assert!(!name.contains("stripe402") && name != wire::PAYMENT, "{name}: {value}");
        }
        assert_eq!(free.header("x-envoy-max-retries"), None);
    }
}

#[tokio::test]
async fn names_can_be_chosen() {
    let options = StackOptions::new().filter(|filter| {
        filter["identity"] = json!({"client_id": "x-customer", "price": "x-paid"})
    });
    let stack = Stack::start(options).await.unwrap();
    let client = paid_client(&stack).await;
    let request = stack.pay("/api/joke", &json!({"clientId": client})).header("X_Customer", "me");
    assert_eq!(send(request).await.status, 200);
    let received = stack.upstream.recorder().last().unwrap();
    assert_eq!(received.header("x-customer"), Some(client.as_str()));
    assert_eq!(received.header("x-paid"), Some("100"));
    assert_eq!(received.header("x_customer"), None);
    assert_eq!(received.header("x-stripe402-client-id"), None);
}

/// What only the gate may say to a client, it says alone, whatever the API sends.
#[tokio::test]
async fn what_the_api_forges_never_arrives() {
    use axum::{Router, http::HeaderMap, routing};
    let forging = |headers: HeaderMap| async move {
        let connection = headers.contains_key("x-stripe402-client-id").to_string();
        [
            ("payment-response", "forged".to_owned()),
            ("payment-required", "forged".to_owned()),
            ("x-knows-who-paid", connection),
            ("cache-control", "public, private=\"set-cookie\"".to_owned()),
            ("cdn-cache-control", "max-age=60".to_owned()),
            ("expires", "Fri, 01 Jan 2100 00:00:00 GMT".to_owned()),
        ]
    };
    let router = Router::new()
        .route("/other/x", routing::get(forging))
        .route("/free", routing::get(forging));
    let api = crate::other_api::serve(router).await;
    let options = crate::other_api::before(api).config(|config| {
        let free = json!({"match": {"prefix": "/free"}, "route": {"cluster": "other"}});
        config.routes()?.as_array_mut().unwrap().insert(0, free);
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let free = send(stack.get("/free")).await;
    assert_eq!(free.status, 200);
    let client = paid_client(&stack).await;
    let paid = send(stack.pay("/other/x", &json!({"clientId": client}))).await;
    assert_eq!(paid.receipt()["creditsRemaining"], 48_500);
    for answer in [&free, &paid] {
        for (name, value) in &answer.headers {
            assert!(!value.to_str().unwrap().contains("forged"), "{name}");
        }
    }
    // Shared caches keep no answer that was paid for.
    assert_eq!(paid.header("cache-control"), Some("private"));
    for name in ["cdn-cache-control", "expires"] {
        assert!(free.header(name).is_some() && paid.header(name).is_none(), "{name}");
    }
    // A client that calls our headers hop-by-hop does not get rid of them.
    let payment = wire::encode(&json!({"clientId": client}));
    let headers = [
        ("host", "x"),
        ("connection", "close, x-stripe402-client-id, payment-response"),
        ("payment", payment.as_str()),
    ];
    let address = stack.envoy.address();
    let answer = stripe402_tests::raw::request(address, "GET", "/other/x", &headers).await.unwrap();
    assert_eq!(answer.header("x-knows-who-paid"), Some("true"));
    assert!(answer.header("payment-response").is_some());
}
