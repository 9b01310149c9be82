//! One worker's streams, queue and calls, over the host.
//!
//! Calls to the ledger are made from outside of streams, so that they outlive them: whatever the
//! ledger says of a charge is heard, and if nobody waits for it any more, it is voided.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use stripe402_protocol::{
    ChargeId,
    message::{BatchAnswer, CardAnswer, CardPayment, ChargeOutcome, Void},
};

use crate::{
    batch::{Outcome, Queue, Sent},
    config::Config,
    gate::{Head, Origin, ResponseHead, Step, Stream},
    host::{CallId, Host, StreamId},
};

/// One worker of the gate.
#[derive(Debug)]
pub struct Worker {
    config: Rc<Config>,
    streams: HashMap<StreamId, Stream>,
    queue: Queue,
    cards: VecDeque<(StreamId, Box<CardPayment>)>,
    calls: HashMap<CallId, Call>,
    woken: bool,
}

/// A call under way.
#[derive(Debug)]
enum Call {
    Batch(Sent),
    Card { stream: StreamId, charge: ChargeId },
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
            streams: HashMap::new(),
            queue,
            cards: VecDeque::new(),
            calls: HashMap::new(),
            woken: false,
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

    /// The head of a request.
    pub fn on_request(&mut self, host: &mut impl Host, id: StreamId, head: &Head<'_>) -> Verdict {
        for name in &head.remove {
            host.remove_request_header(id, name);
        }
        let mut stream = Stream::new(Rc::clone(&self.config));
        let step = stream.on_request(head, &mut || mint(host));
        self.streams.insert(id, stream);
        self.take(host, id, step, false)
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
            self.cards.retain(|(waiting, _)| *waiting != id);
        }
        // Sent with the next batch: a stream's end is no place to start a call from.
        if let Some(void) = stream.on_end(|| host.reached_upstream(id)) {
            self.queue.void(void);
        }
    }

    /// Outside of any stream: send what waits.
    pub fn on_wake(&mut self, host: &mut impl Host) {
        self.woken = false;
        while let Some((stream, request)) = self.cards.pop_front() {
            self.call_card(host, stream, &request);
        }
        while let Some((batch, sent)) = self.queue.next_batch() {
            let body = serde_json::to_vec(&batch).unwrap_or_default();
            match host.call("/v1/batch", &body, self.config.ledger.timeout) {
                Some(call) => {
                    self.calls.insert(call, Call::Batch(sent));
                }
                None => {
                    // The cluster is not there: no request waits for it, voids do.
                    host.warn(&unreachable(&self.config.ledger.cluster));
                    self.settle(host, sent, None);
                    if !self.queue.has_charges() {
                        break;
                    }
                }
            }
        }
        let lost = self.queue.take_lost_voids();
        if lost > 0 {
            host.warn(&format!("{lost} voids were lost: the ledger has been away for too long"));
        }
    }

    /// Every second or so: send what was left lying.
    pub fn on_tick(&mut self, host: &mut impl Host) {
        if !self.queue.is_empty() || !self.cards.is_empty() {
            self.on_wake(host);
        }
    }

    /// An answer of the ledger's: its body, or the status if that is not 200. A call that got no
    /// answer at all has the status 0.
    pub fn on_answer(&mut self, host: &mut impl Host, call: CallId, answer: Result<&[u8], u16>) {
        let status = answer.err();
        let body = answer.ok();
        match self.calls.remove(&call) {
            Some(Call::Batch(sent)) => {
                let answer = body.and_then(|body| serde_json::from_slice::<BatchAnswer>(body).ok());
                if answer.is_none() {
                    host.warn(&trouble("a batch", status));
                }
                let answered = answer.is_some();
                self.settle(host, sent, answer);
                // Voids alone do not press a ledger that is in trouble; they wait for a tick.
                if self.queue.has_charges() || answered && !self.queue.is_empty() {
                    self.on_wake(host);
                }
            }
            Some(Call::Card { stream, charge }) => {
                let answer = body.and_then(|body| serde_json::from_slice::<CardAnswer>(body).ok());
                let answer = answer.filter(|answer| answer.charge_id() == charge);
                if answer.is_none() {
                    host.warn(&trouble("a card payment", status));
                }
                self.settle_card(host, stream, charge, answer);
            }
            None => {}
        }
    }

    fn call_card(&mut self, host: &mut impl Host, stream: StreamId, request: &CardPayment) {
        let charge = request.charge_id;
        let under_way =
            self.calls.values().filter(|call| matches!(call, Call::Card { .. })).count();
        let body = serde_json::to_vec(request).unwrap_or_default();
        let call = (under_way < self.config.limits.card_payments)
            .then(|| host.call("/v1/payments", &body, self.config.ledger.payment_timeout))
            .flatten();
        match call {
            Some(call) => {
                self.calls.insert(call, Call::Card { stream, charge });
            }
            None => {
                host.warn(&unreachable(&self.config.ledger.cluster));
                self.settle_card(host, stream, charge, None);
            }
        }
    }

    fn settle(&mut self, host: &mut impl Host, sent: Sent, answer: Option<BatchAnswer>) {
        for Outcome { stream: id, charge, client, outcome } in self.queue.answered(sent, answer) {
            let waiting = self.waiting(id, charge);
            match waiting.and_then(|stream| stream.on_charge(outcome, &mut || mint(host))) {
                Some(step) => {
                    self.take(host, id, step, true);
                }
                // Charged for a stream that is gone. An unusable answer has been voided with its
                // whole batch; what was not charged needs no void.
                None if matches!(outcome, Some(ChargeOutcome::Charged(_))) => {
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
        answer: Option<CardAnswer>,
    ) {
        let client_id = match &answer {
            Some(CardAnswer::Paid { client_id, .. }) => Some(*client_id),
            _ => None,
        };
        if answer.is_none() {
            self.void(host, Void { id: charge, client_id: None });
        }
        match self.waiting(id, charge).and_then(|stream| stream.on_card(answer)) {
            Some(step) => {
                self.take(host, id, step, true);
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
    fn take(&mut self, host: &mut impl Host, id: StreamId, step: Step, held: bool) -> Verdict {
        match step {
            Step::Pass(headers) => {
                for (name, value) in headers {
                    host.set_request_header(id, &name, &value);
                }
                if held {
                    host.resume(id);
                }
                return Verdict::Continue;
            }
            Step::Reply(reply) => host.reply(id, &reply),
            Step::Charge(charge) => {
                if self.queue.charge(id, charge) {
                    self.wake(host);
                } else {
                    host.warn("too many charges wait for the ledger");
                    let step = self
                        .streams
                        .get_mut(&id)
                        .and_then(|stream| stream.on_charge(None, &mut || None));
                    return step.map_or(Verdict::Hold, |step| self.take(host, id, step, held));
                }
            }
            Step::Pay(mut request) => {
                request.source = host.source(id);
                self.cards.push_back((id, request));
                self.wake(host);
            }
        }
        Verdict::Hold
    }

    fn void(&mut self, host: &mut impl Host, void: Void) {
        self.queue.void(void);
        self.wake(host);
    }

    fn wake(&mut self, host: &mut impl Host) {
        if !self.woken {
            self.woken = true;
            host.wake();
        }
    }
}

/// What an operator should look at when the ledger gives no usable answer.
fn trouble(to: &str, status: Option<u16>) -> String {
    let cause = match status {
        None => "the answer is not one of this version's".to_owned(),
        Some(0) => "no answer: it is down, or slower than the time-out".to_owned(),
        Some(401) => "401: Envoy's LEDGER_TOKEN is not the ledger's".to_owned(),
        Some(503) => "503: it cannot reach its store or Stripe; see its log".to_owned(),
        Some(other) => format!("status {other}"),
    };
    format!("no usable answer of the ledger's to {to}: {cause}")
}

fn unreachable(cluster: &str) -> String {
    format!("cannot call the ledger: is there a cluster named {cluster} with a healthy host?")
}

fn mint(host: &mut impl Host) -> Option<ChargeId> {
    let random = host.random()?;
    Some(ChargeId::mint(host.now_ms(), random))
}

#[cfg(test)]
mod tests;
