//! The ledger's listeners.
//!
//! Gateways reach `POST /v1/batch`, `POST /v1/payments` and `POST /v1/balance` behind a bearer token; probes reach
//! `/healthz` and `/readyz` on either listener.

pub mod admin;
mod balance;
mod batch;
mod error;
mod health;
mod keyring;
mod listener;
mod metrics;
mod page;
mod payments;
mod receive;
mod token;
mod webhook;

use std::sync::Arc;

use axum::{Router, middleware, routing};
use secrecy::SecretString;

pub use self::{
    health::Readiness,
    keyring::{Keyring, Operators},
    listener::{Limits, serve},
    token::{Token, Tokens},
};

use crate::{observe::measured, payment::Payments, store::Store};

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    /// The books.
    pub store: Arc<dyn Store>,
    /// Card payments.
    pub payments: Arc<Payments>,
    /// Whether gateways may turn to this replica.
    pub readiness: Readiness,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// The routes for gateways.
pub fn internal(app: App, tokens: Tokens, limits: Limits) -> Router {
    let router = Router::new()
        .route("/v1/balance", routing::post(balance::post))
        .route("/v1/batch", routing::post(batch::post))
        .route("/v1/payments", routing::post(payments::post))
        .route_layer(middleware::from_fn_with_state(limits, receive::within))
        // Before a body is read.
        .route_layer(middleware::from_fn_with_state(tokens, token::require))
        .merge(health::routes())
        .fallback(error::not_found);
    let routes = ["/v1/balance", "/v1/batch", "/v1/payments", "/healthz", "/readyz"];
    measured(router, &routes).with_state(app)
}

/// The route for Stripe. It may be reached from outside: what is not signed is refused.
pub fn webhooks(app: App, secret: SecretString, limits: Limits) -> Router {
    let router = Router::new()
        .route("/webhooks/stripe", routing::post(webhook::post))
        .layer(middleware::from_fn_with_state(limits, receive::within))
        .fallback(error::not_found);
    measured(router, &["/webhooks/stripe"])
        .with_state(webhook::Listener { app, secret: Arc::new(secret) })
}

/// The routes for operators and probes. Without a keyring there is no operator API, and no page.
pub fn operator(app: App, operators: Option<Operators>, limits: Limits) -> Router {
    let probes = health::routes().merge(metrics::routes());
    let probes = measured(probes, &["/healthz", "/readyz", "/metrics"]).with_state(app);
    let work = operators.map_or_else(Router::new, |operators| {
        admin::routes(&operators, limits).merge(page::routes(&operators, limits))
    });
    probes.merge(work).fallback(error::not_found)
}
