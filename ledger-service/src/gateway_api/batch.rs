//! `POST /v1/batch`: deductions, holds, captures and voids of one gateway worker.

use axum::{
    body::Bytes,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use stripe402_protocol::message::{Received, compact};

use crate::{
    app::App,
    net::error::{ApiError, read_compact},
};

/// Answers in the version of the question.
pub(super) async fn post(State(app): State<App>, body: Bytes) -> Result<Response, ApiError> {
    let Received { batch, refused } = read_compact(&body)?;
    for (_, deduction) in refused.deductions.iter().chain(&refused.captures) {
        let what = "its currency, amount, route or end is none: see the gateway's configuration";
        tracing::error!(%deduction, what, "a deduction is refused, the rest of its batch is not");
    }
    let version = batch.version;
    let answer = app.store.batch(batch).await;
    let answer = answer.map_err(|error| ApiError::unavailable(error.to_string()))?;
    let answer = refused.complete(answer).encode(version);
    Ok(([(CONTENT_TYPE, compact::MEDIA_TYPE)], answer).into_response())
}
