//! Probes: alive; and ready, which is: able to write, and not about to stop.

use axum::{Json, Router, extract::State, routing};
use serde_json::{Value, json};

use crate::{app::App, net::error::ApiError};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/healthz", routing::get(alive)).route("/readyz", routing::get(ready))
}

async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    if app.readiness.is_withdrawn() {
        return Err(ApiError::unavailable("stopping: ask another replica"));
    }
    match app.store.ping().await {
        // A gateway with the wrong key must not take the ledger away from all others.
        Ok(()) => match app.parts.payments.problem() {
            None => Ok(Json(json!({"status": "ready"}))),
            Some(problem) => Ok(Json(json!({"status": "ready", "problem": problem}))),
        },
        Err(error) => Err(ApiError::unavailable(error.to_string())),
    }
}
