//! A request's body, whole or not at all: within a time and a size, before anybody looks at it.
//! The time is for the whole body: a limit between two pieces would let one byte a second pass for ever.

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{error::ApiError, listener::ListenerLimits};

/// A layer that does so for the routes below it.
pub(crate) async fn within(
    State(limits): State<ListenerLimits>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    in_time(limits, with_whole_body(State(limits), request, next)).await
}

/// A layer that does so, and lets the answer take as long as it takes.
pub(crate) async fn with_whole_body(
    State(limits): State<ListenerLimits>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = whole(body, limits).await?;
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

/// The whole body.
///
/// # Errors
/// If it is too large, too slow, or ends early.
pub(crate) async fn whole(body: Body, limits: ListenerLimits) -> Result<Bytes, ApiError> {
    let whole = Limited::new(body, limits.max_body).collect();
    match tokio::time::timeout(limits.body_time, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(limits.max_body))
        }
        Ok(Err(_)) => Err(ApiError::bad_request("the body ended early: send it again")),
        Err(_elapsed) => Err(ApiError::too_slow()),
    }
}

/// The answer to a request that is there.
///
/// # Errors
/// The work's, or that it took too long.
pub(crate) async fn in_time<T>(
    limits: ListenerLimits,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    tokio::time::timeout(limits.request_time, work).await.unwrap_or_else(|_elapsed| {
        Err(ApiError::unavailable("the outcome is not known in time; ask again"))
    })
}
