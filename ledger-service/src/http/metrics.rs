//! `GET /metrics`, for Prometheus.

use std::sync::OnceLock;

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// One recorder for the process, whichever service in it was first.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts to count, and names what is counted.
pub fn start() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Somebody who embeds this library may have a recorder of their own, which then counts.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("there is a recorder of metrics already");
        }
        for (name, text) in NAMES {
            metrics::describe_counter!(name, text);
        }
        handle
    });
}

const NAMES: [(&str, &str); 4] = [
    ("stripe402_card_attempts_total", "PaymentIntents and verifications that were begun"),
    ("stripe402_card_declines_total", "Declines, by the bank's code"),
    ("stripe402_card_limited_total", "Card payments refused for their number, by limit"),
    ("stripe402_top_ups_total", "Changes of top-ups, by their new state"),
];

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/metrics", routing::get(show))
}

async fn show() -> Response {
    let text = RECORDER.get().map(PrometheusHandle::render).unwrap_or_default();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
