//! The operator API: `/admin/v1/…`, and its description at `/admin/openapi.json`.

mod actions;
mod ask;
mod checks;
mod clients;
mod error;
mod export;
mod holds;
mod keys;
mod money;
pub mod openapi;
mod rows;
mod state;
mod tables;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};

use super::keyring::Operators;
use crate::net::{
    error::{self as replies, ApiError},
    listener::ListenerLimits,
    receive,
};
use crate::operator::work::Actor;

/// The routes; each stands in [`openapi::document`], too.
pub(super) fn routes(operators: &Operators, limits: ListenerLimits) -> Router {
    // To look through all the books may take longer than any other request.
    let checks = Router::new()
        .route("/verify", post(checks::verify))
        .route("/reconcile", post(checks::reconcile))
        .route("/statement", get(money::statement))
        .route("/exports/clients", get(export::clients))
        .route("/exports/card-charges", get(export::card_charges))
        .route("/exports/movements", get(export::movements))
        .route("/exports/refunds", get(export::refunds))
        .route("/exports/disputes", get(export::disputes))
        .route("/exports/audit", get(export::audit))
        .route("/exports/{table}", get(export::unknown))
        .method_not_allowed_fallback(replies::wrong_method)
        .layer(middleware::from_fn_with_state(limits, receive::with_whole_body));
    let v1 = Router::new()
        .route("/clients", get(clients::list))
        .route("/clients/{client}", get(clients::show))
        .route("/clients/{client}/movements", get(clients::movements))
        .route("/clients/{client}/freeze", post(actions::freeze))
        .route("/clients/{client}/unfreeze", post(actions::unfreeze))
        .route("/clients/{client}/adjustments", post(actions::adjust))
        .route("/clients/{client}/grants", post(actions::grant))
        .route("/clients/{client}/refunds", post(actions::refund))
        .route("/clients/{client}/refund-plan", get(actions::refund_plan))
        .route("/clients/{client}/keys", get(keys::list).post(keys::make))
        .route("/clients/{client}/keys/{key}/revoke", post(keys::revoke))
        .route("/clients/{client}/keys/{key}/stop-auto-top-up", post(keys::stop_auto_top_up))
        .route("/clients/{client}/rotate", post(keys::rotate))
        .route("/revenue", get(money::revenue))
        .route("/top-ups", get(tables::top_ups))
        .route("/transfers", get(tables::transfers))
        .route("/refunds", get(tables::refunds))
        .route("/disputes", get(tables::disputes))
        .route("/holds", get(holds::list))
        .route("/audit", get(tables::audit))
        .route("/health", get(state::health))
        .method_not_allowed_fallback(replies::wrong_method)
        .layer(middleware::from_fn_with_state(limits, receive::within))
        .merge(checks)
        .layer(middleware::from_fn_with_state(operators.clone(), require))
        .layer(middleware::map_response(keep_to_yourself))
        .with_state(operators.clone());
    Router::new()
        .nest("/admin/v1", v1)
        .route("/admin/openapi.json", get(async || Json(openapi::document())))
}

/// Lets holders of a token through, and says who they are.
async fn require(State(operators): State<Operators>, mut request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let token = header.and_then(|value| value.strip_prefix(b"Bearer "));
    let holder = token.and_then(|token| operators.0.keyring.holder(token));
    match holder.map(|(actor, _)| actor.clone()) {
        Some(actor) => {
            request.extensions_mut().insert::<Actor>(actor);
            next.run(request).await
        }
        None => {
            tracing::warn!("a request without an operator's token was refused");
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            (challenge, ApiError::not_an_operator()).into_response()
        }
    }
}

/// Nothing of this is for caches.
async fn keep_to_yourself(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
