//! Operators: what they can do ([`work`]), and the three ways to it: the command line ([`cli`]), the
//! operator API ([`api`]) and the pages.

pub mod api;
pub mod cli;
pub mod keyring;
mod pages;
pub mod work;

use axum::Router;

use self::keyring::Operators;
use crate::{
    app::App,
    health, metrics,
    net::{Limits, error},
    observe::measured,
};

/// The routes for operators and probes. Without a keyring there is no operator API, and no page.
pub fn routes(app: App, operators: Option<Operators>, limits: Limits) -> Router {
    let probes = health::routes().merge(metrics::routes());
    let probes = measured(probes, &["/healthz", "/readyz", "/metrics"]).with_state(app);
    let work = operators.map_or_else(Router::new, |operators| {
        api::routes(&operators, limits).merge(pages::routes(&operators, limits))
    });
    probes.merge(work).fallback(error::not_found)
}
