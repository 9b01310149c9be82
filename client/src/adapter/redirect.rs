//! Where a redirect leads, and what goes along.

use std::time::Duration;

use reqwest::{Method, Request, Response, StatusCode, Url, header};

use super::{WalletError, hop::without_body};

const FOLLOWED: [StatusCode; 5] = [
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::FOUND,
    StatusCode::SEE_OTHER,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
];

/// What credentials of the caller's own do not go to another origin.
const SECRETS: [header::HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST];

/// What was sent, as far as a redirect may ask for it again.
pub(super) struct Sent {
    method: Method,
    headers: header::HeaderMap,
    timeout: Option<Duration>,
    at: Url,
    /// With its body; `None` if that can be sent once only.
    whole: Option<Request>,
}

impl Sent {
    pub(super) fn new(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            headers: request.headers().clone(),
            timeout: request.timeout().copied(),
            at: request.url().clone(),
            whole: request.try_clone(),
        }
    }

    /// The request that this answer, a redirect, asks for; `None` if it is none, or cannot be
    /// followed because the body is gone.
    pub(super) fn follow(self, response: &Response) -> Result<Option<Request>, WalletError> {
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        let Some(location) = location.filter(|_| FOLLOWED.contains(&status)) else {
            return Ok(None);
        };
        let location = location.to_str().ok().and_then(|text| self.at.join(text).ok());
        let to = location.filter(|to| ["http", "https"].contains(&to.scheme()));
        let to = to.ok_or_else(|| {
            WalletError::Redirect(format!("{} redirects to what cannot be asked", self.at))
        })?;
        let method = method(status, &self.method);
        let mut next = if method == self.method {
            let Some(whole) = self.whole else { return Ok(None) };
            whole
        } else {
            let mut next = Request::new(method, to.clone());
            *next.headers_mut() = without_body(self.headers);
            *next.timeout_mut() = self.timeout;
            next
        };
        if to.origin() != self.at.origin() {
            for secret in SECRETS {
                next.headers_mut().remove(secret);
            }
        }
        *next.url_mut() = to;
        Ok(Some(next))
    }
}

/// As browsers do (fetch.spec.whatwg.org, "HTTP-redirect fetch").
fn method(status: StatusCode, method: &Method) -> Method {
    let rewritten = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        StatusCode::SEE_OTHER => *method != Method::HEAD,
        _ => false,
    };
    if rewritten { Method::GET } else { method.clone() }
}
