//! Thousands of streams on one HTTP/2 connection, all opened before any is answered.

use std::net::SocketAddr;

/// Streams that are opened together.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    /// How many.
    pub(crate) streams: usize,
    /// Their `payment` header.
    pub(crate) payment: String,
    /// Whether each is reset as soon as it was opened.
    pub(crate) reset: bool,
}

/// Opens all streams of a burst on a connection of their own. Returns how many were answered
/// with each status; 0 for those that were not.
pub(crate) async fn burst(address: SocketAddr, burst: Burst) -> Vec<u16> {
    let Ok(socket) = tokio::net::TcpStream::connect(address).await else { return Vec::new() };
    let mut builder = h2::client::Builder::new();
    builder.max_concurrent_reset_streams(burst.streams);
    let Ok((mut sender, connection)) = builder.handshake::<_, &'static [u8]>(socket).await else {
        return Vec::new();
    };
    let connection = tokio::spawn(connection);
    let mut answers = Vec::with_capacity(burst.streams);
    for _ in 0..burst.streams {
        let request = http::Request::get(format!("http://{address}/api/joke"))
            .header("payment", burst.payment.as_str())
            .body(())
            .unwrap();
        // The gateway says how many may be open at once; then this waits for one to end.
        let Ok(ready) = sender.ready().await else { break };
        sender = ready;
        match sender.send_request(request, true) {
            Ok((_, mut stream)) if burst.reset => stream.send_reset(h2::Reason::CANCEL),
            Ok((answer, _)) => answers.push(answer),
            Err(_) => break,
        }
    }
    let mut statuses = Vec::with_capacity(answers.len());
    for answer in answers {
        statuses.push(answer.await.map_or(0, |answer| answer.status().as_u16()));
    }
    connection.abort();
    statuses
}
