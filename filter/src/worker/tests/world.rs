//! Clients, a worker, and a ledger by the book, in any order of events.

use super::*;

/// A ledger with one client, by the book.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) balance: i64,
    /// What cards were charged.
    pub(super) taken: i64,
    pub(super) deducted: HashSet<DeductionId>,
    pub(super) voided: HashSet<DeductionId>,
    /// Whether deductions may come again: those of requests that a lease had paid for do.
    pub(super) repeats: bool,
    /// Leases that are out.
    pub(super) leases: HashMap<DeductionId, i64>,
    /// Those that came back, and what was taken of them.
    pub(super) captured: HashMap<DeductionId, i64>,
}

impl Ledger {
    pub(super) fn carry_out(&mut self, batch: &Batch) -> BatchAnswer {
        let mut voids = Vec::new();
        for void in &batch.voids {
            let outcome = if !self.voided.insert(void.id) {
                VoidOutcome::Repeated
            } else if self.deducted.remove(&void.id) {
                self.balance += PRICE;
                VoidOutcome::Voided
            } else if let Some(held) = self.leases.remove(&void.id) {
                self.balance += held;
                VoidOutcome::Voided
            } else {
                VoidOutcome::Marked
            };
            voids.push((void.id, outcome));
        }
        let captures = batch.captures.iter().map(|capture| (capture.id, self.capture(capture)));
        let captures: Vec<_> = captures.collect();
        let mut deductions = Vec::new();
        for deduction in &batch.deductions {
            let outcome = if self.voided.contains(&deduction.id) {
                DeductionOutcome::Voided
            } else if self.repeats && self.deducted.contains(&deduction.id) {
                DeductionOutcome::Deducted(Units::new(self.balance).unwrap())
            } else if let Some(share) = deduction.hold.and_then(|terms| terms.lease) {
                self.lend(deduction, i64::from(share))
            } else if self.balance < PRICE && !self.leases.is_empty() {
                DeductionOutcome::Leased
            } else if self.balance < PRICE {
                DeductionOutcome::Insufficient
            } else {
                self.balance -= PRICE;
                assert!(self.deducted.insert(deduction.id), "a charge id was used twice");
                DeductionOutcome::Deducted(Units::new(self.balance).unwrap())
            };
            deductions.push((deduction.id, outcome));
        }
        BatchAnswer { deductions, voids, captures }
    }

    fn lend(&mut self, lease: &Deduction, share: i64) -> DeductionOutcome {
        let amount = lease.amount.get();
        if amount * 100 > self.balance * share {
            return DeductionOutcome::LeaseRefused;
        }
        self.balance -= amount;
        assert!(self.leases.insert(lease.id, amount).is_none(), "a lease id was used twice");
        DeductionOutcome::Deducted(Units::new(self.balance).unwrap())
    }

    fn capture(&mut self, capture: &Capture) -> CaptureOutcome {
        let asked = capture.amount.get();
        if let Some(held) = self.leases.remove(&capture.id) {
            assert!(asked <= held, "more was paid from a lease than it held");
            assert_eq!(asked, i64::from(capture.count) * PRICE, "so many requests");
            self.balance += held - asked;
            self.captured.insert(capture.id, asked);
        }
        match self.captured.get(&capture.id) {
            Some(captured) => CaptureOutcome::Captured {
                captured: Units::new(*captured).unwrap(),
                left: Units::new(self.balance).unwrap(),
            },
            None if self.voided.contains(&capture.id) => CaptureOutcome::Voided,
            None => CaptureOutcome::Marked,
        }
    }
}

impl Ledger {
    /// Deducts first, and tops up if that is not enough; `None` if a void came before.
    pub(super) fn pay(&mut self, payment: &CardPayment) -> Option<CardAnswer> {
        if self.voided.contains(&payment.deduction_id) {
            return None;
        }
        if self.balance < PRICE {
            self.balance += 10 * PRICE;
            self.taken += 10 * PRICE;
        }
        self.balance -= PRICE;
        assert!(self.deducted.insert(payment.deduction_id), "a charge id was used twice");
        Some(CardAnswer::Paid {
            deduction_id: payment.deduction_id,
            client_id: CLIENT.parse().unwrap(),
            credits_remaining: Units::new(self.balance).unwrap(),
            payment_intent_id: None,
        })
    }
}

pub(super) fn worker() -> Worker {
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
pub(super) enum Means {
    Credits,
    Card,
    Both,
}

pub(super) fn request(
    worker: &mut Worker,
    host: &mut Recorder,
    id: StreamId,
    means: Means,
) -> Verdict {
    let payment = match means {
        Means::Credits => json!({"clientId": CLIENT}),
        Means::Card => json!({"paymentMethodId": "pm_1"}),
        Means::Both => json!({"clientId": CLIENT, "paymentMethodId": "pm_1"}),
    };
    let payment = stripe402_protocol::encode(&payment);
    let headers = [(":method", "GET"), (":path", "/a"), ("payment", payment.as_str())];
    let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    worker.on_request(host, id, &Head::read(headers, &Identity::default(), None))
}

/// What happens next in the world.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
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

pub(super) fn events() -> impl Strategy<Value = Event> {
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
pub(super) struct World {
    pub(super) worker: Worker,
    pub(super) host: Recorder,
    pub(super) ledger: Ledger,
    pub(super) next_stream: StreamId,
    pub(super) live: Vec<StreamId>,
    /// Requests that the API answered without an error of its own.
    pub(super) good: i64,
    /// Requests whose VM died.
    pub(super) dead: i64,
    /// Requests that a lease has paid for.
    pub(super) leased: i64,
}

impl World {
    pub(super) fn new(balance: i64) -> Self {
        let (worker, host) = (worker(), Recorder::default());
        let ledger = Ledger { balance, ..Ledger::default() };
        let live = Vec::new();
        Self { worker, host, ledger, next_stream: 0, live, good: 0, dead: 0, leased: 0 }
    }

    pub(super) fn happen(&mut self, event: Event) {
        self.host.decisions = 0;
        self.carry_out(event);
        assert!(self.host.decisions <= MOST_DECISIONS, "{event:?}: {}", self.host.decisions);
    }

    pub(super) fn carry_out(&mut self, event: Event) {
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

    pub(super) fn ask(&mut self, means: Means) {
        self.next_stream += 1;
        let verdict = request(&mut self.worker, &mut self.host, self.next_stream, means);
        if verdict == Verdict::Continue {
            let leases = self.worker.config().leases.enabled && !self.ledger.leases.is_empty();
            assert!(leases, "a priced request passes at once only where a lease is out");
            *self.host.resumed.entry(self.next_stream).or_default() += 1;
            self.leased += 1;
        }
        self.live.push(self.next_stream);
    }

    /// The n-th live request that was let through.
    pub(super) fn resumed(&self, at: usize) -> Option<StreamId> {
        let resumed = |id: &&StreamId| self.host.resumed.contains_key(id);
        self.live.iter().filter(resumed).nth(at).copied()
    }

    pub(super) fn end(&mut self, id: StreamId) {
        self.worker.on_end(&mut self.host, id);
        self.live.retain(|live| *live != id);
    }

    pub(super) fn call(&mut self, at: usize, reaches: bool, answers: bool) {
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
    pub(super) fn rest(&mut self) {
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
