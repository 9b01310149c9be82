//! Clients that hang up, and requests that never get to the API.

use std::time::Duration;

use serde_json::json;
use stripe402_tests::{
    stack::{Stack, StackOptions},
    wire,
};
use tokio::io::AsyncWriteExt as _;

use crate::answer::{left_before, paid_client, pay};

/// The echo route, which can take its time, for 1,000 units.
fn slow_route() -> StackOptions {
    StackOptions::new().filter(|filter| {
        let route = json!({"name": "echo", "path": "/api/echo", "price": 1_000});
        filter["routes"].as_array_mut().unwrap().push(route);
    })
}

async fn ask_and_hang_up(stack: &Stack, client: &str, delay_ms: u64, after: Duration) {
    let payment = wire::encode(&json!({"clientId": client}));
    let request = format!(
        "POST /api/echo?delay_ms={delay_ms} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\
         payment: {payment}\r\n\r\nx"
    );
    let mut stream = tokio::net::TcpStream::connect(stack.envoy.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

/// A POST whose sender hangs up early has been done, and is paid for.
#[tokio::test]
async fn hanging_up_does_not_get_work_done_for_free() {
    let stack = Stack::start(slow_route()).await.unwrap();
    let client = paid_client(&stack).await;
    for _ in 0..5 {
        ask_and_hang_up(&stack, &client, 1_500, Duration::from_millis(300)).await;
    }
    assert_eq!(stack.upstream.recorder().count(), 1 + 5, "the API has heard of them");
    // A void would be there by the next tick.
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert_eq!(left_before(&stack, &client).await, 49_500 - 5_000);
}

/// Whoever hangs up at once pays for what was handed to a connection to the API, as Envoy counts
/// it, and for nothing else.
#[tokio::test]
async fn what_is_charged_is_what_was_forwarded() {
    let stack = Stack::start(slow_route()).await.unwrap();
    let client = paid_client(&stack).await;
    for number in 0..40_u64 {
        ask_and_hang_up(&stack, &client, 50, Duration::from_micros(number * 150)).await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let forwarded = stack.envoy.stat("cluster.api.upstream_rq_total").await.unwrap();
    let forwarded = i64::try_from(forwarded).unwrap() - 1;
    let left = left_before(&stack, &client).await;
    assert_eq!(left, 49_500 - forwarded * 1_000, "{forwarded} were forwarded");
}

/// Envoy answers by itself: the API gave nothing, and nothing is paid.
#[tokio::test]
async fn an_answer_of_envoys_own_costs_nothing() {
    let options = StackOptions::new().config(|config| {
        let redirect = json!({
            "match": {"path": "/api/weather"}, "redirect": {"path_redirect": "/api/health"},
        });
        config.routes()?.as_array_mut().unwrap().insert(0, redirect);
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let first = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let client = first["clientId"].as_str().unwrap();
    let redirected = pay(&stack, "/api/weather", json!({"clientId": client})).await;
    assert_eq!(redirected.status, 301);
    assert!(redirected.header(wire::PAYMENT_RESPONSE).is_none(), "a receipt for nothing");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(left_before(&stack, client).await, 49_900);
}

/// A client that breaks its request off with nonsense, once the API has it, has made it work. Envoy
/// answers a request that calls itself gRPC with 200, whoever is to blame.
#[tokio::test]
async fn breaking_a_request_does_not_get_work_done_for_free() {
    let stack = Stack::start(slow_route()).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let mut left = 49_500;
    for (number, (kind, status)) in
        [("text/plain", "400"), ("application/grpc", "200")].into_iter().enumerate()
    {
        let request = format!(
            "POST /api/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\
             content-type: {kind}\r\npayment: {payment}\r\n\r\n1\r\nx\r\n"
        );
        let before = stack.envoy.stat("cluster.api.upstream_rq_total").await.unwrap();
        let mut stream = tokio::net::TcpStream::connect(stack.envoy.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        let forwarded = stack.envoy.stat("cluster.api.upstream_rq_total").await.unwrap();
        assert_eq!(forwarded, before + 1, "{number}: the schedule did not happen");
        stream.write_all(b"no chunk\r\n").await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(left_before(&stack, &client).await, left - 1_000, "{kind}");
        left -= 1_100;
    }
}

/// Nor does sending half of it, until Envoy's time is up.
#[tokio::test]
async fn an_upload_that_stops_does_not_get_work_done_for_free() {
    let options = slow_route().config(|config| {
        config.connection_manager()?["stream_idle_timeout"] = json!("1s");
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let mut left = 49_500;
    for kind in ["text/plain", "application/grpc"] {
        let request = format!(
            "POST /api/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\
             content-type: {kind}\r\npayment: {payment}\r\n\r\nx"
        );
        let mut stream = tokio::net::TcpStream::connect(stack.envoy.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3_000)).await;
        assert_eq!(left_before(&stack, &client).await, left - 1_000, "{kind}");
        left -= 1_100;
    }
}

/// Charged, and still waiting for a connection to the API when its client leaves: nobody has
/// worked, and nothing is paid.
#[tokio::test]
async fn a_request_that_waited_for_a_connection_in_vain_costs_nothing() {
    let options = slow_route().config(|config| {
        config.cluster("api")?["circuit_breakers"] =
            json!({"thresholds": [{"max_connections": 1}]});
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let client = paid_client(&stack).await;
    // Takes the one connection there is, and has been forwarded.
    ask_and_hang_up(&stack, &client, 0, Duration::from_millis(200)).await;
    let slow = stack.client.post(stack.url("/api/echo?delay_ms=1500"));
    let payment = wire::encode(&json!({"clientId": client}));
    let slow = tokio::spawn(slow.header(wire::PAYMENT, payment).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..3 {
        ask_and_hang_up(&stack, &client, 0, Duration::from_millis(100)).await;
    }
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(stack.envoy.stat("cluster.api.upstream_rq_total").await.unwrap(), 3);
    assert_eq!(left_before(&stack, &client).await, 49_500 - 2_000);
}
