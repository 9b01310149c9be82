//! The listeners' requests, by route.

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, StatusCode},
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
pub(crate) struct Route {
    name: &'static str,
    seconds: Histogram,
    classes: [Counter; 4],
}

impl Route {
    /// They begin at 0.
    pub(crate) fn new(route: &'static str) -> Self {
        let classes = CLASSES.map(|status| {
            let counter =
                counter!("stripe402_http_requests_total", "route" => route, "status" => status);
            counter.absolute(0);
            counter
        });
        let seconds = histogram!("stripe402_http_seconds", "route" => route);
        Self { name: route, seconds, classes }
    }

    /// The span of a request with these headers. Probes and scrapes are not worth one.
    pub(crate) fn span(&self, headers: &HeaderMap) -> Span {
        if !self.name.starts_with("/v1/") {
            return Span::none();
        }
        trace::request(self.name, headers)
    }

    /// Waits for an answer in its request's span, and counts it.
    pub(crate) async fn measure(
        &self,
        span: Span,
        answer: impl Future<Output = Response>,
    ) -> Response {
        let start = Instant::now();
        let response = answer.instrument(span.clone()).await;
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        self.seconds.record(start.elapsed());
        self.count(response.status());
        response
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
    let path = request.extensions().get::<MatchedPath>().map_or(OTHER, MatchedPath::as_str);
    let Some(route) = routes.get(path).or_else(|| routes.get(OTHER)) else {
        return next.run(request).await;
    };
    let span = route.span(request.headers());
    route.measure(span, next.run(request)).await
}
