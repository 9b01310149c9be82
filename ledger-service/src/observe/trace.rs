//! Traces: spans of what a request does here, handed to a collector as OTLP over HTTP.
//!
//! The gateway decides what is traced: a request whose `traceparent` says so continues that trace,
//! any other leaves no span. Span fields are names of operations and ids that are no credentials.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{propagation::TextMapPropagator as _, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tokio::runtime::Handle;
use tracing::{Span, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

/// The target of the spans: traces take these only, logs take all others.
pub const TARGET: &str = "stripe402_trace";
/// For one delivery to the collector.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer of a collector that is read, in bytes.
const ANSWER: usize = 1 << 16;

/// The way to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// To the collector at this base address, within a Tokio runtime. It need not be up: what it does
    /// not take is dropped, and nobody waits for it.
    ///
    /// # Errors
    /// A sentence naming what is wrong with the address.
    pub fn new(endpoint: &str) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new())
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| format!("otlp_endpoint: {error}"))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)))
            .with_resource(Resource::builder().with_service_name("stripe402-ledger").build())
            .build();
        Ok(Self { provider })
    }

    /// What turns spans of [`TARGET`] into those of traces.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.provider.tracer("stripe402-ledger");
        let only_ours = Targets::new().with_target(TARGET, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(only_ours)
    }

    /// Hands over what is left. Blocks, for a collector that is slow not longer than a delivery may
    /// take: call it outside of the runtime's own threads, while the runtime still runs.
    pub fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%error, "the last spans are lost");
        }
    }
}

/// The span of one request to a listener, in the trace that its headers name.
pub(super) fn request(route: &'static str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = route,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        if let Err(error) = span.set_parent(parent) {
            tracing::debug!(%error, "a span stays without its parent");
        }
    }
    span
}

/// Delivers on the runtime of the service: the thread that collects spans has none of its own. The
/// SDK's own clients need such a runtime, or another version of reqwest.
#[derive(Debug)]
struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
}

impl Collector {
    fn new() -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, runtime: Handle::current() }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let delivery = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        // Inside the task: the timer is the runtime's, too.
        self.runtime.spawn(async move { tokio::time::timeout(TIMEOUT, delivery).await }).await??
    }
}
