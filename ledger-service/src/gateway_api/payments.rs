//! `POST /v1/payments`: a request that offers a card.

use axum::{Json, body::Bytes, extract::State};
use stripe402_protocol::{
    is_idempotency_key,
    message::{CardAnswer, CardPayment, LONGEST_ROUTE, is_route_name},
};

use crate::{
    app::App,
    net::error::{ApiError, read},
};

pub(super) async fn post(
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<CardAnswer>, ApiError> {
    let request = read(&body, |request: &CardPayment| request.version)?;
    if !is_route_name(&request.route) {
        return Err(ApiError::bad_request(format!(
            "route must have at most {LONGEST_ROUTE} bytes and no control characters: name the route \
             in the gateway's configuration"
        )));
    }
    if !request.idempotency_key.as_deref().is_none_or(is_idempotency_key) {
        let message = "idempotencyKey must be 1 to 64 printable ASCII characters";
        return Err(ApiError::bad_request(message));
    }
    let deduction = request.deduction_id;
    app.parts.payments.pay(&request).await.map(Json).map_err(|cause| {
        tracing::warn!(%deduction, %cause, "a card payment has no outcome yet");
        ApiError::unavailable("the outcome is not known yet; retry")
    })
}
