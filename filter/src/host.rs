//! What the rules ask of the proxy that runs them.

use std::time::Duration;

use crate::gate::Reply;

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

    /// Answers in the API's stead. At most once per stream.
    fn reply(&mut self, stream: StreamId, reply: &Reply);
    /// Lets a held request go on. At most once per stream.
    fn resume(&mut self, stream: StreamId);
    /// Where the request came from, behind the proxies that the operator trusts.
    fn source(&mut self, stream: StreamId) -> Option<String>;
    /// Why the proxy answers as it does (`response.code_details`).
    fn response_details(&mut self, stream: StreamId) -> Option<String>;

    /// Whether the request was handed to a connection to the API.
    fn reached_upstream(&mut self, stream: StreamId) -> bool;

    /// Asks that [`crate::worker::Worker::on_wake`] be called soon, outside of any stream.
    fn wake(&mut self);
    /// Sends a message to the ledger. Only from outside of streams: the call must outlive them.
    fn call(&mut self, path: &'static str, body: &[u8], timeout: Duration) -> Option<CallId>;

    /// Something that an operator should know.
    fn warn(&mut self, message: &str);
}
