//! An external processor (Envoy's ext_proc) as small as can be: it sets headers on every request.

use std::{convert::Infallible, net::SocketAddr};

use stripe402_tests::ports::{self, local};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the processor sets.
const HEADERS: [(&str, &str); 2] = [("x-processed", "yes"), ("x-stripe402-client-id", "forged")];

/// A running processor; it ends with its handle.
pub(crate) struct Processor {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Processor {
    pub(crate) async fn start() -> Self {
        let address = local(ports::free().unwrap());
        let listener = TcpListener::bind(address).await.unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Self { address, task }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream) -> Option<Infallible> {
    let mut connection = h2::server::handshake(stream).await.ok()?;
    loop {
        let (request, mut respond) = connection.accept().await?.ok()?;
        tokio::spawn(async move {
            let head = http::Response::builder().header("content-type", "application/grpc");
            let mut answer = respond.send_response(head.body(()).unwrap(), false).unwrap();
            let mut body = request.into_body();
            // Envoy asks once a request: only the headers are sent.
            let asked = body.data().await.unwrap().unwrap();
            body.flow_control().release_capacity(asked.len()).unwrap();
            answer.send_data(message().into(), false).unwrap();
            let ended = http::HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                http::HeaderValue::from_static("0"),
            )]);
            while let Some(Ok(_)) = body.data().await {}
            let _ = answer.send_trailers(ended);
        });
    }
}

/// A `ProcessingResponse` that sets the headers, as one message of gRPC.
fn message() -> Vec<u8> {
    // ProcessingResponse.request_headers.response.header_mutation.set_headers[].header
    let mut mutation = Vec::new();
    for (name, value) in HEADERS {
        let header = [field(1, name.as_bytes()), field(3, value.as_bytes())].concat();
        mutation.extend(field(1, &field(1, &header)));
    }
    let response = field(1, &field(1, &field(2, &mutation)));
    let length = u32::try_from(response.len()).unwrap().to_be_bytes();
    [&[0], &length[..], &response].concat()
}

/// A field of a protobuf message that has a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    assert!(length < 128, "one byte of length is all there is here");
    [&[number << 3 | 2, length], content].concat()
}
