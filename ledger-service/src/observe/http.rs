//! The listeners' requests, by route.

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
};
use metrics::{Counter, Histogram, counter, histogram};
use tracing::{Instrument as _, Span};

use super::trace;

/// What is counted under, beside the routes: everything that is not there.
const OTHER: &str = "other";
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The numbers of one route.
struct Route {
    seconds: Histogram,
    classes: [Counter; 4],
}

impl Route {
    fn new(route: &'static str) -> Self {
        let classes = CLASSES.map(|status| {
            let counter =
                counter!("stripe402_http_requests_total", "route" => route, "status" => status);
            counter.absolute(0);
            counter
        });
        Self { seconds: histogram!("stripe402_http_seconds", "route" => route), classes }
    }

    fn count(&self, status: StatusCode) {
        let [ok, redirected, refused, failed] = &self.classes;
        match status.as_u16() {
            500.. => failed,
            400.. => refused,
            300.. => redirected,
            _ => ok,
        }
        .increment(1);
    }
}

/// Measures a listener's routes; requests to any that are not named count as `other`.
pub(crate) fn measured<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    routes: &[&'static str],
) -> Router<S> {
    let all = routes.iter().copied().chain([OTHER]);
    let routes: HashMap<_, _> = all.map(|route| (route, Route::new(route))).collect();
    router.layer(middleware::from_fn_with_state(Arc::new(routes), measure))
}

async fn measure(
    State(routes): State<Arc<HashMap<&'static str, Route>>>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map_or(OTHER, MatchedPath::as_str);
    let known = routes.get_key_value(path).or_else(|| routes.get_key_value(OTHER));
    let known = known.map(|(name, _)| *name);
    // Probes and scrapes are not worth a trace.
    let span = match known {
        Some(name) if name.starts_with("/v1/") => trace::request(name, request.headers()),
        _ => Span::none(),
    };
    let response = next.run(request).instrument(span.clone()).await;
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if let Some(route) = known.and_then(|name| routes.get(name)) {
        route.seconds.record(start.elapsed());
        route.count(response.status());
    }
    response
}
