//! Tables as files.
#![expect(unused_qualifications, reason = "utoipa names parameters by their path")]

use axum::{
    body::Body,
    extract::{Path, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual},
    error::ErrorBody,
};
use crate::{
    net::error::ApiError,
    operator::{
        moment,
        work::{ExportedRow, OperatorError, Period, Table},
    },
};

/// The last moment that a bound can be: what JSON's numbers hold exactly.
const LAST_MS: u64 = (1 << 53) - 1;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// RFC 4180, with the names of the columns first.
    #[default]
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

/// Which rows, and how.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// csv, or a JSON object on each line
    #[serde(default)]
    #[param(inline, default = "csv")]
    format: Format,
    /// Not before this moment
    #[serde(default)]
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64, default = 0)]
    from_ms: u64,
    /// Only before this moment
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    until_ms: Option<u64>,
}

/// A whole table as a file, newest rows first
///
/// As many rows as there are. Amounts are units. An export that breaks off has no proper end: HTTP clients
/// report an error.
#[utoipa::path(get, path = "/admin/v1/exports/{table}", tag = "money", operation_id = "export",
    params(("table" = inline(Table), Path), Which),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such table"), Usual))]
pub(super) async fn table(
    State(operators): State<Operators>,
    Path(table): Path<String>,
    Asked(which): Asked<Which>,
) -> Result<Response, ApiError> {
    let table: Table = serde_json::from_value(Value::String(table)).map_err(|_| {
        let text = "tables are clients, card-charges, movements, refunds, disputes and audit";
        ApiError::from(OperatorError::NotFound(text))
    })?;
    let Which { format, from_ms, until_ms } = which;
    if from_ms.max(until_ms.unwrap_or(0)) > LAST_MS {
        let text = "from_ms, until_ms: must be Unix milliseconds, at most 9007199254740991";
        return Err(ApiError::bad_request(text));
    }
    let period = Period { from_ms, until_ms: until_ms.unwrap_or(u64::MAX) };
    let mut pieces = Box::pin(operators.0.operations.export(table, period));
    // What cannot be read at all is an answer that says so.
    let first = pieces.next().await.transpose()?;
    let rows = stream::iter(first.map(Ok)).chain(pieces);
    let rows = rows.map_ok(move |rows| written(table, format, &rows));
    let (kind, head) = match format {
        Format::Csv => ("text/csv; charset=utf-8", line(&head(table))),
        Format::Jsonl => ("application/jsonl", String::new()),
    };
    let body = stream::once(future::ready(Ok(head))).chain(rows);
    let body = body.inspect_err(|error| tracing::error!(%error, "an export broke off"));
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(body)).into_response())
}

/// The names of the columns. A time stands there as people read it, too.
fn head(table: Table) -> Vec<String> {
    let columns = table.columns().iter();
    time_of(table).map(|_| "time").into_iter().chain(columns.copied()).map(str::to_owned).collect()
}

fn time_of(table: Table) -> Option<&'static str> {
    table.columns().first().copied().filter(|name| name.ends_with("_ms"))
}

fn written(table: Table, format: Format, rows: &[ExportedRow]) -> String {
    let lines = rows.iter().map(|row| match format {
        Format::Jsonl => format!("{}\n", Value::Object(row.clone())),
        Format::Csv => {
            let at = time_of(table).and_then(|name| row.get(name)).and_then(Value::as_u64);
            let cells = table.columns().iter().map(|name| cell(row.get(*name)));
            line(&at.map(moment::moment).into_iter().chain(cells).collect::<Vec<_>>())
        }
    });
    lines.collect()
}

/// A value as a cell. A text that a spreadsheet would take for a formula has a `'` before it
/// (OWASP, "CSV injection").
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A line of RFC 4180.
fn line(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let cells: Vec<_> = cells.iter().map(quoted).collect();
    format!("{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        let row = json!({
            "at_ms": 1_795_000_000_123_u64, "subject": "0123456789abcdef", "currency": "usd",
            "kind": "adjustment_down", "amount": 5, "reference": "=1+1", "note": "a \"b\",\nc",
        });
        let Value::Object(row) = row else { panic!("an object") };
        let csv = written(Table::Movements, Format::Csv, std::slice::from_ref(&row));
        let expected = "2026-11-18T11:06:40Z,1795000000123,0123456789abcdef,usd,adjustment_down,5,'=1+1,\
                        \"a \"\"b\"\",\nc\"\r\n";
        assert_eq!(csv, expected);
        assert_eq!(head(Table::Movements).len(), 8);
        assert_eq!(head(Table::Clients).first().map(String::as_str), Some("subject"));
        for (value, expected) in [
            (json!(-5), "-5"),
            (json!("-5"), "'-5"),
            (json!("@x"), "'@x"),
            (json!("\tx"), "'\tx"),
            (json!(null), ""),
            (json!(true), "true"),
        ] {
            assert_eq!(cell(Some(&value)), expected);
        }
        let jsonl = written(Table::Movements, Format::Jsonl, &[row.clone(), row]);
        assert_eq!(jsonl.lines().count(), 2);
    }
}
