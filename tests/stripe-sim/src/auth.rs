//! API keys. Source: docs.stripe.com/api/authentication, docs.stripe.com/keys.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;
use crate::ids;

/// The kind of a key. Any of test mode is accepted: there is one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiKey {
    /// `sk_test_…` or a restricted `rk_test_…`
    Secret,
    /// `pk_test_…`
    Publishable,
    /// `sk_live_standin` or `rk_live_standin`: the live mode of the account, in which nothing was ever made.
    Live,
}

pub(crate) fn authenticate(headers: &HeaderMap) -> Result<ApiKey, ApiError> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    parse(&value.and_then(from_header).ok_or_else(missing)?)
}

/// The Stripe profile of whoever has this key.
pub(crate) fn profile(headers: &HeaderMap) -> String {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = value.and_then(from_header).unwrap_or_default();
    format!("profile_test_{}", ids::digest(&key))
}

/// `Bearer KEY`, or `Basic` with the key as the user and no password.
fn from_header(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned()).filter(|key| !key.is_empty());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    (password.is_empty() && !user.is_empty()).then(|| user.to_owned())
}

fn parse(key: &str) -> Result<ApiKey, ApiError> {
    let named = |prefix: &str| {
        key.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty()
                && rest.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        })
    };
    if named("sk_test_") || named("rk_test_") {
        Ok(ApiKey::Secret)
    } else if named("pk_test_") {
        Ok(ApiKey::Publishable)
    } else if matches!(key, "sk_live_standin" | "rk_live_standin") {
        Ok(ApiKey::Live)
    } else {
        Err(ApiError::unauthorized(None, format!("Invalid API Key provided: {}", redact(key))))
    }
}

/// A key as it may be shown: its kind and its last four characters.
fn redact(key: &str) -> String {
    let kind: String = key.chars().take(8).collect();
    let end: String = key.chars().skip(key.chars().count().saturating_sub(4).max(8)).collect();
    format!("{kind}****{end}")
}

fn missing() -> ApiError {
    ApiError::unauthorized(
        None,
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
    )
}

/// The refusal of an endpoint that browsers may not call.
pub(crate) fn secret_key_required() -> ApiError {
    ApiError::unauthorized(
        Some("secret_key_required"),
        "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key(header: &str) -> Result<ApiKey, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        authenticate(&headers)
    }

    #[test]
    fn test_keys_are_accepted_and_others_are_not() {
        assert_eq!(key("Bearer sk_test_123").unwrap(), ApiKey::Secret);
        assert_eq!(key("Bearer rk_test_123").unwrap(), ApiKey::Secret);
        assert_eq!(key("Bearer sk_live_standin").unwrap(), ApiKey::Live);
        let basic = format!("Basic {}", STANDARD.encode("pk_test_1:"));
        assert_eq!(key(&basic).unwrap(), ApiKey::Publishable);
        for header in [
            "Bearer ",
            "Bearer sk_live_123",
            "Bearer sk_test_",
            "Basic !!!",
            "Digest x",
            "Bearer hello",
        ] {
            assert_eq!(key(header).unwrap_err().status, 401, "{header}");
        }
        assert_eq!(authenticate(&HeaderMap::new()).unwrap_err().status, 401);
    }

    #[test]
    fn a_refused_key_is_not_shown_whole() {
        let message = key("Bearer sk_live_abcdefghijkl").unwrap_err().body.message;
        assert_eq!(message, "Invalid API Key provided: sk_live_****ijkl");
    }
}
