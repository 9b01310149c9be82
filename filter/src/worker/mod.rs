//! One worker's streams, queue and calls, over the host.
//!
//! Calls to the ledger are made from outside of streams, so that they outlive them: whatever the
//! ledger says of a charge is heard, and if nobody waits for it any more, it is voided.

mod balances;
mod calls;
mod placed;

use std::{collections::VecDeque, rc::Rc};

use rustc_hash::FxHashMap;
use stripe402_protocol::{
    ChargeId,
    message::{Balance, BatchAnswer, CardAnswer, CardPayment, ChargeOutcome, Void, compact},
};

pub use self::calls::Failed;
use self::{balances::Balances, placed::Places};
use crate::{
    batch::{Outcome, Queue, Sent, Traced},
    config::Config,
    gate::{Head, Origin, Passed, ResponseHead, Step, Stream, Trace, Trouble},
    host::{CallId, Host, Message, StreamId},
    metrics::{Counter, Histogram, Pending, Service},
};

/// One worker of the gate.
#[derive(Debug)]
pub struct Worker {
    config: Rc<Config>,
    streams: FxHashMap<StreamId, Stream>,
    queue: Queue,
    cards: VecDeque<(StreamId, Box<CardPayment>, Traced)>,
    questions: VecDeque<(StreamId, Balance)>,
    calls: FxHashMap<CallId, UnderWay>,
    places: Places,
    balances: Balances,
    counted: Pending,
    woken: bool,
    /// Unix milliseconds, as of the last event that asked the host: at most a pulse ago.
    now_ms: u64,
}

/// A call under way, and when it was made.
#[derive(Debug)]
struct UnderWay {
    call: Call,
    since_ms: u64,
}

/// What a call is about.
#[derive(Debug)]
enum Call {
    Batch(Sent),
    Card { stream: StreamId, charge: ChargeId },
    Balance { stream: StreamId, question: ChargeId },
}

/// What the host does with a request after its head was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It waits, or was answered.
    Hold,
}

impl Worker {
    /// A worker that serves this configuration.
    #[must_use]
    pub fn new(config: Rc<Config>) -> Self {
        let queue = Queue::new(config.limits);
        Self {
            config,
            streams: FxHashMap::default(),
            queue,
            cards: VecDeque::new(),
            questions: VecDeque::new(),
            calls: FxHashMap::default(),
            places: Places::default(),
            balances: Balances::default(),
            counted: Pending::default(),
            woken: false,
            now_ms: 0,
        }
    }

    /// The configuration that new streams get.
    #[must_use]
    pub const fn config(&self) -> &Rc<Config> {
        &self.config
    }

    /// How many streams are known; for tests of leaks.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.calls.is_empty()
            && self.queue.is_empty()
            && self.cards.is_empty()
            && self.questions.is_empty()
    }

    /// The head of a request.
    pub fn on_request(&mut self, host: &mut impl Host, id: StreamId, head: &Head<'_>) -> Verdict {
        for name in &head.remove {
            host.remove_request_header(id, name);
        }
        let placed = self.places.of(&self.config, host, id);
        let mut stream = Stream::new(Rc::clone(&self.config));
        if self.now_ms == 0 {
            self.now_ms = host.now_ms();
        }
        let now_ms = self.now_ms;
        let mut step = stream.on_request(head, &placed, &mut || mint(host, now_ms));
        if stream.is_open()
            && let Some(placed) = self.places.inherited(&self.config, host, id, &placed)
        {
            step = stream.on_request(head, &placed, &mut || mint(host, now_ms));
        }
        self.streams.insert(id, stream);
        self.take(host, id, step, head.trace, false)
    }

    /// Whether the head of this stream's response matters: not if it is ours.
    #[must_use]
    pub fn wants_response(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(Stream::wants_response)
    }

    /// The head of a response, ours or the API's.
    pub fn on_response(&mut self, host: &mut impl Host, id: StreamId, head: &ResponseHead) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let step = stream.on_response(head, || Origin {
            details: host.response_details(id),
            reached: host.reached_upstream(id),
        });
        for name in step.remove {
            host.remove_response_header(id, name);
        }
        for (name, value) in step.set {
            host.set_response_header(id, name, &value);
        }
        if let Some(text) = step.describe {
            host.describe(id, &text);
        }
        if let Some(void) = step.void {
            self.void(host, void);
        }
    }

    /// The stream is over. A charge that waits is withdrawn; one that has left is voided when
    /// its answer comes.
    pub fn on_end(&mut self, host: &mut impl Host, id: StreamId) {
        let Some(mut stream) = self.streams.remove(&id) else { return };
        if stream.waits_for().is_some() {
            self.queue.withdraw(id);
            self.cards.retain(|(waiting, ..)| *waiting != id);
            self.questions.retain(|(waiting, _)| *waiting != id);
        }
        // Sent with the next batch: a stream's end is no place to start a call from.
        if let Some(void) = stream.on_end(|| host.reached_upstream(id)) {
            self.queue.void(void);
        }
    }

    /// Outside of any stream: send what waits.
    pub fn on_wake(&mut self, host: &mut impl Host) {
        self.woken = false;
        self.now_ms = host.now_ms();
        while let Some((stream, request, traced)) = self.cards.pop_front() {
            self.call_card(host, stream, &request, &traced);
        }
        while let Some((stream, question)) = self.questions.pop_front() {
            self.call_balance(host, stream, &question);
        }
        while let Some((batch, sent)) = self.queue.next_batch() {
            let body = compact::to_bytes(&batch);
            let message = Message {
                path: "/v1/batch",
                content_type: compact::MEDIA_TYPE,
                body: &body,
                timeout: self.config.ledger.timeout,
                request_id: sent.traced().request_id.as_deref(),
                trace_parent: sent.traced().parent.as_deref(),
            };
            match host.call(&message) {
                Ok(call) => {
                    if let Ok(charges) = u64::try_from(sent.charges()) {
                        host.record(Histogram::BATCH_CHARGES, charges);
                    }
                    self.under_way(call, Call::Batch(sent));
                }
                Err(no_call) => {
                    // No request waits for a ledger that is not there; voids do.
                    let trouble = self.no_call(host, no_call, Service::Batch);
                    self.settle(host, sent, Err(trouble));
                    if !self.queue.has_charges() {
                        break;
                    }
                }
            }
        }
        let lost = self.queue.take_lost_voids();
        if lost > 0 {
            self.counted.add(Counter::VOIDS_LOST, lost);
            host.warn(&format!("{lost} voids were lost: the ledger has been away for too long"));
        }
    }

    /// Every twentieth of a second or so: what waits for a call that takes long waits no longer.
    pub fn on_pulse(&mut self, host: &mut impl Host) {
        self.now_ms = host.now_ms();
        self.queue.on_pulse();
        if self.queue.has_charges() && self.queue.may_leave() {
            self.on_wake(host);
        }
    }

    /// Every second or so: send what was left lying, and hand over what was counted.
    pub fn on_tick(&mut self, host: &mut impl Host) {
        if !self.queue.is_empty() || !self.cards.is_empty() || !self.questions.is_empty() {
            self.on_wake(host);
        }
        self.hand_over_counts(host);
    }

    /// Hands over what was counted since the last time.
    pub fn hand_over_counts(&mut self, host: &mut impl Host) {
        for (counter, by) in self.counted.take() {
            host.add(counter, by);
        }
    }

    fn settle(&mut self, host: &mut impl Host, sent: Sent, answer: Result<BatchAnswer, Trouble>) {
        let now_ms = self.now_ms;
        for Outcome { stream: id, charge, client, outcome } in self.queue.answered(sent, answer) {
            let waiting = self.waiting(id, charge);
            match waiting.and_then(|stream| stream.on_charge(outcome, &mut || mint(host, now_ms))) {
                Some(step) => {
                    self.take(host, id, step, Trace::default(), true);
                }
                // Charged for a stream that is gone. An unusable answer has been voided with its
                // whole batch; what was not charged needs no void.
                None if matches!(outcome, Ok(ChargeOutcome::Charged(_))) => {
                    self.queue.void(Void { id: charge, client_id: Some(client) });
                }
                None => {}
            }
        }
    }

    fn settle_card(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        charge: ChargeId,
        answer: Result<CardAnswer, Trouble>,
    ) {
        let client_id = match &answer {
            Ok(CardAnswer::Paid { client_id, .. }) => Some(*client_id),
            _ => None,
        };
        if answer.is_err() {
            self.void(host, Void { id: charge, client_id: None });
        }
        match self.waiting(id, charge).and_then(|stream| stream.on_card(answer)) {
            Some(step) => {
                self.take(host, id, step, Trace::default(), true);
            }
            // Paid for a stream that is gone.
            None if client_id.is_some() => self.void(host, Void { id: charge, client_id }),
            None => {}
        }
    }

    /// The stream, if it still waits for this very charge: hosts use stream ids again.
    fn waiting(&mut self, id: StreamId, charge: ChargeId) -> Option<&mut Stream> {
        self.streams.get_mut(&id).filter(|stream| stream.waits_for() == Some(charge))
    }

    /// Does what a step says. `held` tells whether the host holds the request already.
    fn take(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        step: Step,
        trace: Trace<'_>,
        held: bool,
    ) -> Verdict {
        if let Some(text) = self.streams.get(&id).and_then(|stream| stream.describe(&step)) {
            host.describe(id, &text);
        }
        match step {
            Step::Pass(headers, passed) => {
                self.counted.count(match passed {
                    Passed::Free => Counter::FREE,
                    Passed::Paid => Counter::PAID,
                    Passed::Unpaid => Counter::UNPAID,
                });
                for (name, value) in headers {
                    host.set_request_header(id, &name, &value);
                }
                if held {
                    host.resume(id);
                }
                return Verdict::Continue;
            }
            Step::Reply(reply) => {
                self.counted.count(reply.counter);
                host.reply(id, &reply);
            }
            Step::Charge(charge) => {
                if self.queue.charge(id, charge, traced(trace)) {
                    // What has to wait leaves when the batch under way comes back.
                    if self.queue.may_leave() {
                        self.wake(host);
                    }
                } else {
                    host.warn("too many charges wait for the ledger");
                    let step = self
                        .streams
                        .get_mut(&id)
                        .and_then(|stream| stream.on_charge(Err(Trouble::Useless), &mut || None));
                    return step
                        .map_or(Verdict::Hold, |step| self.take(host, id, step, trace, held));
                }
            }
            Step::Pay(mut request) => {
                request.source = host.source_address(id);
                self.cards.push_back((id, request, traced(trace)));
                self.wake(host);
            }
            Step::Ask(question) => return self.ask(host, id, question),
        }
        Verdict::Hold
    }

    fn void(&mut self, host: &mut impl Host, void: Void) {
        self.queue.void(void);
        if self.queue.may_leave() {
            self.wake(host);
        }
    }

    fn wake(&mut self, host: &mut impl Host) {
        if !self.woken {
            self.woken = true;
            host.wake();
        }
    }
}

fn traced(trace: Trace<'_>) -> Traced {
    Traced { request_id: trace.request_id.map(Into::into), parent: trace.parent.map(Into::into) }
}

fn mint(host: &mut impl Host, now_ms: u64) -> Option<ChargeId> {
    let random = host.random()?;
    Some(ChargeId::mint(now_ms, random))
}

#[cfg(test)]
mod tests;
