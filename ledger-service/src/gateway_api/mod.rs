//! What gateways ask: `POST /v1/batch`, `POST /v1/payments`, `POST /v1/balance`,
//! `POST /v1/settlement` and `POST /v1/keys`, behind a bearer token; and the probes, for whoever probes this listener.

mod balance;
mod batch;
mod keys;
mod payments;
mod settlement;

use std::sync::Arc;

use axum::{Router, middleware, routing};

use crate::{
    app::App,
    health,
    net::{ListenerLimits, Tokens, error, receive, token},
    observe::measured,
};

/// The routes for gateways.
pub fn routes(app: App, tokens: Tokens, limits: ListenerLimits) -> Router {
    let batches = batch::route(Arc::clone(&app.parts.keys), tokens.clone(), limits);
    let router = Router::new()
        .route("/v1/balance", routing::post(balance::post))
        .route("/v1/keys", routing::post(keys::post))
        .route("/v1/payments", routing::post(payments::post))
        .route("/v1/settlement", routing::post(settlement::post))
        .route_layer(middleware::from_fn_with_state(limits, receive::within))
        // Before a body is read.
        .route_layer(middleware::from_fn_with_state(tokens, token::require))
        .merge(health::routes())
        .fallback(error::not_found);
    let routes =
        ["/v1/balance", "/v1/keys", "/v1/payments", "/v1/settlement", "/healthz", "/readyz"];
    measured(router, &routes).route(batch::PATH, batches).with_state(app)
}
