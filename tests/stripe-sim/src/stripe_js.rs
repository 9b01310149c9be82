//! `GET /v3/`: a stand-in for Stripe.js, as much of it as a page needs that takes a card.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::control;

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v3/", get(script))
        .route("/v3/authenticate", post(authenticate))
        .with_state(app)
}

async fn script() -> Response {
    let kind = (CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind], include_str!("stripe_js.js")).into_response()
}

/// What the bank's page does: the holder confirms, or does not. A page of any origin may ask.
async fn authenticate(State(app): State<Arc<App>>, body: String) -> Response {
    let answer = match serde_json::from_str(&body) {
        Ok(asked) => control::authenticate(State(app), axum::Json(asked)).await,
        Err(error) => control::refused(&error.to_string()),
    };
    ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], answer).into_response()
}
