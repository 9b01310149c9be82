//! Requests without a payment: an address has a few a day, where the operator wants that.

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::{Answer, paid_client, pay, send},
    card_testing::behind_a_proxy,
};

/// As many as the filter counts addresses of, in `filter/src/worker/anonymous.rs`.
const MOST_ADDRESSES: u32 = 50_000;

/// So many requests a day, of each address.
fn offering(requests: u32) -> StackOptions {
    StackOptions::new().filter(move |filter| {
        filter["anonymous"] = json!({"requests": requests, "per": "address"});
    })
}

async fn joke(stack: &Stack) -> Answer {
    send(stack.get("/api/joke")).await
}

async fn joke_from(stack: &Stack, address: &str) -> u16 {
    send(stack.get("/api/joke").header("x-forwarded-for", address)).await.status
}

#[tokio::test]
async fn an_address_has_a_few_and_then_a_402_as_ever() {
    let stack = Stack::start(offering(3)).await.unwrap();
    for _ in 0..3 {
        let forged = stack.get("/api/joke").header("x-stripe402-client-id", "forged");
        let forged = forged.header("x_stripe402_unpaid", "forged").header("X-Stripe402-Price", "1");
        let answer = send(forged).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private")));
        assert_eq!(
            (answer.header("vary"), answer.header("payment-response")),
            (Some("payment"), None)
        );
        let received = stack.upstream.recorder().last().unwrap();
        let ours: Vec<_> =
            received.headers.iter().filter(|(name, _)| name.contains("stripe402")).collect();
        assert_eq!(ours.len(), 1, "{ours:?}");
        assert_eq!(received.header("x-stripe402-unpaid"), Some("anonymous"));
    }
    let challenge = joke(&stack).await.challenge();
    assert_eq!(challenge["anonymous"], json!({"requests": 3}));
    let other = send(stack.get("/api/weather")).await;
    assert_eq!(other.status, 402, "one count for all routes");
    // A browser has a page that sells, and a metered price has none.
    let page = send(stack.get("/api/joke").header("accept", "text/html")).await;
    assert_eq!((page.status, page.header("content-type")), (402, Some("text/html; charset=utf-8")));
    let metered = send(stack.client.post(stack.url("/api/chat"))).await;
    assert_eq!((metered.status, metered.body.get("anonymous")), (402, None));
    assert_eq!(stack.upstream.recorder().count(), 3);
    // Nothing that an untrusted client says makes it another address.
    for address in ["203.0.113.7", "2001:db8::1", "nonsense"] {
        assert_eq!(joke_from(&stack, address).await, 402, "{address}");
    }
    for _ in 0..100 {
        if stack.envoy.stat("wasmcustom.stripe402_anonymous").await.unwrap_or(0) == 3 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{:?}", stack.envoy.stat("wasmcustom.stripe402_anonymous").await);
}

#[tokio::test]
async fn who_pays_is_not_counted_and_pays() {
    let stack = Stack::start(offering(2)).await.unwrap();
    let client = paid_client(&stack).await;
    for left in [49_400, 49_300, 49_200] {
        let receipt = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left);
        let received = stack.upstream.recorder().last().unwrap();
        assert_eq!(received.header("x-stripe402-unpaid"), None);
    }
    // A payment that is none is refused, and never taken for no payment.
    assert_eq!(pay(&stack, "/api/joke", json!({})).await.status, 402);
    let wrong = send(stack.get("/api/joke").header(wire::PAYMENT, "nonsense")).await;
    assert_eq!(wrong.refused(), "invalid_payment");
    for expected in [200, 200, 402] {
        assert_eq!(joke(&stack).await.status, expected);
    }
}

#[tokio::test]
async fn a_route_may_offer_fewer_or_none_and_all_lists_say_so() {
    let options = offering(5).filter(|filter| {
        filter["discovery"]["llms"] = json!(true);
        filter["trial"] = json!({"units": 200});
        filter["routes"][0]["anonymous"] = json!({"requests": 1});
        filter["routes"][1]["anonymous"] = json!({"requests": 0});
    });
    let stack = Stack::start(behind_a_proxy(options)).await.unwrap();
    let list = send(stack.get("/.well-known/stripe402")).await.body;
    let told = |at: usize| [&list["routes"][at]["anonymous"], &list["routes"][at]["trial"]];
    assert_eq!(told(0), [&json!({"requests": 1}), &json!({"units": 200})]);
    assert_eq!(told(1), [&Value::Null, &Value::Null]);
    let llms = stack.get("/llms.txt").send().await.unwrap().text().await.unwrap();
    let line = "- `/api/joke` (GET): 100 units of usd. A card that never paid here gets 200 units free. \
                Free requests of an address in a day: 1";
    assert!(llms.lines().any(|written| written == line), "{llms}");
    assert_eq!(joke_from(&stack, "203.0.113.7").await, 200);
    assert_eq!(joke_from(&stack, "203.0.113.7").await, 402);
    assert_eq!(joke_from(&stack, "203.0.113.8").await, 200, "another address");
    assert_eq!(joke_from(&stack, "2001:db8:1:2::1").await, 200);
    assert_eq!(joke_from(&stack, "2001:db8:1:2:9::1").await, 402, "of the same /64");
    let weather = stack.get("/api/weather").header("x-forwarded-for", "203.0.113.9");
    assert_eq!(send(weather).await.status, 402, "none here");
}

/// Each worker thread counts by itself.
#[tokio::test]
async fn two_workers_let_twice_as_many_through_at_the_most() {
    let stack = Stack::start(offering(10).workers(2)).await.unwrap();
    let mut passed = 0;
    for _ in 0..20 {
        // Connections of their own, which Envoy spreads over its workers.
        let client = reqwest::Client::new();
        for _ in 0..5 {
            let answer = client.get(stack.url("/api/joke")).send().await.unwrap();
            passed += u32::from(answer.status() == 200);
        }
    }
    assert!((10..=20).contains(&passed), "{passed}");
    assert_eq!(u32::try_from(stack.upstream.recorder().count()).unwrap(), passed);
}

/// Whoever has many addresses ends the offer for that day, and neither gets more of it nor hurts who pays.
#[tokio::test]
async fn a_stranger_with_many_addresses_does_not_fill_the_memory() {
    let stack = Stack::start(behind_a_proxy(offering(2))).await.unwrap();
    let client = paid_client(&stack).await;
    let address = |number: u32| std::net::Ipv4Addr::from_bits((10 << 24) + number).to_string();
    let served = stream::iter(0..MOST_ADDRESSES + 500).map(|number| {
        let stack = &stack;
        async move {
            let request = stack.get("/api/joke").header("x-forwarded-for", address(number));
            u32::from(request.send().await.unwrap().status() == 200)
        }
    });
    let served: Vec<u32> = served.buffer_unordered(64).collect().await;
    assert_eq!(served.iter().sum::<u32>(), MOST_ADDRESSES);
    // Those that are known are not forgotten, so that nobody begins anew.
    assert_eq!(joke_from(&stack, &address(0)).await, 200);
    assert_eq!(joke_from(&stack, &address(0)).await, 402);
    let receipt = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 49_400);
}
