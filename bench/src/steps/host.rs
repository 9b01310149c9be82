//! A proxy that does nothing but count.

use std::borrow::Cow;

use stripe402_filter::{
    gate::EncodedReply,
    host::{CallId, Host, Kept, Message, NoCall, OnlyIf, StreamId},
    metrics::{Counter, Histogram},
};
use stripe402_protocol::DeductionId;

const NOW_MS: u64 = 1_800_000_000_000;

/// The n-th deduction id that is minted here.
pub(super) fn minted(number: u64) -> DeductionId {
    DeductionId::mint(NOW_MS, random(number))
}

fn random(number: u64) -> [u8; 10] {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    random
}

/// What the worker asked for.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) resumed: u32,
    pub(super) replied: u32,
    pub(super) headers_set: u32,
    /// Calls that nobody has answered yet.
    pub(super) calls: Vec<CallId>,
    /// What the last of them said.
    pub(super) said: Vec<u8>,
    /// Whether the worker is to be woken.
    pub(super) woken: bool,
    /// Milliseconds that have passed.
    pub(super) passed_ms: u64,
    /// How often random bytes were asked for.
    pub(super) minted: u64,
    next_call: CallId,
}

impl Host for Counting {
    fn now_ms(&mut self) -> u64 {
        NOW_MS + self.passed_ms
    }

    fn random(&mut self) -> Option<[u8; 10]> {
        self.minted += 1;
        Some(random(self.minted))
    }

    fn set_request_header(&mut self, _: StreamId, _: &str, _: &str) {
        self.headers_set += 1;
    }

    fn remove_request_header(&mut self, _: StreamId, _: &str) {}

    fn set_response_header(&mut self, _: StreamId, _: &str, _: &str) {
        self.headers_set += 1;
    }

    fn remove_response_header(&mut self, _: StreamId, _: &str) {}
    fn close(&mut self, _: StreamId) {}
    fn add_of_route(&mut self, _: usize, _: &str, _: u64) {}
    fn set_response_trailer(&mut self, _: StreamId, _: &str, _: &str) {}
    fn remove_response_trailer(&mut self, _: StreamId, _: &str) {}
    fn dynamic_metadata(&mut self, _: StreamId, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn reply(&mut self, _: StreamId, _: &EncodedReply) {
        self.replied += 1;
    }

    fn resume(&mut self, _: StreamId) {
        self.resumed += 1;
    }

    fn response_details(&mut self, _: StreamId) -> Option<String> {
        None
    }

    fn route_metadata(&mut self, _: StreamId) -> Option<Vec<u8>> {
        None
    }

    fn virtual_host_metadata(&mut self, _: StreamId) -> Option<Vec<u8>> {
        None
    }

    fn route_name(&mut self, _: StreamId) -> Option<String> {
        None
    }

    fn source_address(&mut self, _: StreamId) -> Option<String> {
        None
    }

    fn reached_upstream(&mut self, _: StreamId) -> bool {
        true
    }

    fn wake(&mut self) {
        self.woken = true;
    }

    fn call(&mut self, message: &Message<'_>) -> Result<CallId, NoCall> {
        self.said.clear();
        self.said.extend_from_slice(message.body);
        self.next_call += 1;
        self.calls.push(self.next_call);
        Ok(self.next_call)
    }

    fn keep(&mut self, _: &str, _: &[u8], _: OnlyIf) -> bool {
        true
    }

    fn kept(&mut self, _: &str) -> Option<Kept> {
        None
    }

    fn warn(&mut self, message: &str) {
        anstream::eprintln!("{message}");
    }

    fn describe(&mut self, _: StreamId, _: &str) {}

    fn add(&mut self, _: Counter, _: u64) {}

    fn record(&mut self, _: Histogram, _: u64) {}
}

/// Headers as Envoy hands them over: those of a request that wrk sends.
pub(super) fn request(path: &str, payment: Option<&str>) -> Vec<u8> {
    let mut headers: Vec<(&str, Cow<'_, str>)> = vec![
        (":authority", "127.0.0.1:10000".into()),
        (":path", path.into()),
        (":method", "GET".into()),
        (":scheme", "http".into()),
        ("user-agent", "an agent/1.0".into()),
        ("accept", "*/*".into()),
        ("x-forwarded-for", "127.0.0.1".into()),
        ("x-forwarded-proto", "http".into()),
        ("x-envoy-internal", "true".into()),
        ("x-request-id", "1f0cfa3c-6a2d-4b57-8b6b-1e9a3d0a8a11".into()),
    ];
    headers.extend(payment.map(|payment| ("payment", payment.into())));
    let pairs = headers.iter().map(|(name, value)| (*name, &**value));
    stripe402_filter::pairs::write(pairs)
}

/// Headers of an API's answer.
pub(super) fn response() -> Vec<u8> {
    let headers = [
        (":status", "200"),
        ("content-type", "application/json"),
        ("content-length", "93"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-envoy-upstream-service-time", "1"),
    ];
    stripe402_filter::pairs::write(headers.into_iter())
}
