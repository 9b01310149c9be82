//! `POST /v1/batch`: deductions and voids of one gateway worker.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use stripe402_protocol::message::{Batch, Received, compact};

use crate::{
    app::App,
    net::error::{ApiError, read, read_compact},
};

/// Answers in the encoding of the question: gateways of message version 1, and people, write JSON.
pub(super) async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let is_compact = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == compact::MEDIA_TYPE);
    let Received { batch, refused } = if is_compact {
        read_compact(&body)?
    } else {
        Received::from_batch(read(&body, |batch: &Batch| batch.version)?)
    };
    for (_, deduction) in &refused {
        let what = "its currency, amount or route is none: see the gateway's configuration";
        tracing::error!(%deduction, what, "a charge is refused, the rest of its batch is not");
    }
    let answer = app.store.batch(batch).await;
    let answer = answer.map_err(|error| ApiError::unavailable(error.to_string()))?;
    let answer = Received::answer(&refused, answer);
    Ok(if is_compact {
        ([(CONTENT_TYPE, compact::MEDIA_TYPE)], compact::to_bytes(&answer)).into_response()
    } else {
        Json(answer).into_response()
    })
}
