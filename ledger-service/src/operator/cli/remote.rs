//! A ledger that runs, asked through its operator API.

use std::{io::Write, net::IpAddr, path::Path, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::CliError;
use crate::net::tls::trusting;

/// The largest answer that is read, in bytes.
const ANSWER: usize = 64 << 20;
/// For a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// For one answer: above the time that a ledger gives a request, unless it is set higher.
const USUAL: Duration = Duration::from_secs(120);
/// For an answer that looks through all there is.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// What an action whose answer is lost says at its end.
const AGAIN: &str = "the outcome is unknown: run this again, with the same --reference if the command has \
                     one; nothing is done twice";

/// The operator API of one ledger.
pub(super) struct Remote {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
}

/// What a request is for, which decides how long it may take and what its failure means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Looks at something.
    Look,
    /// Changes something, quickly.
    Act,
    /// Looks through everything, and may change something.
    Check,
}

/// The body of an answer that is no success.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetails,
}

#[derive(Deserialize)]
struct ErrorDetails {
    code: String,
    message: String,
}

impl Remote {
    /// Prepares to ask the ledger at this address. It may hold a password by mistake, and is not
    /// repeated before it is known to hold none.
    ///
    /// # Errors
    /// [`CliError::Setting`] if the address or the token cannot be used.
    pub(super) fn new(
        url: &str,
        token: &SecretString,
        ca: Option<&Path>,
    ) -> Result<Self, CliError> {
        let base = checked(url)
            .map_err(|problem| CliError::Setting(format!("--url (LEDGER_ADMIN_URL): {problem}")))?;
        let header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut authorization = header.map_err(|_| {
            let text = "LEDGER_ADMIN_TOKEN: must be one of the ledger's tokens, in visible ASCII";
            CliError::Setting(text.to_owned())
        })?;
        authorization.set_sensitive(true);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        // A ledger whose machine is gone is noticed while a long check is waited for.
        tcp.set_keepalive(Some(CONNECT));
        let tls = HttpsConnectorBuilder::new();
        let tls = match ca.map(|path| trusting("LEDGER_ADMIN_CA", path)).transpose() {
            Ok(Some(config)) => tls.with_tls_config(config),
            Ok(None) => tls.with_webpki_roots(),
            Err(error) => return Err(CliError::Setting(error.to_string())),
        };
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        // A connection that the ledger has closed must not look like a lost answer.
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client, base, authorization })
    }

    /// Asks for what is at this path below `/admin/v1`.
    ///
    /// # Errors
    /// [`CliError::Remote`] for what the ledger refuses, [`CliError::NoAnswer`] if it does not answer.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.ask(Method::GET, path, None, Task::Look).await
    }

    /// The same, where it may take long because all books are read.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn get_sums<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.ask(Method::GET, path, None, Task::Check).await
    }

    /// Has something done.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        task: Task,
    ) -> Result<T, CliError> {
        self.ask(Method::POST, path, Some(body), task).await
    }

    /// Copies what is at this path to its end.
    ///
    /// # Errors
    /// As [`Self::get`]; what was written by then is not whole. [`CliError::Machine`] if it cannot be written.
    pub(super) async fn copy(&self, path: &str, out: &mut impl Write) -> Result<(), CliError> {
        let request = self.request(Method::GET, path, String::new())?;
        let lost = |error: &dyn std::error::Error| {
            let Lost { sent, cause } = Lost::of(error, true);
            self.no_answer(sent, &cause, Task::Look)
        };
        let asked = tokio::time::timeout(USUAL, self.client.request(request)).await;
        let asked = asked.map_err(|_elapsed| {
            let cause = format!("none within {} s", USUAL.as_secs());
            self.no_answer(true, &cause, Task::Look)
        })?;
        let mut answer = asked.map_err(|error| {
            let Lost { sent, cause } = Lost::of(&error, !error.is_connect());
            self.no_answer(sent, &cause, Task::Look)
        })?;
        if !answer.status().is_success() {
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER).collect().await;
            let body = body.map_err(|error| lost(&*error))?.to_bytes();
            return self.read(status, &body, Task::Look);
        }
        while let Some(frame) = answer.body_mut().frame().await {
            if let Ok(data) = frame.map_err(|error| lost(&error))?.into_data() {
                out.write_all(&data)?;
            }
        }
        Ok(())
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Request<Full<Bytes>>, CliError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/admin/v1{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body));
        request.map_err(|error| CliError::Setting(format!("--url: {error}")))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        task: Task,
    ) -> Result<T, CliError> {
        let request = self.request(method, path, body.map(Value::to_string).unwrap_or_default())?;
        let within = if task == Task::Check { LONG } else { USUAL };
        match tokio::time::timeout(within, self.exchange(request)).await {
            Ok(Ok((status, body))) => self.read(status, &body, task),
            Ok(Err(Lost { sent, cause })) => Err(self.no_answer(sent, &cause, task)),
            Err(_elapsed) => {
                let cause = format!("none within {} s", within.as_secs());
                Err(self.no_answer(true, &cause, task))
            }
        }
    }

    /// Sends a request and reads its whole answer.
    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Lost> {
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| Lost::of(&error, !error.is_connect()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| Lost { sent: true, cause: error.to_string() })?;
        Ok((status, body.to_bytes()))
    }

    fn read<T: DeserializeOwned>(
        &self,
        status: StatusCode,
        body: &[u8],
        task: Task,
    ) -> Result<T, CliError> {
        let base = &self.base;
        if status.is_success() {
            let strange = |error: serde_json::Error| {
                let cause = format!("its answer is not a ledger's of this version: {error}");
                self.no_answer(true, &cause, task)
            };
            return serde_json::from_slice(body).map_err(strange);
        }
        let Ok(ErrorBody { error: ErrorDetails { code, message } }) = serde_json::from_slice(body)
        else {
            let cause = format!("status {} without a ledger's error", status.as_u16());
            return Err(self.no_answer(status.is_server_error(), &cause, task));
        };
        let text = if status == StatusCode::UNAUTHORIZED {
            format!(
                "the ledger at {base} does not know this LEDGER_ADMIN_TOKEN: set one of its own"
            )
        } else {
            message
        };
        Err(CliError::Remote { status: status.as_u16(), code, text })
    }

    /// `sent`: whether the ledger may have the request.
    fn no_answer(&self, sent: bool, cause: &str, task: Task) -> CliError {
        let advice = match task {
            _ if !sent => "check --url, and that the ledger runs; then run this again",
            Task::Look => "run this again",
            Task::Act | Task::Check => AGAIN,
        };
        CliError::NoAnswer(format!("no answer of the ledger at {}: {cause}; {advice}", self.base))
    }
}

/// Why there is no answer.
struct Lost {
    /// Whether the ledger may have the request.
    sent: bool,
    cause: String,
}

impl Lost {
    /// The deepest cause says most.
    fn of(error: &dyn std::error::Error, sent: bool) -> Self {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self { sent, cause: cause.to_string() }
    }
}

/// An address to which a token may be sent, without a slash at its end.
fn checked(url: &str) -> Result<String, &'static str> {
    let wrong = "must be http://HOST:PORT or https://HOST:PORT of the ledger's operator listener \
                 (LEDGER_ADMIN_LISTEN), without a user and a path";
    let parsed: Uri = url.parse().map_err(|_| wrong)?;
    let (Some(scheme), Some(authority)) = (parsed.scheme_str(), parsed.authority()) else {
        return Err(wrong);
    };
    let bare = parsed.path() == "/" && parsed.query().is_none();
    if !bare || authority.as_str().contains('@') || !matches!(scheme, "http" | "https") {
        return Err(wrong);
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if scheme == "http" && !is_here {
        return Err(
            "plain http to another machine would show LEDGER_ADMIN_TOKEN to the network: use \
                    https, or a tunnel to 127.0.0.1",
        );
    }
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_to_this_machine_or_encrypted() {
        for (url, expected) in [
            ("http://127.0.0.1:8403", Ok("http://127.0.0.1:8403")),
            ("http://127.9.9.9:8403/", Ok("http://127.9.9.9:8403")),
            ("http://[::1]:8403", Ok("http://[::1]:8403")),
            ("http://localhost:8403", Ok("http://localhost:8403")),
            ("https://ledger.example:8403", Ok("https://ledger.example:8403")),
            ("http://ledger.example:8403", Err("plain http")),
            ("http://127.0.0.1.example:8403", Err("plain http")),
            ("http://10.0.0.7:8403", Err("plain http")),
            ("http://me:pass@127.0.0.1:8403", Err("without a user")),
            ("https://ledger.example/admin", Err("without a user")),
            ("https://ledger.example/?a=b", Err("without a user")),
            ("ftp://127.0.0.1", Err("without a user")),
            ("127.0.0.1:8403", Err("without a user")),
            ("", Err("without a user")),
        ] {
            match (checked(url), expected) {
                (Ok(base), Ok(expected)) => assert_eq!(base, expected),
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{url}: {said}"),
                (found, expected) => panic!("{url}: {found:?}, not {expected:?}"),
            }
        }
    }
}
