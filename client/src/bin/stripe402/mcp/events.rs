//! Server-sent events of a remote server, none of them endless.

use std::io;

use futures_util::{StreamExt as _, stream::BoxStream};
use reqwest::Response;
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::{Sse, SseStream};

/// Before a stream that has ended is asked for again, in milliseconds, whatever the server wants.
const SHORTEST_WAIT: u64 = 1_000;

/// The events of an answer; one above `most` bytes ends them with an error.
pub(super) fn events(response: Response, most: usize) -> BoxStream<'static, Result<Sse, SseError>> {
    let mut size = Size::default();
    let bytes = response.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        if size.after(&chunk) > most {
            return Err(io::Error::other(format!("an event has more than {most} bytes")));
        }
        Ok(chunk)
    });
    let patient = |mut event: Sse| {
        event.retry = event.retry.map(|wait| wait.max(SHORTEST_WAIT));
        event
    };
    SseStream::from_bytes_stream(bytes).map(move |event| event.map(patient)).boxed()
}

/// Of the event that is being read; an empty line ends it.
#[derive(Default)]
struct Size {
    event: usize,
    line: usize,
}

impl Size {
    /// The size of the largest event so far that ends in this chunk, or after it.
    fn after(&mut self, chunk: &[u8]) -> usize {
        let mut largest = 0;
        for byte in chunk {
            self.event = self.event.saturating_add(1);
            largest = largest.max(self.event);
            match byte {
                b'\n' if self.line == 0 => self.event = 0,
                b'\n' => self.line = 0,
                b'\r' => {}
                _ => self.line = self.line.saturating_add(1),
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str) -> Response {
        Response::from(http::Response::new(body.to_owned()))
    }

    #[tokio::test]
    async fn events_are_read_and_one_that_is_too_long_ends_them() {
        let body = "data: {\"a\":1}\n\n: a comment\r\n\r\ndata: 2\n\n";
        let all: Vec<_> = events(response(body), 16).collect().await;
        let data: Vec<_> = all.into_iter().filter_map(|event| event.unwrap().data).collect();
        assert_eq!(data, ["{\"a\":1}", "2"]);
        let mut long = events(response(body), 14);
        assert!(long.next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_server_is_not_asked_again_at_once() {
        let all: Vec<_> = events(response("retry: 0\ndata: 1\n\n"), 64).collect().await;
        let waits: Vec<_> = all.into_iter().map(|event| event.unwrap().retry).collect();
        assert_eq!(waits, [Some(1_000)]);
    }

    #[test]
    fn an_event_is_measured_across_chunks() {
        let mut size = Size::default();
        for (chunk, expected) in [("data: 12", 8), ("34\n", 11), ("\n", 12), ("data", 4)] {
            assert_eq!(size.after(chunk.as_bytes()), expected, "{chunk:?}");
        }
    }
}
