//! What the rules ask of the proxy that runs them.

use std::time::Duration;

use crate::{
    gate::EncodedReply,
    metrics::{Counter, Histogram},
};

/// One HTTP stream at the host.
pub type StreamId = u32;
/// One callout at the host.
pub type CallId = u32;

/// The proxy, as narrow as the rules need it.
///
/// Nothing here fails loudly: what a host cannot do for a stream that is gone does not matter,
/// and a callout that cannot be made is `None`.
pub trait Host {
    /// Unix milliseconds.
    fn now_ms(&mut self) -> u64;
    /// Ten bytes of the VM's random source; `None` if it has none.
    fn random(&mut self) -> Option<[u8; 10]>;

    /// Replaces a header of the request.
    fn set_request_header(&mut self, stream: StreamId, name: &str, value: &str);
    /// Removes a header of the request, every occurrence.
    fn remove_request_header(&mut self, stream: StreamId, name: &str);
    /// Replaces a header of the response.
    fn set_response_header(&mut self, stream: StreamId, name: &str, value: &str);
    /// Removes a header of the response, every occurrence.
    fn remove_response_header(&mut self, stream: StreamId, name: &str);
    /// Replaces a trailer of the response, which has trailers.
    fn set_response_trailer(&mut self, stream: StreamId, name: &str, value: &str);
    /// Removes a trailer of the response, every occurrence.
    fn remove_response_trailer(&mut self, stream: StreamId, name: &str);

    /// Answers in the API's stead. At most once per stream.
    fn reply(&mut self, stream: StreamId, reply: &EncodedReply);
    /// Cuts a stream off, in mid-answer.
    fn close(&mut self, stream: StreamId);
    /// Lets a held request go on. At most once per stream.
    fn resume(&mut self, stream: StreamId);
    /// Why the proxy answers as it does (`response.code_details`).
    fn response_details(&mut self, stream: StreamId) -> Option<String>;

    /// What the route in Envoy says of itself in `filter_metadata.stripe402`, as
    /// [`crate::config::Config::metadata`] reads it; empty if it cannot be handed over.
    fn route_metadata(&mut self, stream: StreamId) -> Option<Vec<u8>>;
    /// What the route's virtual host says of itself, in the same way.
    fn virtual_host_metadata(&mut self, stream: StreamId) -> Option<Vec<u8>>;
    /// The name of the route in Envoy.
    fn route_name(&mut self, stream: StreamId) -> Option<String>;
    /// Where the request comes from, behind the proxies that the operator trusts; without its port.
    fn source_address(&mut self, stream: StreamId) -> Option<String>;

    /// What a filter of Envoy's wrote into the stream's dynamic metadata under this namespace and these
    /// keys, with a zero byte between them.
    fn dynamic_metadata(&mut self, stream: StreamId, key: &str) -> Option<Vec<u8>>;

    /// Whether the request was handed to a connection to the API.
    fn reached_upstream(&mut self, stream: StreamId) -> bool;

    /// Asks that [`crate::worker::Worker::on_wake`] be called soon, outside of any stream.
    fn wake(&mut self);
    /// Sends a message to the ledger. Only from outside of streams: the call must outlive them.
    ///
    /// # Errors
    /// [`NoCall`] if nothing was sent.
    fn call(&mut self, message: &Message<'_>) -> Result<CallId, NoCall>;

    /// Keeps bytes under a name, where they outlive this VM and other VMs of the same process find
    /// them; `false` if that did not happen. Empty bytes are as good as none.
    fn keep(&mut self, key: &str, bytes: &[u8], only_if: OnlyIf) -> bool;
    /// What is kept under a name.
    fn kept(&mut self, key: &str) -> Option<Kept>;

    /// Something that an operator should know.
    fn warn(&mut self, message: &str);
    /// What access logs are told of a stream.
    fn describe(&mut self, stream: StreamId, text: &str);
    /// Adds to a counter.
    fn add(&mut self, counter: Counter, by: u64);
    /// Adds to one of [`crate::metrics::ROUTE_COUNTERS`], by its place there, for this route.
    fn add_of_route(&mut self, counter: usize, route: &str, by: u64);
    /// Adds to a distribution.
    fn record(&mut self, histogram: Histogram, value: u64);
}

/// What is kept, and which of all that was kept under this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Another one after each change.
    pub version: u32,
}

/// What must be so for something to be kept: VMs of other threads keep things, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyIf {
    /// Nothing.
    Any,
    /// Nothing was ever kept under this name.
    Absent,
    /// This version is kept still.
    Version(u32),
}

/// A message to the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// Where it goes.
    pub path: &'static str,
    /// In which encoding.
    pub content_type: &'static str,
    /// What it says.
    pub body: &'m [u8],
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// `x-request-id` of the request it is for, or of the first.
    pub request_id: Option<&'m str>,
    /// `traceparent` of that request.
    pub trace_parent: Option<&'m str>,
}

/// Why a message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCall {
    /// There is no such cluster: the configuration is wrong.
    NoCluster,
    /// It was not sent: the cluster has no healthy host, or so many requests under way that its
    /// circuit breaker takes no more. The host does not say which.
    NotSent,
}
