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
