//! Who is looking: a token, typed once, becomes a cookie that is worth it for some hours.
//!
//! The cookie is its own end and a MAC of it, keyed with the token's hash: any ledger with the same
//! token takes it, and nothing is kept. It goes with requests of the same site only, and forms are
//! taken from our own pages only; other ports of a machine are the same site, but another origin.

use axum::{
    Form,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use hmac::{Hmac, Mac as _};
use maud::html;
use serde::Deserialize;
use sha2::Sha256;
use stripe402_protocol::hex;

use super::{super::keyring::Operators, layout};
use crate::net::{error::ApiError, token::Token};
use crate::operator::work::Actor;

const COOKIE: &str = "stripe402_operator";
/// How long a session lasts, in milliseconds.
const LASTS_MS: u64 = 12 * 3_600_000;

#[derive(Deserialize)]
pub(super) struct SignIn {
    token: String,
}

/// Lets whoever has a session through, and says who they are.
pub(super) async fn require(
    State(operators): State<Operators>,
    mut request: Request,
    next: Next,
) -> Response {
    match holder(&operators, request.headers()) {
        Some(actor) => {
            request.extensions_mut().insert::<Actor>(actor);
            next.run(request).await
        }
        None => Redirect::to("/admin/login").into_response(),
    }
}

/// Forms of other origins are refused, whatever cookies come with them.
pub(super) async fn refuse_strangers_forms(
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if matches!(*request.method(), Method::GET | Method::HEAD) || is_ours(request.headers()) {
        return Ok(next.run(request).await);
    }
    tracing::warn!("a form of another origin was refused");
    Err(ApiError::forbidden())
}

/// Every browser says where a form comes from: by `sec-fetch-site`, or by its origin.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), ..) => site == "same-origin",
        (None, Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, origin)| origin == host)
        }
        _ => false,
    }
}

pub(super) async fn form() -> Response {
    sign_in_page(false).into_response()
}

pub(super) async fn sign_in(
    State(operators): State<Operators>,
    headers: HeaderMap,
    Form(SignIn { token }): Form<SignIn>,
) -> Response {
    let Some((actor, key)) = operators.0.keyring.holder(token.trim().as_bytes()) else {
        tracing::warn!("somebody tried to sign in with a wrong token");
        return (StatusCode::UNAUTHORIZED, sign_in_page(true)).into_response();
    };
    tracing::info!(actor = actor.0, "an operator signed in");
    let until = operators.0.clock.now_ms().saturating_add(LASTS_MS);
    let value = format!("{until}.{}", signature(key, until));
    (cookie(&headers, &value, LASTS_MS / 1000), Redirect::to("/admin/")).into_response()
}

pub(super) async fn sign_out(headers: HeaderMap) -> Response {
    (cookie(&headers, "", 0), Redirect::to("/admin/login")).into_response()
}

fn cookie(headers: &HeaderMap, value: &str, seconds: u64) -> [(header::HeaderName, String); 1] {
    // Where the browser speaks TLS, it is to send the cookie over TLS only.
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes).unwrap_or_default();
    let secure = if origin.starts_with(b"https://") { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE}={value}; Path=/admin; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    );
    [(header::SET_COOKIE, text)]
}

/// Whose session it is, if it has not ended.
fn holder(operators: &Operators, headers: &HeaderMap) -> Option<Actor> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let named = cookies.flat_map(|cookies| cookies.split(';'));
    let mut ours = named.filter_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    let (until, signed) = ours.next_back()?.split_once('.')?;
    let until: u64 = until.parse().ok()?;
    if operators.0.clock.now_ms() >= until {
        return None;
    }
    let is = |key: &Token| {
        use subtle::ConstantTimeEq as _;
        signature(key, until).as_bytes().ct_eq(signed.as_bytes()).into()
    };
    operators.0.keyring.find(is).map(|(actor, _)| actor.clone())
}

fn signature(key: &Token, until: u64) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.hash()).expect("any length");
    mac.update(format!("stripe402 operator session until {until}").as_bytes());
    hex::to_string(&mac.finalize().into_bytes())
}

fn sign_in_page(wrong: bool) -> maud::Markup {
    layout::bare(
        "Sign in",
        html! {
            main.door {
                form.card method="post" action="/admin/login" {
                    h1 { span.mark aria-hidden="true" {} "stripe402" }
                    p.muted { "For operators of this gateway." }
                    @if wrong { p.alert role="alert" { "No operator has this token." } }
                    label for="token" { "Token" }
                    input #token name="token" type="password" autocomplete="current-password"
                        required autofocus aria-describedby="hint";
                    p.hint #hint { "One of " code { "LEDGER_ADMIN_TOKEN" } "." }
                    button type="submit" { "Sign in" }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_taken_from_our_own_pages_only() {
        let cases: [(&[(&str, &str)], bool); 8] = [
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://h:1"), ("host", "h:1")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "http://h:1"), ("host", "h:1")], true),
            (&[("origin", "http://h:2"), ("host", "h:1")], false),
            (&[("origin", "null"), ("host", "h:1")], false),
            (&[("host", "h:1")], false),
        ];
        for (given, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(is_ours(&headers), expected, "{given:?}");
        }
    }
}
