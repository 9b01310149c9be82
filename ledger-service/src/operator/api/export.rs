//! Tables as files.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, header},
    response::Response,
};
use serde_json::Value;

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual},
    error::ErrorBody,
    rows::{Rows, StageName},
};
use crate::{
    net::error::ApiError,
    operator::{
        download,
        sheet::Format,
        work::{OperatorError, Table},
    },
};

/// A whole table as a file, newest rows first
///
/// As many rows as there are. Amounts are units. An export that breaks off has no proper end: HTTP clients
/// report an error. Four run at once; another one is answered with 503 `busy`. Without `format`, the header
/// `accept` says which it is.
#[utoipa::path(get, path = "/admin/v1/exports/{table}", tag = "money", operation_id = "export",
    params(("table" = inline(Table), Path), Rows,
    ("kind" = Option<String>, Query, description = "Of movements and of the audit record: of this kind only"),
    ("state" = inline(Option<StageName>), Query, description = "Of card charges: those that are so far"),
    ("card" = Option<String>, Query, pattern = "^[0-9]{4}$", description = "Of card charges: the last four digits of the card"),
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
    Ok(download::file(&operators, table, filter, format).await?)
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
