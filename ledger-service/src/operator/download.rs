//! Whole tables, sent piece by piece to whoever reads them.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;

use super::{
    keyring::Operators,
    sheet::{Format, beginning, written},
    work::{Filter, OperatorError, Table, spelt},
};

/// So long an export waits for whoever reads it.
const PATIENCE: Duration = Duration::from_secs(60);
/// What one more export is told.
const BUSY: OperatorError =
    OperatorError::Busy("the ledger writes 4 exports already: run this again when one has ended");

/// A piece of a file; none is its end.
type Written = Result<Option<String>, OperatorError>;

/// A table as a file.
///
/// # Errors
/// [`OperatorError`] if as many are sent already as may be, or the first rows cannot be read. What breaks off
/// later has no proper end.
pub(super) async fn file(
    operators: &Operators,
    table: Table,
    filter: Filter,
    format: Format,
) -> Result<Response, OperatorError> {
    let context = &operators.0;
    let running = Arc::clone(&context.exports).try_acquire_owned().map_err(|_| BUSY)?;
    let mut pieces = Box::pin(context.operations.export(table, filter).await?);
    // What cannot be read at all is an answer that says so.
    let first = pieces.next().await.transpose()?;
    let (kind, ending) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Jsonl => ("application/jsonl", "jsonl"),
    };
    let rows = stream::iter(first.map(Ok)).chain(pieces);
    let rows = rows.map_ok(move |rows| Some(written(table, format, &rows)));
    let head = stream::iter([Ok(Some(beginning(table, format)))]);
    let pieces = head.chain(rows).chain(stream::iter([Ok(None)]));
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _running = running;
        send(pieces, &sender, PATIENCE).await;
    });
    let body = Body::from_stream(stream::unfold(receiver, received));
    let name = format!("attachment; filename=\"{}.{ending}\"", spelt(&table));
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, body).into_response())
}

/// Writes a file piece by piece, for as long as somebody reads it.
async fn send(
    pieces: impl Stream<Item = Written>,
    sender: &mpsc::Sender<Written>,
    patience: Duration,
) {
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.next().await {
        let broken = piece.as_ref().err().map(ToString::to_string);
        if let Some(error) = &broken {
            tracing::error!(error, "an export broke off");
        }
        if sender.send_timeout(piece, patience).await.is_err() {
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn read(pieces: Vec<Written>) -> Result<String, String> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move { send(stream::iter(pieces), &sender, PATIENCE).await });
        let body = Body::from_stream(stream::unfold(receiver, received));
        let whole = body.collect().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(whole.to_bytes().to_vec()).unwrap())
    }

    fn text(text: &str) -> Written {
        Ok(Some(text.to_owned()))
    }

    #[tokio::test]
    async fn only_what_came_to_its_end_has_one() {
        let whole = read(vec![text("a\r\n"), text("b\r\n"), Ok(None)]).await;
        assert_eq!(whole.unwrap(), "a\r\nb\r\n");
        let broken = read(vec![text("a"), Err(OperatorError::NotFound("gone")), Ok(None)]).await;
        assert!(broken.is_err(), "{broken:?}");
        let cut = read(vec![text("a")]).await;
        assert!(cut.is_err(), "{cut:?}");
    }

    #[tokio::test]
    async fn nobody_holds_an_export_by_not_reading_it() {
        let (sender, mut receiver) = mpsc::channel(1);
        let pieces = stream::iter((0..5).map(|_| text("a")).collect::<Vec<_>>());
        let short = Duration::from_millis(20);
        let sent = tokio::spawn(async move { send(pieces, &sender, short).await });
        tokio::time::timeout(PATIENCE, sent).await.expect("it gave up").unwrap();
        assert!(receiver.recv().await.is_some(), "what was sent before is there");
        assert!(receiver.recv().await.is_none());
    }
}
