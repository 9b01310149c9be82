//! Probes: alive, and able to write.

use axum::{Json, Router, extract::State, routing};
use serde_json::{Value, json};

use super::{App, error::ApiError};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/healthz", routing::get(alive)).route("/readyz", routing::get(ready))
}

async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    match app.store.ping().await {
        // A gateway with the wrong key must not take the ledger away from all others.
        Ok(()) => match app.payments.problem() {
            None => Ok(Json(json!({"status": "ready"}))),
            Some(problem) => Ok(Json(json!({"status": "ready", "problem": problem}))),
        },
        Err(error) => Err(ApiError::unavailable(error.to_string())),
    }
}
