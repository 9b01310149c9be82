use super::{keyring::Operators, listener::Limits};
use axum::Router;
pub(super) fn routes(_: &Operators, _: Limits) -> Router {
    Router::new()
}
