//! [`Host`] on Envoy.

use proxy_wasm::types::Status;
use rustc_hash::FxHashMap;

use super::abi::{self, Level, Map, Metric};
use crate::{
    gate::EncodedReply,
    host::{CallId, Host, Kept, Message, NoCall, OnlyIf, StreamId},
    metrics::{COUNTERS, Counter, HISTOGRAMS, Histogram, ROUTE_COUNTERS},
    pairs,
};

/// How many random bytes are fetched at once: enough for 32 deduction ids.
const POOL: usize = 320;

/// What one VM needs to talk to Envoy.
#[derive(Debug)]
pub(super) struct EnvoyHost {
    /// The root context: calls to the ledger belong to it.
    root: u32,
    /// The context whose stream host calls are about now.
    effective: u32,
    /// Wakes this VM from its own event loop.
    queue: Option<u32>,
    cluster: String,
    authorization: String,
    random: Vec<u8>,
    /// Counters of routes, by their place and the route, once they were needed.
    of_routes: FxHashMap<(usize, String), Option<u32>>,
    counters: Vec<Option<u32>>,
    histograms: Vec<Option<u32>>,
}

impl EnvoyHost {
    pub(super) fn new(root: u32, cluster: String, token: &str) -> Self {
        Self {
            root,
            effective: root,
            queue: None,
            cluster,
            authorization: format!("Bearer {token}"),
            random: Vec::new(),
            of_routes: FxHashMap::default(),
            counters: COUNTERS.map(|name| abi::define_metric(Metric::COUNTER, name)).to_vec(),
            histograms: HISTOGRAMS.map(|name| abi::define_metric(Metric::HISTOGRAM, name)).to_vec(),
        }
    }

    /// Registers the queue by which this VM wakes itself. Queues are shared by all VMs of a
    /// process, so each needs a name of its own; a random one needs no counting.
    pub(super) fn register_queue(&mut self) -> bool {
        let Some(random) = self.random() else { return false };
        let name = format!("stripe402-{}", stripe402_protocol::hex::to_string(&random));
        self.queue = abi::register_queue(&name);
        self.queue.is_some()
    }

    pub(super) const fn queue(&self) -> Option<u32> {
        self.queue
    }

    /// A callback of this context begins: Envoy has made it the effective one.
    pub(super) fn entered(&mut self, context: u32) {
        self.effective = context;
    }

    /// A callback ends: what comes next is about its own context again.
    pub(super) fn leave(&mut self, context: u32) {
        self.about(context);
    }

    fn about(&mut self, context: u32) {
        if self.effective != context {
            abi::set_effective_context(context);
            self.effective = context;
        }
    }
}

impl Host for EnvoyHost {
    fn now_ms(&mut self) -> u64 {
        abi::now_ms()
    }

    fn random(&mut self) -> Option<[u8; 10]> {
        if self.random.len() < 10 {
            self.random.resize(POOL, 0);
            if getrandom::fill(&mut self.random).is_err() {
                self.random.clear();
            }
        }
        let bytes = self.random.last_chunk::<10>().copied()?;
        self.random.truncate(self.random.len().checked_sub(10)?);
        Some(bytes)
    }

    fn set_request_header(&mut self, stream: StreamId, name: &str, value: &str) {
        self.about(stream);
        abi::set_header(Map::REQUEST, name, value);
    }

    fn remove_request_header(&mut self, stream: StreamId, name: &str) {
        self.about(stream);
        abi::remove_header(Map::REQUEST, name);
    }

    fn set_response_header(&mut self, stream: StreamId, name: &str, value: &str) {
        self.about(stream);
        abi::set_header(Map::RESPONSE, name, value);
    }

    fn remove_response_header(&mut self, stream: StreamId, name: &str) {
        self.about(stream);
        abi::remove_header(Map::RESPONSE, name);
    }

    fn close(&mut self, stream: StreamId) {
        self.about(stream);
        abi::close_response();
    }

    fn set_response_trailer(&mut self, stream: StreamId, name: &str, value: &str) {
        self.about(stream);
        abi::set_header(Map::RESPONSE_TRAILERS, name, value);
    }

    fn remove_response_trailer(&mut self, stream: StreamId, name: &str) {
        self.about(stream);
        abi::remove_header(Map::RESPONSE_TRAILERS, name);
    }

    fn reply(&mut self, stream: StreamId, reply: &EncodedReply) {
        self.about(stream);
        let headers = reply.headers.iter().map(|(name, value)| (*name, &**value));
        let headers = pairs::write(headers);
        if !abi::reply(reply.status, reply.grpc, reply.details, &headers, &reply.body) {
            abi::log(Level::WARN, "Envoy took no reply for a stream");
        }
    }

    fn resume(&mut self, stream: StreamId) {
        self.about(stream);
        if !abi::resume_request() {
            abi::log(Level::WARN, "Envoy could not resume a stream");
        }
    }

    fn response_details(&mut self, stream: StreamId) -> Option<String> {
        self.about(stream);
        abi::property(b"response\0code_details").and_then(|bytes| String::from_utf8(bytes).ok())
    }

    fn route_metadata(&mut self, stream: StreamId) -> Option<Vec<u8>> {
        self.about(stream);
        abi::property_if_there(b"xds\0route_metadata\0filter_metadata\0stripe402")
    }

    fn virtual_host_metadata(&mut self, stream: StreamId) -> Option<Vec<u8>> {
        self.about(stream);
        abi::property_if_there(b"xds\0virtual_host_metadata\0filter_metadata\0stripe402")
    }

    fn route_name(&mut self, stream: StreamId) -> Option<String> {
        self.about(stream);
        abi::property(b"xds\0route_name").and_then(|bytes| String::from_utf8(bytes).ok())
    }

    fn source_address(&mut self, stream: StreamId) -> Option<String> {
        self.about(stream);
        let address = abi::property(b"source\0address");
        let address = String::from_utf8(address?).ok()?;
        Some(address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned())
    }

    fn dynamic_metadata(&mut self, stream: StreamId, key: &str) -> Option<Vec<u8>> {
        self.about(stream);
        let untyped = format!("metadata\0filter_metadata\0{key}");
        abi::property_if_there(untyped.as_bytes()).or_else(|| {
            // Typed metadata are messages, whose counts come as integers of eight bytes.
            let typed =
                abi::property(format!("metadata\0typed_filter_metadata\0{key}").as_bytes())?;
            match typed.first_chunk::<8>().filter(|count| count.len() == typed.len()) {
                Some(count) => Some(i64::from_le_bytes(*count).to_string().into_bytes()),
                // A count that is not there is empty.
                None => Some(typed).filter(|typed| !typed.is_empty()),
            }
        })
    }

    fn reached_upstream(&mut self, stream: StreamId) -> bool {
        self.about(stream);
        // There is one as soon as a connection took the request, and none before.
        let ready = abi::property(b"upstream\0cx_pool_ready_duration");
        ready.is_some_and(|duration| !duration.is_empty())
    }

    fn wake(&mut self) {
        // Without it the next tick does the work.
        if !self.queue.is_some_and(|queue| abi::enqueue(queue, b"!")) {
            abi::log(Level::WARN, "cannot wake the worker; what waits is sent at the next tick");
        }
    }

    fn call(&mut self, message: &Message<'_>) -> Result<CallId, NoCall> {
        self.about(self.root);
        let mut headers = vec![
            (":method", "POST"),
            (":path", message.path),
            (":authority", self.cluster.as_str()),
            ("content-type", message.content_type),
            ("authorization", self.authorization.as_str()),
        ];
        headers.extend(message.request_id.map(|id| ("x-request-id", id)));
        headers.extend(message.trace_parent.map(|parent| ("traceparent", parent)));
        // The SDK must know the call, or it panics at its answer. Envoy answers this host call
        // with Ok, BadArgument or InternalFailure, none of which the SDK panics on.
        proxy_wasm::hostcalls::dispatch_http_call(
            &self.cluster,
            headers,
            Some(message.body),
            Vec::new(),
            message.timeout,
        )
        .map_err(|status| match status {
            Status::BadArgument => NoCall::NoCluster,
            _ => NoCall::NotSent,
        })
    }

    fn keep(&mut self, key: &str, bytes: &[u8], only_if: OnlyIf) -> bool {
        let version = match only_if {
            OnlyIf::Any => 0,
            // Envoy counts versions from 1. This one is never reached, and so never there.
            OnlyIf::Absent => u32::MAX,
            OnlyIf::Version(version) => version,
        };
        abi::set_shared_data(key, bytes, version)
    }

    fn kept(&mut self, key: &str) -> Option<Kept> {
        abi::shared_data(key).map(|(bytes, version)| Kept { bytes, version })
    }

    fn warn(&mut self, message: &str) {
        abi::log(Level::WARN, message);
    }

    fn describe(&mut self, stream: StreamId, text: &str) {
        self.about(stream);
        abi::set_property("stripe402", text);
    }

    fn add(&mut self, counter: Counter, by: u64) {
        if let Some(Some(id)) = self.counters.get(counter.index()) {
            abi::increment_metric(*id, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    fn add_of_route(&mut self, counter: usize, route: &str, by: u64) {
        let Some(prefix) = ROUTE_COUNTERS.get(counter) else { return };
        let name: String = route.chars().map(|c| if c <= ' ' { '_' } else { c }).collect();
        let define = || abi::define_metric(Metric::COUNTER, &format!("{prefix}.route.{name}"));
        let id = self.of_routes.entry((counter, route.to_owned())).or_insert_with(define);
        if let Some(id) = id {
            abi::increment_metric(*id, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    fn record(&mut self, histogram: Histogram, value: u64) {
        if let Some(Some(id)) = self.histograms.get(histogram.index()) {
            abi::record_metric(*id, value);
        }
    }
}
