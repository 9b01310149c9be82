//! The ledger's listeners.
//!
//! Gateways reach `POST /v1/batch`, `POST /v1/payments` and `POST /v1/balance` behind a bearer token; probes reach
//! `/healthz` and `/readyz` on either listener.

mod balance;
mod batch;
mod error;
mod health;
mod metrics;
mod payments;
mod token;
mod webhook;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware, routing};
use secrecy::SecretString;

pub use token::Token;

use crate::{observe::measured, payment::Payments, store::Store};

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    /// The books.
    pub store: Arc<dyn Store>,
    /// Card payments.
    pub payments: Arc<Payments>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// The routes for gateways. `max_body` is in bytes.
pub fn internal(app: App, token: Token, max_body: usize) -> Router {
    let router = Router::new()
        .route("/v1/balance", routing::post(balance::post))
        .route("/v1/batch", routing::post(batch::post))
        .route("/v1/payments", routing::post(payments::post))
        .route_layer(middleware::from_fn_with_state(token, token::require))
        .layer(DefaultBodyLimit::max(max_body))
        .merge(health::routes())
        .fallback(error::not_found);
    let routes = ["/v1/balance", "/v1/batch", "/v1/payments", "/healthz", "/readyz"];
    measured(router, &routes).with_state(app)
}

/// The route for Stripe. It may be reached from outside: what is not signed is refused.
pub fn webhooks(app: App, secret: SecretString, max_body: usize) -> Router {
    let router = Router::new()
        .route("/webhooks/stripe", routing::post(webhook::post))
        .layer(DefaultBodyLimit::max(max_body))
        .fallback(error::not_found);
    measured(router, &["/webhooks/stripe"])
        .with_state(webhook::Listener { app, secret: Arc::new(secret) })
}

/// The routes for operators and probes.
pub fn operator(app: App) -> Router {
    let router = health::routes().merge(metrics::routes()).fallback(error::not_found);
    measured(router, &["/healthz", "/readyz", "/metrics"]).with_state(app)
}
