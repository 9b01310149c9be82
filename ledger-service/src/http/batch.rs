//! `POST /v1/batch`: charges and voids of one gateway worker.

use axum::{Json, body::Bytes, extract::State};
use stripe402_protocol::message::{Batch, BatchAnswer};

use super::{
    App,
    error::{ApiError, read},
};

pub(super) async fn post(
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<BatchAnswer>, ApiError> {
    let batch = read(&body, |batch: &Batch| batch.version)?;
    let answer = app.store.batch(batch).await;
    answer.map(Json).map_err(|error| ApiError::unavailable(error.to_string()))
}
