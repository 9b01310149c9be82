//! The operators' page, at `/admin/`: HTML from the server, which needs no scripts.
//!
//! Every text goes through the template engine, which escapes it. The browser is told to load
//! nothing but the page's own style and to send forms nowhere else (content-security-policy).

mod act;
mod audit;
mod chart;
mod choose;
mod client;
mod clients;
mod confirm;
mod holds;
mod keys;
mod layout;
mod overview;
mod session;
mod tables;
mod text;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    middleware,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};

use super::keyring::Operators;
use crate::net::{listener::ListenerLimits, receive};

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What every page is sent with.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: browsers would then hide the origin of forms from us, too.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

pub(super) fn routes(operators: &Operators, limits: ListenerLimits) -> Router {
    let inside = Router::new()
        .route("/admin/", get(overview::show))
        .route("/admin/clients", get(clients::list).post(clients::search))
        .route("/admin/clients/{client}", get(client::show))
        .route("/admin/clients/{client}/freeze", post(act::freeze))
        .route("/admin/clients/{client}/unfreeze", post(act::unfreeze))
        .route("/admin/clients/{client}/rotate", post(act::rotate))
        .route("/admin/clients/{client}/adjust", post(act::adjust))
        .route("/admin/clients/{client}/grant", post(act::grant))
        .route("/admin/clients/{client}/refund", post(act::refund))
        .route("/admin/clients/{client}/revoke", post(act::revoke))
        .route("/admin/clients/{client}/stop-auto-top-up", post(act::stop_auto_top_up))
        .route("/admin/card-charges", get(tables::card_charges))
        .route("/admin/movements", get(tables::movements))
        .route("/admin/exports/{table}", get(tables::export))
        .route("/admin/search", post(tables::search))
        .route("/admin/holds", get(holds::list))
        .route("/admin/audit", get(audit::list))
        .route_layer(middleware::from_fn_with_state(operators.clone(), session::require));
    Router::new()
        .route("/admin", get(async || Redirect::permanent("/admin/")))
        .route("/admin/login", get(session::form).post(session::sign_in))
        .route("/admin/logout", post(session::sign_out))
        .route("/admin/style.css", get(style))
        .route("/admin/icon.svg", get(icon))
        .merge(inside)
        .layer(middleware::from_fn_with_state(limits, receive::within))
        // Before a body is read.
        .layer(middleware::from_fn(session::refuse_strangers_forms))
        .layer(middleware::map_response(guard))
        .with_state(operators.clone())
}

async fn guard(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("icon.svg")).into_response()
}
