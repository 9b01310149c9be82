//! No header of a client's ends a request early on the gateway's side, or has it done twice: the
//! API runs as often as it is paid for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use stripe402_tests::{stack::Stack, wire};
use tokio::net::TcpStream;

use crate::{
    answer::{left_before, paid_client},
    other_api,
};

/// What each route in Envoy lets a client say: Istio's habit, a limit of streams, retries.
fn routes() -> [serde_json::Value; 3] {
    let route = |prefix: &str, action: serde_json::Value| json!({"match": {"prefix": prefix}, "route": action});
    [
        route(
            "/other/istio",
            json!({"cluster": "other", "timeout": "1s", "max_grpc_timeout": "0s"}),
        ),
        route(
            "/other/stream",
            json!({"cluster": "other", "timeout": "1s", "max_stream_duration": {
                "max_stream_duration": "2s", "grpc_timeout_header_max": "0s",
            }}),
        ),
        route(
            "/other/retry",
            json!({"cluster": "other", "timeout": "2s", "retry_policy": {
                "retry_on": "retriable-headers,retriable-status-codes", "num_retries": 1,
            }}),
        ),
    ]
}

#[tokio::test]
async fn no_header_of_a_clients_makes_work_that_is_not_paid_for() {
    let runs = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&runs);
    let api = other_api::raw(move |_, mut stream: TcpStream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            other_api::write(&mut stream, "HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let options = other_api::before(api.await).config(|config| {
        let all = config.routes()?.as_array_mut().unwrap();
        routes().into_iter().for_each(|route| all.insert(0, route));
        let manager = config.connection_manager()?;
        // Else Envoy itself takes `x-envoy-` headers from everybody.
        manager["internal_address_config"] =
            json!({"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]});
        let filters = manager["http_filters"].as_array_mut().unwrap();
        filters.last_mut().unwrap()["typed_config"]["respect_expected_rq_timeout"] = json!(true);
        Ok(())
    });
    let stack = Stack::start(options).await.unwrap();
    let client = paid_client(&stack).await;
    let payment = wire::encode(&json!({"clientId": client}));
    let http = reqwest::Client::new();
    let grpc = ("content-type", "application/grpc");
    let (mut left, mut wrong) = (49_500, Vec::new());
    for (path, headers) in [
        ("/other/istio", vec![grpc, ("grpc-timeout", "50m")]),
        ("/other/stream", vec![grpc, ("grpc-timeout", "50m")]),
        ("/other/stream", vec![("grpc-timeout", "50m")]),
        ("/other/x", vec![("x-envoy-expected-rq-timeout-ms", "50")]),
        ("/other/x", vec![("x-envoy-upstream-rq-timeout-ms", "50")]),
        ("/other/x", vec![("x-envoy-upstream-stream-duration-ms", "50")]),
        (
            "/other/x",
            vec![
                ("x-envoy-retry-on", "5xx"),
                ("x-envoy-upstream-rq-per-try-timeout-ms", "50"),
                ("x-envoy-hedge-on-per-try-timeout", "true"),
            ],
        ),
        ("/other/retry", vec![("x-envoy-retriable-status-codes", "200")]),
        ("/other/retry", vec![("x-envoy-retriable-header-names", "content-length")]),
    ] {
        let before = runs.load(Ordering::SeqCst);
        for _ in 0..3 {
            let request = http.post(stack.url(path)).header("payment", &payment);
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            request.send().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let ran = runs.load(Ordering::SeqCst) - before;
        let now = left_before(&stack, &client).await;
        // On a busy machine one may be late before it gets anywhere: then it costs nothing.
        if ran == 0 || left - now != ran * 1_000 {
            wrong.push(format!("{path} {headers:?}: {ran} runs, {} units", left - now));
        }
        left = now - 100;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
