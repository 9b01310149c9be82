//! One trace from the gateway through the ledger to its store and Stripe.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, http::StatusCode, routing};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::{Value, json};
use stripe402_tests::{
    Error, binary,
    envoy_config::EnvoyConfig,
    stack::{Stack, StackOptions},
};

use crate::scene;

/// A span as the collector heard of it.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    start: u64,
    nanos: u64,
}

/// A collector that writes down what it is told.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    async fn serve(&self) -> SocketAddr {
        let this = self.clone();
        let take = move |body: Bytes| {
            let this = this.clone();
            async move {
                let Ok(told) = ExportTraceServiceRequest::decode(body) else {
                    return StatusCode::BAD_REQUEST;
                };
                this.write_down(told);
                StatusCode::OK
            }
        };
        let router = Router::new().route("/v1/traces", routing::post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    fn write_down(&self, told: ExportTraceServiceRequest) {
        for resource in told.resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let service = format!("{:?}", service.unwrap().value.unwrap().value.unwrap());
            let service = service.split('"').nth(1).unwrap().to_owned();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                self.0.lock().unwrap().push(Span {
                    service: service.clone(),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    start: span.start_time_unix_nano,
                    nanos: span.end_time_unix_nano - span.start_time_unix_nano,
                });
            }
        }
    }

    /// Everything, once spans of all these names have been heard of.
    async fn hears(&self, names: &[&str]) -> Vec<Span> {
        for _ in 0..150 {
            let spans = self.0.lock().unwrap().clone();
            if names.iter().all(|name| spans.iter().any(|span| span.name == *name)) {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let heard = self.0.lock().unwrap();
        let heard: BTreeSet<_> = heard.iter().map(|span| span.name.as_str()).collect();
        panic!("{heard:?} have been heard of, not all of {names:?}");
    }
}

/// Adds what is shipped in `envoy/monitoring/tracing.yaml`, with this collector.
fn traced(config: &mut EnvoyConfig, collector: SocketAddr) -> stripe402_tests::Result<()> {
    let path = binary::workspace().join("envoy/monitoring/tracing.yaml");
    let text = std::fs::read_to_string(path).map_err(Error::io("tracing.yaml"))?;
    let mut pieces: Value = serde_norway::from_str(&text).unwrap();
    let manager = config.connection_manager()?;
    manager["tracing"] = pieces["tracing"].take();
    manager["http_filters"].as_array_mut().unwrap().insert(0, pieces["http_filter"].take());
    let root = config.root();
    root["static_resources"]["clusters"].as_array_mut().unwrap().push(pieces["cluster"].take());
    // Spans are handed over at once, not every five seconds.
    let soon = json!({"tracing.opentelemetry.min_flush_spans": 1});
    root["layered_runtime"] = json!({"layers": [{"name": "test", "static_layer": soon}]});
    config.endpoints("collector", &[collector])
}

async fn start(collector: &Collector) -> Stack {
    let address = collector.serve().await;
    let options = StackOptions::new()
        .ledger_env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
        .ledger_env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .config(move |config| traced(config, address));
    Stack::start(options).await.unwrap()
}

/// The spans below this one, in the order in which they began.
fn tree(spans: &[Span], parent: &[u8], depth: usize, text: &mut String) -> usize {
    let mut children: Vec<_> = spans.iter().filter(|span| span.parent == parent).collect();
    children.sort_by_key(|span| span.start);
    let mut found = 0;
    for span in children {
        let name = format!("{}{}", "  ".repeat(depth), span.name);
        let micros = span.nanos / 1_000;
        writeln!(text, "{name:<44} {micros:>8} µs  {}", span.service).unwrap();
        found += 1 + tree(spans, &span.id, depth + 1, text);
    }
    found
}

#[tokio::test]
async fn a_first_payment_is_one_trace_through_all_parts() {
    let collector = Collector::default();
    let stack = start(&collector).await;
    let card = stack.sim.fresh_card().await.unwrap();
    let (status, receipt) =
        scene::ask(&stack, "/api/joke", &json!({"paymentMethodId": card})).await;
    assert_eq!(status, 200);

    let names = [
        "/v1/payments",
        "card_payment",
        "stripe.card",
        "top_up",
        "store.open_top_up",
        "stripe.create_customer",
        "stripe.charge",
        "store.advance_top_up",
        "store.deduct_for_card",
    ];
    let mut spans = collector.hears(&names).await;
    // The gateway's own is the first of all, and ends last.
    for _ in 0..100 {
        if spans.iter().any(|span| span.service == "gateway") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        spans = collector.hears(&names).await;
    }
    let traces: BTreeSet<_> = spans.iter().map(|span| span.trace.clone()).collect();
    assert_eq!(traces.len(), 1, "one trace: {spans:#?}");
    let mut text = String::new();
    let below = tree(&spans, &[], 0, &mut text);
    println!("\n{text}");
    assert_eq!(below, spans.len(), "all of them hang together:\n{text}\n{spans:#?}");
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.id.clone(), span)).collect();
    let parent = |name: &str| {
        let span = spans.iter().find(|span| span.name == name).unwrap();
        by_id.get(&span.parent).map_or("", |parent| parent.name.as_str())
    };
    for (child, expected) in [
        ("card_payment", "/v1/payments"),
        ("stripe.card", "card_payment"),
        ("top_up", "card_payment"),
        ("store.open_top_up", "top_up"),
        ("stripe.charge", "top_up"),
        ("store.advance_top_up", "top_up"),
        ("store.deduct_for_card", "card_payment"),
    ] {
        assert_eq!(parent(child), expected, "of {child}:\n{text}");
    }
    let request = spans.iter().find(|span| span.name == "/v1/payments").unwrap();
    assert_eq!(by_id[&request.parent].service, "gateway", "{text}");
    // No credential is in what leaves for a collector.
    let told = format!("{spans:?}");
    for credential in [card.as_str(), receipt["clientId"].as_str().unwrap()] {
        assert!(!told.contains(credential), "{credential}");
    }
}

/// A request with credits is a batch; and what no gateway asks to be traced leaves nothing.
#[tokio::test]
async fn a_batch_is_traced_and_nothing_else_is() {
    let collector = Collector::default();
    let stack = start(&collector).await;
    let card = stack.sim.fresh_card().await.unwrap();
    let (_, receipt) = scene::ask(&stack, "/api/joke", &json!({"paymentMethodId": card})).await;
    let client = json!({"clientId": receipt["clientId"]});
    assert_eq!(scene::ask(&stack, "/api/joke", &client).await.0, 200);
    let ledger = &stack.ledgers[0];
    let untraced = stack.client.post(ledger.url("/v1/balance"));
    let untraced = untraced.bearer_auth(&stack.secrets.ledger_token).json(&json!({})).send();
    assert_eq!(untraced.await.unwrap().status(), 400);
    let spans = collector.hears(&["/v1/batch", "store.batch"]).await;
    let batch = spans.iter().find(|span| span.name == "/v1/batch").unwrap();
    let store = spans.iter().find(|span| span.name == "store.batch").unwrap();
    assert_eq!((&store.parent, &store.trace), (&batch.id, &batch.trace));
    for name in ["/readyz", "store.ping", "store.unfinished_top_ups", "/v1/balance"] {
        assert!(!spans.iter().any(|span| span.name == name), "{name} is traced");
    }
}
