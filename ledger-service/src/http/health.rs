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
        Ok(()) => Ok(Json(json!({"status": "ready"}))),
        Err(error) => Err(ApiError::unavailable(error.to_string())),
    }
}
