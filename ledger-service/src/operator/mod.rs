//! Operators: what they can do ([`work`]), and the three ways to it: the command line ([`cli`]), the
//! operator API ([`api`]) and the pages.

pub mod api;
pub mod cli;
mod download;
pub mod keyring;
mod moment;
mod money;
mod pages;
mod sheet;
pub mod work;

use axum::{Router, http::StatusCode};

use self::{keyring::Operators, work::OperatorError};
use crate::{
    app::App,
    health, metrics,
    net::{
        ListenerLimits,
        error::{self, ApiError},
    },
    observe::measured,
    postings::Unavailable,
    refunds::RefundError,
    store::StoreError,
    stripe::Failure,
};

/// The routes for operators and probes. Without a keyring there is no operator API, and no page.
pub fn routes(app: App, operators: Option<Operators>, limits: ListenerLimits) -> Router {
    let probes = health::routes().merge(metrics::routes());
    let probes = measured(probes, &["/healthz", "/readyz", "/metrics"]).with_state(app);
    let work = operators.map_or_else(Router::new, |operators| {
        api::routes(&operators, limits).merge(pages::routes(&operators, limits))
    });
    probes.merge(work).fallback(error::not_found)
}

impl From<OperatorError> for ApiError {
    fn from(problem: OperatorError) -> Self {
        let (status, code) = status(&problem);
        Self::new(status, code, problem.to_string())
    }
}

/// The status of an answer that says so, and its code.
const fn status(problem: &OperatorError) -> (StatusCode, &'static str) {
    match problem {
        OperatorError::Invalid(_) => (StatusCode::BAD_REQUEST, "bad_request"),
        OperatorError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
        OperatorError::Refused { code, .. } => (StatusCode::CONFLICT, code),
        OperatorError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        OperatorError::Store(error) => (StatusCode::SERVICE_UNAVAILABLE, of_store(error)),
        OperatorError::Unavailable(error)
        | OperatorError::RefundUnknown(RefundError::Unknown(error)) => {
            (StatusCode::SERVICE_UNAVAILABLE, of_unavailable(error))
        }
        OperatorError::RefundUnknown(_) | OperatorError::CutOff(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }
}

/// What only an operator can mend has a code of its own.
const fn of_store(error: &StoreError) -> &'static str {
    match error {
        StoreError::Damaged(_) => "damaged",
        _ => "unavailable",
    }
}

const fn of_unavailable(error: &Unavailable) -> &'static str {
    match error {
        Unavailable::Store(error) => of_store(error),
        Unavailable::Stripe(Failure::Account(_)) => "stripe_account",
        _ => "unavailable",
    }
}
