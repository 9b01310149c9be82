//! Whether the store and Stripe answer.

use axum::{Json, extract::State};

use super::{super::keyring::Operators, ask::Usual};
use crate::operator::work::view;

/// Whether the store and Stripe answer
#[utoipa::path(get, path = "/admin/v1/health", tag = "state", operation_id = "health",
    responses((status = 200, body = view::Health), Usual))]
pub(super) async fn health(State(operators): State<Operators>) -> Json<view::Health> {
    Json(operators.0.operations.health().await)
}
