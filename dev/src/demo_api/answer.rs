//! One request, one answer.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::mcp::Mcp;
use super::model;
use super::path::{Route, find};
use super::recorder::{Received, Recorder};

/// What a caller may send as a body.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// How the echo is asked to behave, in the query: `/api/echo?status=503&delay_ms=200`.
#[derive(Debug, Deserialize)]
struct Wish {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    delay_ms: u64,
}

fn ok() -> u16 {
    200
}

/// What all requests share.
#[derive(Clone)]
pub(super) struct Demo {
    pub(super) recorder: Option<Recorder>,
    pub(super) mcp: Mcp,
}

pub(super) async fn answer(State(demo): State<Demo>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Read whole before anything is recorded: a request that was cut off has not been received.
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({"error": "the body was cut off or is too long"})),
        )
            .into_response();
    };
    let received = Received {
        method: parts.method.to_string(),
        path: parts
            .uri
            .path_and_query()
            .map_or_else(|| parts.uri.path().to_owned(), ToString::to_string),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body_length: body.len(),
    };
    if let Some(recorder) = &demo.recorder {
        recorder.add(received.clone());
    }
    match find(&parts.method, parts.uri.path()) {
        Some(Route::Joke) => {
            Json(json!({"joke": "I told my API a joke. It answered 402."})).into_response()
        }
        Some(Route::Weather) => Json(json!({"temp": 72, "conditions": "Sunny"})).into_response(),
        Some(Route::Health) => Json(json!({"status": "ok"})).into_response(),
        Some(Route::Fail) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "this route always fails"})))
                .into_response()
        }
        Some(Route::Chat) => model::chat(&body),
        Some(Route::Messages) => model::messages(&body),
        Some(Route::Metered) => model::metered(parts.uri.query()),
        Some(Route::Mcp) => demo.mcp.answer(Request::from_parts(parts, Body::from(body))).await,
        Some(Route::Echo) => echo(&parts.uri, &received).await,
        None => (StatusCode::NOT_FOUND, Json(json!({"error": "not found"}))).into_response(),
    }
}

async fn echo(uri: &Uri, received: &Received) -> Response {
    let wish = Query::<Wish>::try_from_uri(uri).ok().map(|Query(wish)| wish);
    let Some((status, delay)) =
        wish.and_then(|wish| Some((StatusCode::from_u16(wish.status).ok()?, wish.delay_ms)))
    else {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({"error": "status or delay_ms is no such number"})),
        )
            .into_response();
    };
    tokio::time::sleep(Duration::from_millis(delay)).await;
    // These have no body by definition; one that is sent all the same breaks the connection.
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return (status, Body::empty()).into_response();
    }
    (status, Json(describe(received))).into_response()
}

fn describe(received: &Received) -> Value {
    let headers: Vec<Value> =
        received.headers.iter().map(|(name, value)| json!([name, value])).collect();
    json!({
        "method": received.method,
        "path": received.path,
        "headers": headers,
        "bodyLength": received.body_length,
    })
}
