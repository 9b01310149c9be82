//! What operators send, and what they are told where it is wrong.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use utoipa::{
    IntoResponses,
    openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type},
};

use stripe402_protocol::Currency;

use super::error::ErrorBody;
use crate::net::error::ApiError;
use crate::operator::work::OperatorError;

/// How many lines a list has, if nobody says.
pub(super) const USUAL: usize = 50;
/// How many it may have.
pub(super) const MOST: usize = 500;

/// A number of lines that was asked for.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::bad_request(format!("limit: must be a number from 1 to {MOST}")))
}

/// The currency of this code.
pub(super) fn currency_named(code: &str) -> Result<Currency, ApiError> {
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase());
    if !is_code {
        let text = "currency: must be a lowercase ISO 4217 code such as usd";
        return Err(ApiError::bad_request(text));
    }
    let unknown = OperatorError::NotFound("not a currency that Stripe charges in");
    code.parse().map_err(|_| unknown.into())
}

/// Doubles below this are a fraction apart, or less.
const EXACT: u64 = 1 << 52;

/// A whole number, which in JSON may be written `5.0` or `5e0`, too.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    // What is whole is written without a point: no arithmetic on what is not. The parser may be off
    // by the last bit, which below 2^52 is a fraction, and refused: never another whole number.
    let whole = || number.as_f64().and_then(|number| number.to_string().parse::<i64>().ok());
    let whole = || whole().filter(|number| number.unsigned_abs() < EXACT);
    number.as_i64().or_else(whole).ok_or_else(|| serde::de::Error::custom("not a whole number"))
}

/// A whole number of units.
#[derive(Deserialize)]
pub(super) struct Whole(#[serde(deserialize_with = "whole")] pub(super) i64);

/// The word `all`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum All {
    All,
}

/// How much: an operator who means all says so.
#[derive(Deserialize)]
#[serde(untagged, expecting = "units must be a whole number, or \"all\" for all that was paid for")]
pub(super) enum SomeOrAll {
    Units(Whole),
    All(All),
}

/// The schema of [`SomeOrAll`].
pub(super) fn some_or_all() -> Schema {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1_isize))
        .maximum(Some(9_007_199_254_740_991_isize));
    let all = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["all"]));
    Schema::OneOf(OneOfBuilder::new().item(number).item(all).build())
}

/// The same, or nothing.
pub(super) fn whole_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Whole>::deserialize(deserializer)?.map(|Whole(number)| number))
}

/// What follows the question mark. A parameter that nobody knows is a mistake.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = Query::try_from_uri(&parts.uri);
        let wrong = |error: axum::extract::rejection::QueryRejection| {
            ApiError::bad_request(error.body_text())
        };
        query.map(|Query(query)| Self(query)).map_err(wrong)
    }
}

/// The client that the path names.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let wrong = |_| ApiError::bad_request("the path is not UTF-8");
        path.map(|Path(name)| Self(name)).map_err(wrong)
    }
}

/// A body of JSON.
pub(super) struct Sent<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Json::from_request(request, state).await;
        let wrong = |error: axum::extract::rejection::JsonRejection| {
            ApiError::bad_request(error.body_text())
        };
        body.map(|Json(body)| Self(body)).map_err(wrong)
    }
}

/// What every question can be answered with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description only")]
pub(super) enum Usual {
    /// What was asked makes no sense; the message says what would
    #[response(status = 400)]
    Wrong(#[to_schema] ErrorBody),
    /// The token is missing or wrong
    #[response(status = 401, headers(("www-authenticate" = String)))]
    Stranger(#[to_schema] ErrorBody),
    /// The body did not arrive in time
    #[response(status = 408)]
    Slow(#[to_schema] ErrorBody),
    /// The body is too large
    #[response(status = 413)]
    Large(#[to_schema] ErrorBody),
    /// The store or Stripe gives no answer; ask again
    #[response(status = 503)]
    Away(#[to_schema] ErrorBody),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_however_they_are_written() {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "whole_or_none")]
            units: Option<i64>,
        }
        for (text, expected) in [
            ("{}", Some(None)),
            (r#"{"units":null}"#, Some(None)),
            (r#"{"units":-5}"#, Some(Some(-5))),
            (r#"{"units":-34327.0}"#, Some(Some(-34_327))),
            (r#"{"units":9007199254740991}"#, Some(Some(9_007_199_254_740_991))),
            (r#"{"units":9007199254740991.0}"#, None),
            (r#"{"units":1e3}"#, Some(Some(1_000))),
            (r#"{"units":1.5}"#, None),
            (r#"{"units":1e300}"#, None),
            (r#"{"units":"5"}"#, None),
        ] {
            let read = serde_json::from_str::<Body>(text).ok().map(|body| body.units);
            assert_eq!(read, expected, "{text}");
        }
    }
}
