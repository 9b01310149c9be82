//! Tables as files.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual},
    error::ErrorBody,
    rows::{Rows, StageName},
};
use crate::{
    net::error::ApiError,
    operator::{
        sheet::{Format, beginning, written},
        work::{OperatorError, Table},
    },
};

/// So long an export waits for whoever reads it.
const PATIENCE: Duration = Duration::from_secs(60);
/// What one more export is told.
const BUSY: OperatorError =
    OperatorError::Busy("the ledger writes 4 exports already: run this again when one has ended");

/// A piece of a file; none is its end.
type Written = Result<Option<String>, OperatorError>;

/// A whole table as a file, newest rows first
///
/// As many rows as there are. Amounts are units. An export that breaks off has no proper end: HTTP clients
/// report an error. Four run at once; another one is answered with 503 `busy`. Without `format`, the header
/// `accept` says which it is.
#[utoipa::path(get, path = "/admin/v1/exports/{table}", tag = "money", operation_id = "export",
    params(("table" = inline(Table), Path), Rows,
    ("kind" = Option<String>, Query, description = "Of movements and of the audit record: of this kind only"),
    ("state" = inline(Option<StageName>), Query, description = "Of card charges: those that are so far"),
    ("actor" = Option<String>, Query, description = "Of the audit record: what the holder of this token did, or cli"),
    ("format" = inline(Option<Format>), Query, description = "csv, or a JSON object on each line")),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such table, client or currency"), Usual))]
pub(super) async fn table(
    State(operators): State<Operators>,
    Path(table): Path<String>,
    headers: HeaderMap,
    Asked(rows): Asked<Rows>,
) -> Result<Response, ApiError> {
    let table: Table = serde_json::from_value(Value::String(table)).map_err(|_| {
        let text = "tables are clients, card-charges, movements, refunds, disputes and audit";
        ApiError::from(OperatorError::NotFound(text))
    })?;
    let (filter, format) = rows.whole(table)?;
    let format = format.unwrap_or_else(|| wished(&headers));
    let context = &operators.0;
    let running = Arc::clone(&context.exports).try_acquire_owned().map_err(|_| BUSY)?;
    let mut pieces = Box::pin(context.operations.export(table, filter).await?);
    // What cannot be read at all is an answer that says so.
    let first = pieces.next().await.transpose()?;
    let kind = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Jsonl => "application/jsonl",
    };
    let head = beginning(table, format);
    let rows = stream::iter(first.map(Ok)).chain(pieces);
    let rows = rows.map_ok(move |rows| Some(written(table, format, &rows)));
    let pieces = stream::iter([Ok(Some(head))]).chain(rows).chain(stream::iter([Ok(None)]));
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _running = running;
        send(pieces, &sender).await;
    });
    let body = Body::from_stream(stream::unfold(receiver, received));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// What the header `accept` prefers; CSV if it says neither.
fn wished(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let place = |kind: &str| accept.and_then(|accept| accept.find(kind));
    match (place("application/jsonl").or_else(|| place("application/x-ndjson")), place("text/csv")) {
        (Some(lines), Some(csv)) if lines < csv => Format::Jsonl,
        (Some(_), None) => Format::Jsonl,
        _ => Format::Csv,
    }
}

/// Writes a file piece by piece, for as long as somebody reads it.
async fn send(pieces: impl Stream<Item = Written>, sender: &mpsc::Sender<Written>) {
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.next().await {
        let broken = piece.as_ref().err().map(ToString::to_string);
        if let Some(error) = &broken {
            tracing::error!(error, "an export broke off");
        }
        if sender.send_timeout(piece, PATIENCE).await.is_err() {
            tracing::warn!("an export was not read to its end");
            return;
        }
        if broken.is_some() {
            return;
        }
    }
}

/// The next piece of a file. One that stops before its end is an error, which cuts the connection.
async fn received(
    mut receiver: mpsc::Receiver<Written>,
) -> Option<(Result<String, OperatorError>, mpsc::Receiver<Written>)> {
    match receiver.recv().await {
        Some(Ok(Some(text))) => Some((Ok(text), receiver)),
        Some(Ok(None)) => None,
        Some(Err(error)) => Some((Err(error), receiver)),
        None => Some((Err(OperatorError::Busy("the export was not read in time")), receiver)),
    }
}
