//! `POST /v1/batch`: deductions, holds, captures and voids of one gateway worker.
//!
//! A call is part of every paid request, so it is one future from its head to its answer. As a handler
//! below the layers that the other routes share it cost a third more: each layer is a future in memory of
//! its own.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::{self, MethodRouter},
};
use stripe402_protocol::message::{Received, compact};

use crate::{
    keys::Keys,
    net::{
        ListenerLimits, Tokens,
        error::{ApiError, read_compact},
        receive, token,
    },
    observe::Route,
};

/// The path.
pub(super) const PATH: &str = "/v1/batch";

/// What every call needs.
struct Batches {
    keys: Arc<Keys>,
    tokens: Tokens,
    limits: ListenerLimits,
    route: Route,
}

/// The route, with its token, its limits and its numbers.
pub(super) fn route<S: Clone + Send + Sync + 'static>(
    keys: Arc<Keys>,
    tokens: Tokens,
    limits: ListenerLimits,
) -> MethodRouter<S> {
    let batches = Arc::new(Batches { keys, tokens, limits, route: Route::new(PATH) });
    routing::any(move |request: Request| {
        let batches = Arc::clone(&batches);
        async move { batches.answer(request).await }
    })
}

impl Batches {
    async fn answer(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let span = self.route.span(&head.headers);
        let answer = async {
            let answer = self.take(&head.method, &head.headers, body).await;
            answer.unwrap_or_else(ApiError::into_response)
        };
        self.route.measure(span, answer).await
    }

    /// The token first: nothing of a stranger's body is kept.
    async fn take(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, ApiError> {
        if !self.tokens.are_in(headers) {
            return Err(token::refuse(body).await);
        }
        let body = receive::whole(body, self.limits).await?;
        if method != Method::POST {
            return Ok((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response());
        }
        receive::in_time(self.limits, self.carry_out(&body)).await
    }

    /// Answers in the version of the question.
    async fn carry_out(&self, body: &[u8]) -> Result<Response, ApiError> {
        let Received { batch, refused } = read_compact(body)?;
        for (_, deduction) in refused.deductions.iter().chain(&refused.captures) {
            let what =
                "its currency, amount, route or end is none: see the gateway's configuration";
            tracing::error!(%deduction, what, "a deduction is refused, the rest of its batch is not");
        }
        let version = batch.version;
        let answer = self.keys.batch(batch).await;
        let answer = answer.map_err(|error| ApiError::unavailable(error.to_string()))?;
        let mut response = Response::new(refused.complete(answer).encode(version).into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(compact::MEDIA_TYPE));
        Ok(response)
    }
}
