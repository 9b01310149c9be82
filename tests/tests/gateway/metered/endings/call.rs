//! One call of the table, over each protocol.

use std::net::SocketAddr;

use axum::body::Bytes;
use http::Request;
use stripe402_tests::raw;
use tokio::{io::AsyncReadExt as _, net::TcpStream, task::JoinHandle};

use super::api::MARK;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    Grpc,
}

/// A call under way. Dropped, its client is gone.
pub(super) enum Call {
    Http1(TcpStream),
    Http2(Box<Http2>),
}

pub(super) struct Http2 {
    answer: Option<h2::client::ResponseFuture>,
    body: Option<h2::RecvStream>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Call {
    pub(super) async fn open(
        at: SocketAddr,
        protocol: Protocol,
        path: &str,
        payment: &str,
    ) -> Self {
        if protocol == Protocol::Http1 {
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\npayment: {payment}\r\n\r\n"
            );
            return Self::Http1(raw::open(at, head.as_bytes()).await.unwrap());
        }
        let tcp = TcpStream::connect(at).await.unwrap();
        let (http2, connection) = h2::client::handshake(tcp).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method("POST").uri(format!("http://{at}{path}"));
        if protocol == Protocol::Grpc {
            request = request.header("content-type", "application/grpc").header("te", "trailers");
        }
        let request = request.header("payment", payment).body(()).unwrap();
        let mut ready: h2::client::SendRequest<Bytes> = http2.ready().await.unwrap();
        let (answer, _) = ready.send_request(request, true).unwrap();
        Self::Http2(Box::new(Http2 { answer: Some(answer), body: None, connection }))
    }

    /// The next part of the answer; nothing at its end, or if it broke off.
    async fn part(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Http1(stream) => {
                let mut part = vec![0; 4_096];
                let size = stream.read(&mut part).await.ok().filter(|size| *size > 0)?;
                part.truncate(size);
                Some(part)
            }
            Self::Http2(call) => {
                if let Some(answer) = call.answer.take() {
                    call.body = Some(answer.await.ok()?.into_body());
                }
                let body = call.body.as_mut()?;
                if let Some(Ok(part)) = body.data().await {
                    return Some(part.to_vec());
                }
                let _ = body.trailers().await;
                None
            }
        }
    }

    /// Reads until the answer's first part is here.
    pub(super) async fn begin(&mut self) {
        let mut read = Vec::new();
        while !read.windows(MARK.len()).any(|part| part == MARK) {
            let part = self.part().await;
            read.extend(part.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&read))));
        }
    }

    /// Reads until nothing comes any more.
    pub(super) async fn finish(&mut self) {
        while self.part().await.is_some() {}
    }
}
