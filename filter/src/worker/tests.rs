//! The worker over a host that remembers, with a ledger that keeps balances, in any order of
//! events.
#![expect(clippy::arithmetic_side_effects, reason = "an overflow must fail the test")]

mod death;
mod fairness;
mod recorded;
mod silence;

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::json;
use stripe402_protocol::{
    Units,
    message::{Batch, BatchAnswer, CardAnswer, ChargeOutcome, VoidOutcome, compact},
};

use super::*;
use crate::{
    config::Identity,
    gate::Reply,
    host::{Kept, Message, NoCall, OnlyIf},
    metrics::{COUNTERS, Histogram},
};

const CLIENT: &str = "d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd";
const PRICE: i64 = 100;
const SILENT: Failed = Failed { status: 0, of_ledger: false, overloaded: false };

/// A host that writes down what it was asked to do.
struct Recorder {
    /// Where requests come from, and how often that was asked.
    address: &'static str,
    sources: usize,
    random: u64,
    calls: HashMap<CallId, (&'static str, Vec<u8>)>,
    next_call: CallId,
    /// Milliseconds since the beginning.
    now_ms: u64,
    unreachable: bool,
    /// What outlives VMs.
    kept: HashMap<String, (Vec<u8>, u32)>,
    writes: usize,
    /// Replies and resumptions since the last VM call began.
    decisions: usize,
    woken: bool,
    reached: HashSet<StreamId>,
    metadata: Option<Vec<u8>>,
    virtual_host: Option<Vec<u8>>,
    warnings: Vec<String>,
    traces: Vec<Option<String>>,
    counters: HashMap<usize, u64>,
    /// Replies and resumptions by stream.
    replied: HashMap<StreamId, u32>,
    resumed: HashMap<StreamId, u32>,
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
            reached: HashSet::new(),
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
    fn reply(&mut self, stream: StreamId, _: &Reply) {
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

/// A ledger with one client, by the book.
#[derive(Default)]
struct Ledger {
    balance: i64,
    /// What cards were charged.
    taken: i64,
    charged: HashSet<ChargeId>,
    voided: HashSet<ChargeId>,
}

impl Ledger {
    fn carry_out(&mut self, batch: &Batch) -> BatchAnswer {
        let mut voids = Vec::new();
        for void in &batch.voids {
            let outcome = if !self.voided.insert(void.id) {
                VoidOutcome::Repeated
            } else if self.charged.remove(&void.id) {
                self.balance += PRICE;
                VoidOutcome::Voided
            } else {
                VoidOutcome::Marked
            };
            voids.push((void.id, outcome));
        }
        let mut charges = Vec::new();
        for charge in &batch.charges {
            let outcome = if self.voided.contains(&charge.id) {
                ChargeOutcome::Voided
            } else if self.balance < PRICE {
                ChargeOutcome::Insufficient
            } else {
                self.balance -= PRICE;
                assert!(self.charged.insert(charge.id), "a charge id was used twice");
                ChargeOutcome::Charged(Units::new(self.balance).unwrap())
            };
            charges.push((charge.id, outcome));
        }
        BatchAnswer { charges, voids }
    }
}

impl Ledger {
    /// Deducts first, and tops up if that is not enough; `None` if a void came before.
    fn pay(&mut self, payment: &CardPayment) -> Option<CardAnswer> {
        if self.voided.contains(&payment.charge_id) {
            return None;
        }
        if self.balance < PRICE {
            self.balance += 10 * PRICE;
            self.taken += 10 * PRICE;
        }
        self.balance -= PRICE;
        assert!(self.charged.insert(payment.charge_id), "a charge id was used twice");
        Some(CardAnswer::Paid {
            charge_id: payment.charge_id,
            client_id: CLIENT.parse().unwrap(),
            credits_remaining: Units::new(self.balance).unwrap(),
            payment_intent_id: None,
        })
    }
}

fn worker() -> Worker {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"path": "/a", "price": PRICE}],
        "limits": {"batch": 100, "queue": 150, "card_payments": 100},
    });
    Worker::new(Rc::new(Config::parse(json.to_string().as_bytes()).unwrap()))
}

/// How a client pays.
#[derive(Clone, Copy, Debug)]
enum Means {
    Credits,
    Card,
    Both,
}

fn request(worker: &mut Worker, host: &mut Recorder, id: StreamId, means: Means) -> Verdict {
    let payment = match means {
        Means::Credits => json!({"clientId": CLIENT}),
        Means::Card => json!({"paymentMethodId": "pm_1"}),
        Means::Both => json!({"clientId": CLIENT, "paymentMethodId": "pm_1"}),
    };
    let payment = stripe402_protocol::encode(&payment);
    let headers = [(":method", "GET"), (":path", "/a"), ("payment", payment.as_str())];
    let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    worker.on_request(host, id, &Head::read(headers, &Identity::default()))
}

/// What happens next in the world.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A client asks.
    Request,
    /// A client asks, and has a card.
    Offer(Means),
    /// The n-th request that was let through gets a connection to the API.
    Forward(usize),
    /// The worker's own event loop turns.
    Turn,
    /// The ledger works on the n-th call under way and answers.
    Answer(usize),
    /// The ledger works on it, and the answer is lost.
    LoseAnswer(usize),
    /// The call never reaches the ledger.
    LoseCall(usize),
    /// The API answers the n-th request that was let through.
    Response(usize, u16),
    /// The n-th stream ends.
    End(usize),
    /// The ledger's cluster goes or comes back.
    Reachable(bool),
    /// A second passes.
    Tick,
    /// A twentieth of a second passes.
    Pulse,
    /// Many clients ask at once.
    Flood(Means),
    /// The VM dies with all that it knows, and another one begins.
    Die,
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Request),
        1 => Just(Event::Offer(Means::Card)),
        1 => Just(Event::Offer(Means::Both)),
        3 => (0..8_usize).prop_map(Event::Forward),
        4 => Just(Event::Turn),
        4 => (0..4_usize).prop_map(Event::Answer),
        1 => (0..4_usize).prop_map(Event::LoseAnswer),
        1 => (0..4_usize).prop_map(Event::LoseCall),
        2 => ((0..8_usize), prop_oneof![Just(200_u16), Just(500), Just(404)])
            .prop_map(|(at, status)| Event::Response(at, status)),
        2 => (0..8_usize).prop_map(Event::End),
        1 => any::<bool>().prop_map(Event::Reachable),
        1 => Just(Event::Tick),
        2 => Just(Event::Pulse),
        1 => prop_oneof![Just(Means::Credits), Just(Means::Card)].prop_map(Event::Flood),
        1 => Just(Event::Die),
    ]
}

/// One world: clients, worker, ledger.
struct World {
    worker: Worker,
    host: Recorder,
    ledger: Ledger,
    next_stream: StreamId,
    live: Vec<StreamId>,
    /// Requests that the API answered without an error of its own.
    good: i64,
    /// Requests whose VM died.
    dead: i64,
}

impl World {
    fn new(balance: i64) -> Self {
        let (worker, host) = (worker(), Recorder::default());
        let ledger = Ledger { balance, ..Ledger::default() };
        Self { worker, host, ledger, next_stream: 0, live: Vec::new(), good: 0, dead: 0 }
    }

    fn happen(&mut self, event: Event) {
        self.host.decisions = 0;
        self.carry_out(event);
        assert!(self.host.decisions <= MOST_DECISIONS, "{event:?}: {}", self.host.decisions);
    }

    fn carry_out(&mut self, event: Event) {
        match event {
            Event::Request => self.ask(Means::Credits),
            Event::Offer(means) => self.ask(means),
            Event::Forward(at) => {
                if let Some(id) = self.resumed(at) {
                    self.host.reached.insert(id);
                }
            }
            Event::Turn if self.host.woken => {
                self.host.woken = false;
                self.worker.on_wake(&mut self.host);
            }
            Event::Turn => {}
            Event::Answer(at) => self.call(at, true, true),
            Event::LoseAnswer(at) => self.call(at, true, false),
            Event::LoseCall(at) => self.call(at, false, false),
            Event::Response(at, status) => {
                let Some(id) = self.resumed(at) else { return };
                self.host.reached.insert(id);
                let head = ResponseHead { status, ..ResponseHead::default() };
                self.worker.on_response(&mut self.host, id, &head);
                self.good += i64::from(status < 500);
                self.end(id);
            }
            Event::End(at) => {
                if let Some(id) = self.live.get(at).copied() {
                    // The API has done its work for a request that came to it.
                    self.good += i64::from(self.host.reached.contains(&id));
                    self.end(id);
                }
            }
            Event::Reachable(reachable) => self.host.unreachable = !reachable,
            Event::Tick => {
                self.host.now_ms += 1_000;
                self.worker.on_tick(&mut self.host);
            }
            Event::Pulse => {
                self.host.now_ms += 50;
                self.worker.on_pulse(&mut self.host);
            }
            Event::Flood(means) => {
                for _ in 0..80 {
                    // Each is a VM call of its own.
                    self.host.decisions = 0;
                    self.ask(means);
                }
            }
            Event::Die => {
                // Whoever waits for a dead VM is answered by the proxy, or not at all.
                self.worker = worker();
                self.host.woken = false;
                self.dead += i64::try_from(self.live.len()).unwrap();
                for id in self.live.drain(..) {
                    self.host.replied.remove(&id);
                    self.host.resumed.remove(&id);
                }
            }
        }
    }

    fn ask(&mut self, means: Means) {
        self.next_stream += 1;
        let verdict = request(&mut self.worker, &mut self.host, self.next_stream, means);
        assert_eq!(verdict, Verdict::Hold, "a priced request never passes at once");
        self.live.push(self.next_stream);
    }

    /// The n-th live request that was let through.
    fn resumed(&self, at: usize) -> Option<StreamId> {
        let resumed = |id: &&StreamId| self.host.resumed.contains_key(id);
        self.live.iter().filter(resumed).nth(at).copied()
    }

    fn end(&mut self, id: StreamId) {
        self.worker.on_end(&mut self.host, id);
        self.live.retain(|live| *live != id);
    }

    fn call(&mut self, at: usize, reaches: bool, answers: bool) {
        let mut under_way: Vec<_> = self.host.calls.keys().copied().collect();
        under_way.sort_unstable();
        let Some(call) = under_way.get(at).copied() else { return };
        let (path, body) = self.host.calls.remove(&call).unwrap();
        let answer = reaches.then(|| match path {
            "/v1/batch" => {
                let batch: Batch = compact::from_bytes(&body).unwrap();
                Some(compact::to_bytes(&self.ledger.carry_out(&batch)))
            }
            "/v1/payments" => {
                let answer = self.ledger.pay(&serde_json::from_slice(&body).unwrap());
                answer.map(|answer| serde_json::to_vec(&answer).unwrap())
            }
            other => panic!("{other}"),
        });
        let answer = answer.flatten().filter(|_| answers);
        self.worker.on_answer(&mut self.host, call, answer.as_deref().ok_or(SILENT));
    }

    /// Lets everything come to rest, with a ledger that answers.
    fn rest(&mut self) {
        self.host.unreachable = false;
        for _ in 0..200 {
            self.happen(Event::Turn);
            self.happen(Event::Answer(0));
            self.happen(Event::Pulse);
        }
        while let Some(id) = self.live.first().copied() {
            if self.host.resumed.contains_key(&id) {
                self.happen(Event::Response(0, 200));
            } else {
                assert_eq!(self.host.replied.get(&id), Some(&1), "stream {id} hangs");
                self.end(id);
            }
        }
        for _ in 0..60 {
            self.happen(Event::Tick);
            for _ in 0..10 {
                self.happen(Event::Turn);
                self.happen(Event::Answer(0));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is lost and in whatever order things happen: one decision per stream, and what
    /// is charged in the end is what was served.
    #[test]
    fn charges_less_voids_are_what_was_served(
        balance in 0..2_000_i64,
        events in prop::collection::vec(events(), 0..120),
    ) {
        let mut world = World::new(balance);
        for event in events {
            world.happen(event);
        }
        world.rest();
        for id in 1..=world.next_stream {
            let decisions = world.host.replied.get(&id).unwrap_or(&0)
                + world.host.resumed.get(&id).unwrap_or(&0);
            prop_assert!(decisions <= 1, "stream {id} was decided {decisions} times");
        }
        let spent = balance + world.ledger.taken - world.ledger.balance;
        prop_assert_eq!(spent, world.good * PRICE);
        prop_assert_eq!(world.worker.streams(), 0);
        prop_assert!(world.host.calls.is_empty());
    }
}

#[test]
fn a_ledger_that_is_away_is_told_of_every_void_when_it_is_back() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseAnswer(0));
    assert_eq!(world.host.replied.get(&1), Some(&1));
    for _ in 0..5 {
        world.happen(Event::Tick);
        world.happen(Event::LoseCall(0));
    }
    assert_eq!(world.ledger.balance, 900);
    world.happen(Event::Tick);
    world.happen(Event::Answer(0));
    assert_eq!(world.ledger.balance, 1_000);
}

#[test]
fn a_request_whose_client_left_before_its_charge_did_is_not_charged() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::End(0));
    world.happen(Event::Turn);
    assert!(world.host.calls.is_empty(), "the ledger was asked for nobody");
}

#[test]
fn a_ledger_in_trouble_is_not_pressed() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseCall(0));
    assert!(world.host.calls.is_empty(), "the void waits for a tick");
}

#[test]
fn an_answer_for_a_stream_id_that_is_used_again_is_not_taken_for_its_own() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::End(0));
    world.next_stream = 0;
    world.happen(Event::Request);
    world.happen(Event::Answer(0));
    assert!(world.host.resumed.is_empty(), "the first stream's charge paid for the second");
    world.rest();
    assert_eq!(world.ledger.balance, 900);
}

impl Recorder {
    fn counted(&self, name: &str) -> u64 {
        let at = COUNTERS.iter().position(|counter| *counter == name).unwrap();
        self.counters.get(&at).copied().unwrap_or_default()
    }
}

#[test]
fn what_happened_is_counted_once_a_second() {
    let mut world = World::new(1_000);
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    world.happen(Event::Request);
    world.happen(Event::Turn);
    world.happen(Event::LoseCall(0));
    assert!(world.host.counters.is_empty(), "no host call per request");
    world.happen(Event::Tick);
    world.happen(Event::Answer(0));
    world.happen(Event::Tick);
    for (name, expected) in [
        ("stripe402_paid", 1),
        ("stripe402_unavailable", 1),
        ("stripe402_voided", 0),
        ("stripe402_ledger_calls.call.batch.result.ok", 2),
        ("stripe402_ledger_calls.call.batch.result.silent", 1),
    ] {
        assert_eq!(world.host.counted(name), expected, "{name}");
    }
    world.happen(Event::Response(0, 500));
    world.happen(Event::Turn);
    world.happen(Event::Answer(0));
    world.happen(Event::Tick);
    assert_eq!(world.host.counted("stripe402_voided"), 1);
}

#[test]
fn whose_answer_it_is_decides_whether_the_ledger_is_silent() {
    for (status, of_ledger, overloaded, expected) in [
        (0, false, false, Trouble::Silent),
        (503, false, false, Trouble::Silent),
        (504, false, false, Trouble::Silent),
        (503, true, false, Trouble::Useless),
        (500, false, false, Trouble::Useless),
        (401, true, false, Trouble::Useless),
        (200, false, false, Trouble::Useless),
        (503, false, true, Trouble::Useless),
    ] {
        let failed = Failed { status, of_ledger, overloaded };
        assert_eq!(failed.trouble(), expected, "{failed:?}");
    }
}

#[test]
fn wrong_route_metadata_is_answered_and_logged_once_per_text() {
    let mut world = World::new(1_000);
    world.host.metadata = Some(b"nonsense".to_vec());
    for _ in 0..3 {
        world.happen(Event::Request);
    }
    assert_eq!(world.host.replied.len(), 3);
    assert_eq!(world.host.warnings.len(), 1, "{:?}", world.host.warnings);
    world.happen(Event::Tick);
    assert_eq!(world.host.counted("stripe402_misconfigured"), 3);
}

#[test]
fn the_ledger_hears_by_which_name_the_first_request_of_a_batch_is_found() {
    let (mut worker, mut host) = (worker(), Recorder::default());
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let headers = [
        (":method", "GET"),
        (":path", "/a"),
        ("payment", payment.as_str()),
        ("x-request-id", "r-1"),
        ("traceparent", "00-1-2-01"),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    worker.on_request(&mut host, 1, &Head::read(headers, &Identity::default()));
    worker.on_wake(&mut host);
    assert_eq!(host.traces, [Some("r-1".to_owned())]);
}

#[test]
fn a_balance_is_asked_for_and_told_to_who_asked() {
    let (mut worker, mut host) = (worker(), Recorder::default());
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let ask = |worker: &mut Worker, host: &mut Recorder, id| {
        let path = (":path", "/.well-known/stripe402/balance");
        let headers = [(":method", "GET"), path, ("payment", payment.as_str())];
        let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        worker.on_request(host, id, &Head::read(headers, &Identity::default()))
    };
    assert_eq!(ask(&mut worker, &mut host, 1), Verdict::Hold);
    worker.on_wake(&mut host);
    let (path, body) = host.calls.remove(&1).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(path, "/v1/balance");
    assert_eq!(body, json!({"version": 2, "clientId": CLIENT, "currency": "usd"}));
    worker.on_answer(&mut host, 1, Ok(br#"{"creditsRemaining":7}"#));
    assert_eq!(host.replied.get(&1), Some(&1));
    // A stream that ended is not answered for, even if its id is used again.
    ask(&mut worker, &mut host, 2);
    worker.on_wake(&mut host);
    worker.on_end(&mut host, 2);
    ask(&mut worker, &mut host, 2);
    worker.on_answer(&mut host, 2, Ok(br#"{"creditsRemaining":7}"#));
    assert_eq!(host.replied.get(&2), None);
    // The 61st in a minute.
    for id in 3..70 {
        ask(&mut worker, &mut host, id);
    }
    let refused = (3..70).filter(|id| host.replied.contains_key(id)).count();
    assert_eq!(refused, 67 - 57);
}
