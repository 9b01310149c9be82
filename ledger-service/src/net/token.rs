//! The bearer token of gateways, compared in constant time.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::ApiError;

/// How much of a refused request is read, in bytes.
const DRAINED: usize = 1 << 16;
/// For how long it is read.
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// A token, kept as its hash: comparing hashes tells neither content nor length.
#[derive(Clone)]
pub struct Token(Arc<[u8; 32]>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// The token that must be presented.
    #[must_use]
    pub fn new(token: &SecretString) -> Self {
        Self(Arc::new(Sha256::digest(token.expose_secret()).into()))
    }

    /// What sessions are signed with.
    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn is(&self, presented: &[u8]) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        self.0.ct_eq(&presented).into()
    }
}

/// The tokens that gateways may present: the newest, and older ones while gateways are told.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<[Token]>);

impl Tokens {
    /// Of these tokens.
    #[must_use]
    pub fn new(tokens: &[SecretString]) -> Self {
        Self(tokens.iter().map(Token::new).collect())
    }

    /// Whether a request with these headers presents one.
    pub(crate) fn are_in(&self, headers: &HeaderMap) -> bool {
        let header = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let presented = header.and_then(|value| value.strip_prefix(b"Bearer "));
        presented.is_some_and(|presented| self.have(presented))
    }

    /// Every one is compared, whichever it is.
    fn have(&self, presented: &[u8]) -> bool {
        self.0.iter().fold(false, |found, token| token.is(presented) | found)
    }
}

/// A layer that lets nobody through without a token.
pub(crate) async fn require(
    State(tokens): State<Tokens>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if tokens.are_in(request.headers()) {
        return Ok(next.run(request).await);
    }
    Err(refuse(request.into_body()).await)
}

/// What whoever has no token is answered, after some of the body was read.
pub(crate) async fn refuse(body: Body) -> ApiError {
    tracing::warn!("a request with a missing or wrong token was refused");
    // Over HTTP/2 an answer before the body is read resets the stream, and some clients
    // then see the reset and not the answer.
    let rest = axum::body::to_bytes(body, DRAINED);
    let _ = tokio::time::timeout(DRAINED_WITHIN, rest).await;
    ApiError::unauthorized()
}
