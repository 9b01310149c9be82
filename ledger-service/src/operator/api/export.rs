//! Tables as files.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};

use super::{
    super::keyring::Operators,
    ask::{Asked, Usual},
    error::ErrorBody,
    rows::{ActionName, KindName, Rows, StageName},
};
use crate::{
    net::error::ApiError,
    operator::{
        download,
        sheet::Format,
        work::{OperatorError, Table},
    },
};

/// What is said of the parameter.
const FORMAT: &str =
    "csv, or a JSON object on each line; without it the header accept says which, and csv is usual";

/// What each account holds now, as a file
///
/// Whole tables have as many rows as there are, newest first. Amounts are units. An export that breaks off has no
/// proper end: HTTP clients report an error. Four run at once; another one is answered with 503 `busy`.
#[utoipa::path(get, path = "/admin/v1/exports/clients", tag = "exports", operation_id = "export_clients",
    params(("client" = Option<String>, Query, pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$", description = "Only this one: a subject, or a client id"),
    ("currency" = Option<String>, Query, pattern = "^[a-z]{3}$", description = "In this currency"), ("format" = inline(Option<Format>), Query, description = FORMAT)),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn clients(
    operators: State<Operators>,
    headers: HeaderMap,
    rows: Asked<Rows>,
) -> Result<Response, ApiError> {
    file(operators, &headers, rows, Table::Clients).await
}

/// Card charges as a file
#[utoipa::path(get, path = "/admin/v1/exports/card-charges", tag = "exports", operation_id = "export_card_charges",
    params(Rows, ("state" = inline(Option<StageName>), Query, description = "Those that are so far"),
    ("card" = Option<String>, Query, pattern = "^[0-9]{4}$", description = "The last four digits of the card"), ("format" = inline(Option<Format>), Query, description = FORMAT)),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn card_charges(
    operators: State<Operators>,
    headers: HeaderMap,
    rows: Asked<Rows>,
) -> Result<Response, ApiError> {
    file(operators, &headers, rows, Table::CardCharges).await
}

/// Movements as a file
#[utoipa::path(get, path = "/admin/v1/exports/movements", tag = "exports", operation_id = "export_movements",
    params(Rows, ("kind" = inline(Option<KindName>), Query, description = "Of this kind only"), ("format" = inline(Option<Format>), Query, description = FORMAT)),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn movements(
    operators: State<Operators>,
    headers: HeaderMap,
    rows: Asked<Rows>,
) -> Result<Response, ApiError> {
    file(operators, &headers, rows, Table::Movements).await
}

/// Refunds as a file
#[utoipa::path(get, path = "/admin/v1/exports/refunds", tag = "exports", operation_id = "export_refunds",
    params(Rows, ("format" = inline(Option<Format>), Query, description = FORMAT)),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn refunds(
    operators: State<Operators>,
    headers: HeaderMap,
    rows: Asked<Rows>,
) -> Result<Response, ApiError> {
    file(operators, &headers, rows, Table::Refunds).await
}

/// Disputes as a file
#[utoipa::path(get, path = "/admin/v1/exports/disputes", tag = "exports", operation_id = "export_disputes",
    params(Rows, ("format" = inline(Option<Format>), Query, description = FORMAT)),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn disputes(
    operators: State<Operators>,
    headers: HeaderMap,
    rows: Asked<Rows>,
) -> Result<Response, ApiError> {
    file(operators, &headers, rows, Table::Disputes).await
}

/// The audit record as a file
#[utoipa::path(get, path = "/admin/v1/exports/audit", tag = "exports", operation_id = "export_audit",
    params(Rows, ("kind" = inline(Option<ActionName>), Query, description = "Of this kind only"),
    ("actor" = Option<String>, Query, description = "What the holder of this token did, or cli"), ("format" = inline(Option<Format>), Query, description = FORMAT)),
    responses((status = 200, description = "The rows", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 404, body = ErrorBody, description = "There is no such client or currency"), Usual))]
pub(super) async fn audit(
    operators: State<Operators>,
    headers: HeaderMap,
    rows: Asked<Rows>,
) -> Result<Response, ApiError> {
    file(operators, &headers, rows, Table::Audit).await
}

/// What is no table.
pub(super) async fn unknown() -> ApiError {
    let text = "tables are clients, card-charges, movements, refunds, disputes and audit";
    OperatorError::NotFound(text).into()
}

async fn file(
    State(operators): State<Operators>,
    headers: &HeaderMap,
    Asked(rows): Asked<Rows>,
    table: Table,
) -> Result<Response, ApiError> {
    let (filter, format) = rows.whole(table)?;
    let format = format.unwrap_or_else(|| wished(headers));
    Ok(download::file(&operators, table, filter, format).await?)
}

/// What the header `accept` prefers; CSV if it says neither.
fn wished(headers: &HeaderMap) -> Format {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let place = |kind: &str| accept.and_then(|accept| accept.find(kind));
    match (place("application/jsonl").or_else(|| place("application/x-ndjson")), place("text/csv"))
    {
        (Some(lines), Some(csv)) if lines < csv => Format::Jsonl,
        (Some(_), None) => Format::Jsonl,
        _ => Format::Csv,
    }
}
