//! API keys. Source: docs.stripe.com/api/authentication, docs.stripe.com/keys.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;
use crate::form::{Form, Node};
use crate::ids;

/// A test-mode key. Any is accepted: there is one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiKey {
    /// `sk_test_…` or a restricted `rk_test_…`
    Secret(String),
    /// `pk_test_…`
    Publishable(String),
}

impl ApiKey {
    /// What idempotency keys are scoped by: a digest, so that no state has the key.
    pub(crate) fn scope(&self) -> String {
        let (Self::Secret(key) | Self::Publishable(key)) = self;
        ids::digest(key)
    }
}

/// Finds the caller's key: in the header, or in a browser's `key` parameter, which is taken out of the form.
pub(crate) fn authenticate(headers: &HeaderMap, form: &mut Form) -> Result<ApiKey, ApiError> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let key = value.to_str().ok().and_then(from_header).ok_or_else(missing)?;
        return parse(&key);
    }
    match form.get("key") {
        Some(Node::Text(key)) if key.starts_with("pk_") => {
            let key = parse(key);
            form.remove("key");
            key
        }
        _ => Err(missing()),
    }
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
        Ok(ApiKey::Secret(key.to_owned()))
    } else if named("pk_test_") {
        Ok(ApiKey::Publishable(key.to_owned()))
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
        authenticate(&headers, &mut Form::new())
    }

    #[test]
    fn test_keys_are_accepted_and_others_are_not() {
        let secret = ApiKey::Secret("sk_test_123".to_owned());
        assert_eq!(key("Bearer sk_test_123").unwrap(), secret);
        assert_eq!(key(&format!("Basic {}", STANDARD.encode("sk_test_123:"))).unwrap(), secret);
        assert!(matches!(key("Bearer pk_test_1").unwrap(), ApiKey::Publishable(_)));
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
        assert_eq!(authenticate(&HeaderMap::new(), &mut Form::new()).unwrap_err().status, 401);
    }

    #[test]
    fn a_refused_key_is_not_shown_whole() {
        let message = key("Bearer sk_live_abcdefghijkl").unwrap_err().body.message;
        assert_eq!(message, "Invalid API Key provided: sk_live_****ijkl");
    }

    #[test]
    fn a_browser_sends_its_key_as_a_parameter() {
        let mut form = crate::form::parse("key=pk_test_1&type=card").unwrap();
        assert!(matches!(
            authenticate(&HeaderMap::new(), &mut form).unwrap(),
            ApiKey::Publishable(_)
        ));
        assert!(!form.contains_key("key"));
        let mut form = crate::form::parse("key=sk_test_1").unwrap();
        assert!(authenticate(&HeaderMap::new(), &mut form).is_err());
    }
}
