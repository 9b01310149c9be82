//! A host that writes down what it was asked to do.

use super::*;

/// A host that writes down what it was asked to do.
pub(super) struct Recorder {
    /// Where requests come from, and how often that was asked.
    pub(super) address: &'static str,
    pub(super) sources: usize,
    pub(super) random: u64,
    pub(super) calls: HashMap<CallId, (&'static str, Vec<u8>)>,
    pub(super) next_call: CallId,
    /// Milliseconds since the beginning.
    pub(super) now_ms: u64,
    pub(super) unreachable: bool,
    /// What outlives VMs.
    pub(super) kept: HashMap<String, (Vec<u8>, u32)>,
    pub(super) writes: usize,
    /// Replies and resumptions since the last VM call began.
    pub(super) decisions: usize,
    pub(super) woken: bool,
    pub(super) of_routes: HashMap<(usize, String), u64>,
    pub(super) closed: Vec<StreamId>,
    pub(super) reached: HashSet<StreamId>,
    pub(super) trailers: Vec<(StreamId, String, String)>,
    pub(super) metadata: Option<Vec<u8>>,
    pub(super) virtual_host: Option<Vec<u8>>,
    pub(super) warnings: Vec<String>,
    pub(super) traces: Vec<Option<String>>,
    pub(super) counters: HashMap<usize, u64>,
    /// Replies and resumptions by stream.
    pub(super) replied: HashMap<StreamId, u32>,
    pub(super) resumed: HashMap<StreamId, u32>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            address: "192.0.2.1",
            sources: 0,
            random: 0,
            calls: HashMap::new(),
            next_call: 0,
            now_ms: 0,
            unreachable: false,
            kept: HashMap::new(),
            writes: 0,
            decisions: 0,
            woken: false,
            of_routes: HashMap::new(),
            closed: Vec::new(),
            reached: HashSet::new(),
            trailers: Vec::new(),
            metadata: None,
            virtual_host: None,
            warnings: Vec::new(),
            traces: Vec::new(),
            counters: HashMap::new(),
            replied: HashMap::new(),
            resumed: HashMap::new(),
        }
    }
}

impl Host for Recorder {
    fn now_ms(&mut self) -> u64 {
        1_795_000_000_000 + self.now_ms
    }
    fn random(&mut self) -> Option<[u8; 10]> {
        self.random += 1;
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.random.to_be_bytes());
        Some(bytes)
    }
    fn set_request_header(&mut self, _: StreamId, _: &str, _: &str) {}
    fn remove_request_header(&mut self, _: StreamId, _: &str) {}
    fn set_response_header(&mut self, _: StreamId, _: &str, _: &str) {}
    fn remove_response_header(&mut self, _: StreamId, _: &str) {}
    fn add_of_route(&mut self, counter: usize, route: &str, by: u64) {
        *self.of_routes.entry((counter, route.to_owned())).or_default() += by;
    }
    fn close(&mut self, stream: StreamId) {
        self.closed.push(stream);
    }
    fn set_response_trailer(&mut self, stream: StreamId, name: &str, value: &str) {
        self.trailers.push((stream, name.to_owned(), value.to_owned()));
    }
    fn remove_response_trailer(&mut self, _: StreamId, _: &str) {}
    fn dynamic_metadata(&mut self, _: StreamId, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn reply(&mut self, stream: StreamId, _: &EncodedReply) {
        *self.replied.entry(stream).or_default() += 1;
        self.decisions += 1;
    }
    fn resume(&mut self, stream: StreamId) {
        *self.resumed.entry(stream).or_default() += 1;
        self.decisions += 1;
    }
    fn response_details(&mut self, _: StreamId) -> Option<String> {
        Some("via_upstream".to_owned())
    }
    fn reached_upstream(&mut self, stream: StreamId) -> bool {
        self.reached.contains(&stream)
    }
    fn wake(&mut self) {
        self.woken = true;
    }
    fn route_metadata(&mut self, _: StreamId) -> Option<Vec<u8>> {
        self.metadata.clone()
    }
    fn virtual_host_metadata(&mut self, _: StreamId) -> Option<Vec<u8>> {
        self.virtual_host.clone()
    }
    fn route_name(&mut self, _: StreamId) -> Option<String> {
        None
    }
    fn source_address(&mut self, _: StreamId) -> Option<String> {
        self.sources += 1;
        Some(self.address.to_owned())
    }
    fn call(&mut self, message: &Message<'_>) -> Result<CallId, NoCall> {
        if self.unreachable {
            return Err(NoCall::NotSent);
        }
        self.next_call += 1;
        self.calls.insert(self.next_call, (message.path, message.body.to_vec()));
        self.traces.push(message.request_id.map(ToOwned::to_owned));
        Ok(self.next_call)
    }
    fn keep(&mut self, key: &str, bytes: &[u8], only_if: OnlyIf) -> bool {
        let version = self.kept.get(key).map(|(_, version)| *version);
        let allowed = match only_if {
            OnlyIf::Any => true,
            OnlyIf::Absent => version.is_none(),
            OnlyIf::Version(expected) => version == Some(expected),
        };
        if allowed {
            self.writes += 1;
            self.kept.insert(key.to_owned(), (bytes.to_vec(), version.unwrap_or(0) + 1));
        }
        allowed
    }
    fn kept(&mut self, key: &str) -> Option<Kept> {
        self.kept.get(key).map(|(bytes, version)| Kept { bytes: bytes.clone(), version: *version })
    }
    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
    }
    fn describe(&mut self, _: StreamId, _: &str) {}
    fn add(&mut self, counter: Counter, by: u64) {
        *self.counters.entry(counter.index()).or_default() += by;
    }
    fn record(&mut self, _: Histogram, _: u64) {}
}

impl Recorder {
    pub(super) fn counted(&self, name: &str) -> u64 {
        let at = COUNTERS.iter().position(|counter| *counter == name).unwrap();
        self.counters.get(&at).copied().unwrap_or_default()
    }
}
