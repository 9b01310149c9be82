//! A request's body, whole or not at all: within a time and a size, before anybody looks at it.
//! The time is for the whole body: a limit between two pieces would let one byte a second pass for ever.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{error::ApiError, listener::ListenerLimits};

pub(crate) async fn within(
    State(limits): State<ListenerLimits>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let whole = Limited::new(body, limits.max_body).collect();
    let body = match tokio::time::timeout(limits.body_time, whole).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(ApiError::too_large(limits.max_body));
        }
        Ok(Err(_)) => return Err(ApiError::bad_request("the body ended early: send it again")),
        Err(_elapsed) => return Err(ApiError::too_slow()),
    };
    let request = Request::from_parts(parts, Body::from(body));
    match tokio::time::timeout(limits.request_time, next.run(request)).await {
        Ok(response) => Ok(response),
        Err(_elapsed) => Err(ApiError::unavailable("the outcome is not known in time; ask again")),
    }
}
