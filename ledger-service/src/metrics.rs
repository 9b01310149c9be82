//! `GET /metrics`, for Prometheus.

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing,
};

use crate::observe;

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/metrics", routing::get(show))
}

async fn show() -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], observe::text()).into_response()
}
