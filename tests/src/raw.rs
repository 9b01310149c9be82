//! Requests as bytes: spellings and breakages that a well-behaved client cannot send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The headers in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// What followed them, undecoded.
    pub body: String,
}

impl RawAnswer {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// `METHOD target HTTP/1.1` with these header lines, the target not touched by any normalisation.
///
/// # Errors
/// If there is no answer, or one that is no HTTP.
pub async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Result<RawAnswer> {
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    send(address, text.as_bytes()).await
}

/// Sends these bytes and reads until the other side closes, so they should ask for that.
///
/// # Errors
/// If there is no answer, or one that is no HTTP.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> Result<RawAnswer> {
    let failed = || Error::io(format!("a raw request to {address}"));
    let mut stream = open(address, bytes).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .map_err(|_| {
            Error::Invalid(format!("{address} did not close the connection in {PATIENCE:?}"))
        })?
        .map_err(failed())?;
    parse(&answer)
}

/// Sends these bytes and leaves the connection open; dropping the stream is a client that hangs up.
///
/// # Errors
/// If it cannot connect or send.
pub async fn open(address: SocketAddr, bytes: &[u8]) -> Result<TcpStream> {
    let failed = || Error::io(format!("a raw request to {address}"));
    let mut stream = TcpStream::connect(address).await.map_err(failed())?;
    stream.write_all(bytes).await.map_err(failed())?;
    Ok(stream)
}

fn parse(bytes: &[u8]) -> Result<RawAnswer> {
    let text = String::from_utf8_lossy(bytes);
    let unreadable = || Error::Invalid(format!("an answer that is no HTTP: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(unreadable)?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .ok_or_else(unreadable)?;
    let headers = lines
        .map(|line| {
            line.split_once(':')
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(unreadable)?;
    Ok(RawAnswer { status, headers, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Upstream;

    #[tokio::test]
    async fn the_target_arrives_as_written() {
        let upstream = Upstream::start(crate::ports::local(crate::ports::free().unwrap())).unwrap();
        for target in ["//api/joke", "/api/./joke", "/api/jok%65", "/api/%2e%2e/x"] {
            let answer =
                request(upstream.address(), "GET", target, &[("x-test", "1")]).await.unwrap();
            assert_eq!(answer.status, 404, "{target}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let received = upstream.recorder().last().unwrap();
            assert_eq!((received.path.as_str(), received.header("x-test")), (target, Some("1")));
        }
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for bytes in
            [&b""[..], b"hello", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"]
        {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
