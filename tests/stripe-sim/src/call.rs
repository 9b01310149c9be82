//! One call to `/v1`, from its bytes to its answer: key, faults, idempotency, work, log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::API_VERSION;
use crate::api;
use crate::app::{App, lock};
use crate::auth;
use crate::calls::{self, Call};
use crate::clock;
use crate::context::{Answer, Caller};
use crate::error::ApiError;
use crate::faults::{Action, Strike, When};
use crate::form::{self, Form};
use crate::idempotency::{Completed, Keyed};
use crate::ids;
use crate::params::Params;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST: HeaderName = HeaderName::from_static("original-request");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");

#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
struct Outcome {
    status: u16,
    body: String,
    /// `req_…` of the call that is replayed.
    replays: Option<String>,
    /// Whether the body was stored under the call's idempotency key, or comes from there.
    stored: bool,
}

impl Outcome {
    fn error(error: &ApiError, request: &str) -> Self {
        let mut body = error.body.clone();
        body.request_log_url = Some(format!("https://dashboard.stripe.com/test/logs/{request}"));
        Self {
            status: error.status,
            body: pretty(&json!({"error": *body})),
            replays: None,
            stored: false,
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Serves one call; `None` where the connection is to be closed without an answer.
pub(crate) async fn serve(app: Arc<App>, incoming: Incoming) -> Option<Response<Body>> {
    let request = ids::request();
    let came_ms = clock::now_ms();
    let strike = lock(&app.faults).strike(incoming.method.as_str(), &incoming.path);
    let form = read_form(&incoming);
    let idempotency_key =
        header(&incoming.headers, &IDEMPOTENCY_KEY).filter(|_| incoming.method == Method::POST);
    let params = form.as_ref().map(calls::redact).unwrap_or_default();

    let outcome = if strike.drops(Action::DropBefore) {
        None
    } else {
        Some(answer(&app, &incoming, form, &request, idempotency_key.clone(), &strike).await)
    };
    let outcome = outcome.filter(|_| !strike.drops(Action::DropAfter));

    let status = outcome.as_ref().map(|outcome| outcome.status);
    let replayed = outcome.as_ref().is_some_and(|outcome| outcome.replays.is_some());
    let took_ms = clock::now_ms().saturating_sub(came_ms);
    tracing::info!(method = %incoming.method, path = incoming.path, status, replayed, request, took_ms, "call");
    lock(&app.calls).push(Call {
        method: incoming.method.to_string(),
        path: incoming.path.clone(),
        params,
        idempotency_key: idempotency_key.clone(),
        status,
        replayed,
    });
    outcome.map(|outcome| respond(&incoming.headers, outcome, &request, idempotency_key))
}

/// The call's parameters: of its query, and of its body.
fn read_form(incoming: &Incoming) -> Result<Form, ApiError> {
    let refused = |error: form::FormError| ApiError::malformed(error.to_string());
    let mut form = form::parse(&incoming.query).map_err(refused)?;
    if incoming.body.is_empty() {
        return Ok(form);
    }
    let kind = header(&incoming.headers, &CONTENT_TYPE).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        let message = format!(
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded). Received: {kind}"
        );
        return Err(ApiError::malformed(message));
    }
    let text = std::str::from_utf8(&incoming.body)
        .map_err(|_| ApiError::malformed("Invalid UTF-8 in request body"))?;
    for (key, node) in form::parse(text).map_err(refused)? {
        if form.insert(key.clone(), node).is_some() {
            return Err(ApiError::malformed(format!(
                "Parameter given in the query and in the body: {key}"
            )));
        }
    }
    Ok(form)
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A running call's hold on its idempotency key.
struct Hold<'a> {
    app: &'a App,
    key: String,
}

impl<'a> Hold<'a> {
    fn take(app: &'a App, keyed: &Keyed) -> Result<Self, ApiError> {
        if lock(&app.in_flight).insert(keyed.key.clone()) {
            Ok(Self { app, key: keyed.key.clone() })
        } else {
            Err(ApiError::key_in_use(&keyed.key))
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        lock(&self.app.in_flight).remove(&self.key);
    }
}

async fn answer(
    app: &App,
    incoming: &Incoming,
    form: Result<Form, ApiError>,
    request: &str,
    idempotency_key: Option<String>,
    strike: &Strike,
) -> Outcome {
    let attempt = async {
        let form = form?;
        let key = auth::authenticate(&incoming.headers)?;
        if let Some((status, code)) = strike.status(When::Before) {
            let mut error = ApiError::played(status, code);
            error.stored = false;
            return Err(error);
        }
        let keyed = match &idempotency_key {
            Some(text) => {
                let sent =
                    format!("{}\n{}", incoming.query, String::from_utf8_lossy(&incoming.body));
                Some(Keyed::new(text, &incoming.path, &sent)?)
            }
            None => None,
        };
        let hold = keyed.as_ref().map(|keyed| Hold::take(app, keyed)).transpose()?;
        let caller = Caller {
            key,
            request: Some(request.to_owned()),
            idempotency_key: idempotency_key.clone(),
            version: header(&incoming.headers, &STRIPE_VERSION),
            profile: auth::profile(&incoming.headers),
        };
        let first = match &keyed {
            Some(keyed) => app.run(&caller, |cx| keyed.replay(&cx.world.completed, cx.now_ms))?,
            None => None,
        };
        if let Some(first) = first {
            return Ok(Outcome {
                status: first.status,
                body: first.body,
                replays: Some(first.request),
                stored: true,
            });
        }
        tokio::time::sleep(Duration::from_millis(strike.latency_before_ms)).await;
        let outcome = work(app, incoming, &caller, keyed, form, strike);
        tokio::time::sleep(Duration::from_millis(strike.latency_after_ms)).await;
        drop(hold);
        Ok(outcome)
    };
    attempt.await.unwrap_or_else(|error| Outcome::error(&error, request))
}

/// Does the work, and stores its answer under the idempotency key, in one write.
fn work(
    app: &App,
    incoming: &Incoming,
    caller: &Caller,
    keyed: Option<Keyed>,
    form: Form,
    strike: &Strike,
) -> Outcome {
    let request = caller.request.clone().unwrap_or_default();
    app.run(caller, |cx| {
        let answer: Answer =
            api::call(cx, incoming.method.as_str(), &incoming.path, Params::new(form));
        let (mut outcome, mut stores) = match &answer {
            Ok(value) => {
                (Outcome { status: 200, body: pretty(value), replays: None, stored: false }, true)
            }
            Err(error) => (Outcome::error(error, &request), error.stored),
        };
        let played =
            strike.status(When::After).map(|(status, code)| ApiError::played(status, code));
        // A 500 comes from the endpoint, and is what the key will replay; other statuses come from in front
        // of it, and hide the answer that is stored (docs.stripe.com/error-low-level).
        if let Some(error) = played.as_ref().filter(|error| error.status == 500) {
            outcome = Outcome::error(error, &request);
            stores = true;
        }
        if let Some(keyed) = keyed.filter(|_| stores) {
            outcome.stored = true;
            cx.world.completed.put(Completed {
                key: keyed.key,
                path: keyed.path,
                params: keyed.params,
                status: outcome.status,
                body: outcome.body.clone(),
                at_ms: cx.now_ms,
                request: request.clone(),
            });
        }
        match played {
            Some(error) if error.status != 500 => Outcome::error(&error, &request),
            _ => outcome,
        }
    })
}

fn respond(
    asked: &HeaderMap,
    outcome: Outcome,
    request: &str,
    idempotency_key: Option<String>,
) -> Response<Body> {
    let should_retry = should_retry(&outcome);
    let mut response = Response::new(Body::from(outcome.body));
    *response.status_mut() =
        StatusCode::from_u16(outcome.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, "application/json");
    set(REQUEST_ID, request);
    set(STRIPE_VERSION, header(asked, &STRIPE_VERSION).as_deref().unwrap_or(API_VERSION));
    if let Some(key) = idempotency_key {
        set(IDEMPOTENCY_KEY, &key);
        set(ORIGINAL_REQUEST, outcome.replays.as_deref().unwrap_or(request));
    }
    if outcome.replays.is_some() {
        set(IDEMPOTENT_REPLAYED, "true");
    }
    if outcome.status == 401 {
        set(WWW_AUTHENTICATE, "Basic realm=\"Stripe\"");
    }
    if let Some(retry) = should_retry {
        set(SHOULD_RETRY, if retry { "true" } else { "false" });
    }
    response
}

/// `Stripe-Should-Retry`: told where the status alone does not tell. Repeating a call whose 500 is stored
/// under its key is of no use; a key in use becomes free.
fn should_retry(outcome: &Outcome) -> Option<bool> {
    match outcome.status {
        409 => Some(true),
        500 => Some(!outcome.stored),
        // Not of Stripe's: see `ApiError::not_done`.
        501 => Some(false),
        _ => None,
    }
}
