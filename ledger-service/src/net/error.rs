//! Errors of the ledger's own interface: a stable code, a text, a status.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use stripe402_protocol::message::{OLDEST, Received, VERSION, compact};

/// What went wrong, for the gateway and for whoever reads its logs.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(crate) const fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "the bearer token is missing or wrong: give the gateway and the ledger the \
                       same LEDGER_TOKEN";
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: message.into() }
    }

    /// Nobody has shown that they are an operator.
    pub(crate) fn not_an_operator() -> Self {
        let message = "the operator's token is missing or wrong: send `authorization: Bearer TOKEN` \
                       with a token of LEDGER_ADMIN_TOKEN";
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: message.into() }
    }

    /// A form that comes from somewhere else.
    pub(crate) fn forbidden() -> Self {
        let message = "the form was not sent by a page of this ledger; nothing was done: open /admin/ and try again";
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", message: message.into() }
    }

    pub(crate) fn too_large(most: usize) -> Self {
        let message = format!(
            "the body has more than {most} bytes: send a smaller one, or raise LEDGER_MAX_BODY"
        );
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, code: "too_large", message }
    }

    fn newer_version(version: u16) -> Self {
        let message = format!(
            "the message has version {version}, and this ledger knows versions up to {VERSION}: \
             upgrade the ledger before the filter"
        );
        Self { status: StatusCode::BAD_REQUEST, code: "newer_version", message }
    }

    pub(crate) fn too_slow() -> Self {
        let message = "the body did not arrive within LEDGER_BODY_TIMEOUT: send it again";
        Self { status: StatusCode::REQUEST_TIMEOUT, code: "too_slow", message: message.into() }
    }

    /// Nothing has been said to be done; the caller may retry or void.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { status, code: "unavailable", message: message.into() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        (self.status, Json(body)).into_response()
    }
}

pub(crate) async fn wrong_method() -> Response {
    let message = "this path takes another method: use one of the header `allow`";
    let body = json!({"error": {"code": "method_not_allowed", "message": message}});
    (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}

pub(crate) async fn not_found() -> Response {
    let body = json!({"error": {"code": "not_found", "message": "unknown path: check the URL and the listener's port"}});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// Reads a JSON body and checks its version.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    body: &[u8],
    version: impl Fn(&T) -> u16,
) -> Result<T, ApiError> {
    let message: T = serde_json::from_slice(body).map_err(|error| {
        // A later version may have fields that this one does not know.
        if let Ok(Versioned { version: later @ AFTER_OURS.. }) = serde_json::from_slice(body) {
            return ApiError::newer_version(later);
        }
        // Positions and field names only: the values may be credentials.
        ApiError::bad_request(format!(
            "the body is not a valid message for this path: {}",
            category(&error)
        ))
    })?;
    known(version(&message)).map(|()| message)
}

/// Reads a batch in the compact encoding and checks its version.
pub(crate) fn read_compact(body: &[u8]) -> Result<Received, ApiError> {
    let wrong = || ApiError::bad_request("the body is not a batch in the compact encoding");
    known(compact::version(body).ok_or_else(wrong)?)?;
    Received::from_compact(body).map_err(|_| wrong())
}

fn known(version: u16) -> Result<(), ApiError> {
    match version {
        ..OLDEST => Err(ApiError::bad_request(format!(
            "message version {version} is not supported: use {OLDEST} to {VERSION}"
        ))),
        later @ AFTER_OURS.. => Err(ApiError::newer_version(later)),
        _ => Ok(()),
    }
}

/// The first version that this ledger does not know.
const AFTER_OURS: u16 = VERSION + 1;

/// What every message has, in every version.
#[derive(Deserialize)]
struct Versioned {
    version: u16,
}

fn category(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}
