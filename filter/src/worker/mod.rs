//! One worker's streams, queue and calls, over the host.
//!
//! Calls to the ledger are made from outside of streams, so that they outlive them: whatever the
//! ledger says of a deduction is heard, and if nobody waits for it any more, it is voided.

mod anonymous;
mod balances;
mod calls;
mod card_places;
mod due;
mod health;
mod journal;
mod leases;
mod log;
mod metering;
mod overrides;
mod reading;
mod seat;
mod steps;
mod tally;
mod turn;

use std::{collections::VecDeque, rc::Rc};

use rustc_hash::{FxHashMap, FxHashSet};
use stripe402_protocol::{
    DeductionId,
    message::{CardPayment, Deduction, Void},
};

pub use self::{calls::Failed, due::MOST_DECISIONS, metering::BodyUse};
use self::{
    card_places::CardPlaces,
    due::{Decision, Due},
    health::Health,
    journal::Journal,
    leases::AwaitingLeases,
    log::Log,
    overrides::Places,
    tally::Tally,
};
use crate::{
    config::Config,
    gate::{
        DEADLINE, Head, LedgerError, Origin, Passed, Question, ResponseHead, ResponseStep, Step,
        Stream, Trace,
    },
    host::{CallId, Host, StreamId},
    lease::Leases,
    metrics::{Pending, RouteCounts},
    queue::{Outcome, Queue, Queued, Sent, Traced},
    source::Source,
};

/// One worker of the gate.
#[derive(Debug)]
pub struct Worker {
    config: Rc<Config>,
    streams: FxHashMap<StreamId, Stream>,
    queue: Queue,
    cards: VecDeque<WaitingCard>,
    card_places: CardPlaces,
    questions: VecDeque<(StreamId, Question)>,
    /// Requests that wait for their bodies, and since when in Unix milliseconds; the oldest first.
    reading: VecDeque<(StreamId, u64)>,
    /// Whether the host has ever shown a body that was waited for.
    shown: bool,
    calls: FxHashMap<CallId, PendingCall>,
    due: Due,
    health: Health,
    journal: Journal,
    places: Places,
    /// How often an address asked for balances in this minute.
    balances: Tally,
    /// How many requests it had today without a payment.
    anonymous: Tally,
    counted: Pending,
    /// What was counted by route, of those whose price is metered.
    routes: FxHashMap<String, RouteCounts>,
    /// Streams whose holds may have to grow.
    extending: Vec<StreamId>,
    /// Streams that are cut off at the next pulse.
    closing: Vec<StreamId>,
    /// Holds that were captured before the ledger answered for them.
    ahead: FxHashSet<DeductionId>,
    leases: Leases,
    /// Requests that left a lease, and whose deductions wait for other leases to come back.
    converted_again: Vec<Deduction>,
    /// Requests that wait for leases to come back.
    awaiting_leases: FxHashMap<StreamId, AwaitingLeases>,
    log: Log,
    woken: bool,
    /// Unix milliseconds, as of the last event that asked the host: at most a pulse ago.
    now_ms: u64,
}

/// A card payment that leaves at the next turn.
#[derive(Debug)]
struct WaitingCard {
    stream: StreamId,
    source: Source,
    request: Box<CardPayment>,
    traced: Traced,
}

/// A call under way, and when it was made.
#[derive(Debug)]
struct PendingCall {
    call: Call,
    since_ms: u64,
}

/// What a call is about.
#[derive(Debug)]
enum Call {
    Batch(Sent),
    Card { stream: StreamId, deduction: DeductionId, source: Source },
    Question { stream: StreamId, question: DeductionId, of: Asked },
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Balance,
    Settlement,
    Keys,
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
        let journal = Journal::new(&config.ledger.cluster);
        let leases = Leases::new(config.leases);
        Self {
            config,
            streams: FxHashMap::default(),
            queue,
            cards: VecDeque::new(),
            card_places: CardPlaces::default(),
            questions: VecDeque::new(),
            reading: VecDeque::new(),
            shown: false,
            calls: FxHashMap::default(),
            due: Due::default(),
            health: Health::default(),
            journal,
            places: Places::default(),
            balances: Tally::new(balances::MINUTE_MS, balances::MOST_ADDRESSES),
            anonymous: Tally::new(anonymous::DAY_MS, anonymous::MOST_ADDRESSES),
            counted: Pending::default(),
            routes: FxHashMap::default(),
            extending: Vec::new(),
            closing: Vec::new(),
            ahead: FxHashSet::default(),
            leases,
            converted_again: Vec::new(),
            awaiting_leases: FxHashMap::default(),
            log: Log::default(),
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
            && self.due.is_empty()
            && self.journal.is_settled()
            && self.leases.is_empty()
            && self.converted_again.is_empty()
    }

    /// The head of a request.
    pub fn on_request(&mut self, host: &mut impl Host, id: StreamId, head: &Head<'_>) -> Verdict {
        for name in &head.remove {
            host.remove_request_header(id, name);
        }
        if let Some(left) = &head.connection {
            host.set_request_header(id, "connection", left);
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
        // Of a priced request nobody but the operator says how long it may take.
        if head.deadline && !matches!(step, Step::Pass(Passed::Free)) {
            host.remove_request_header(id, DEADLINE);
        }
        self.apply_step(host, id, step, head.trace, false)
    }

    /// Whether the head of this stream's response matters: not if it is ours.
    #[must_use]
    pub fn wants_response(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(Stream::wants_response)
    }

    /// The head of a response, ours or the API's.
    pub fn on_response(&mut self, host: &mut impl Host, id: StreamId, head: &ResponseHead<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let deduction = stream.served();
        let step = stream.on_response(head, || origin(host, id));
        let stands = deduction.filter(|_| step.void.is_none() && stream.served().is_none());
        self.answered(host, id, step);
        // The last that is done: whatever ends this VM before ends the answer, too.
        self.stands(host, stands);
    }

    /// Whether the trailers of this stream's response matter.
    #[must_use]
    pub fn wants_trailers(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(Stream::wants_trailers)
    }

    /// A part of the response's body.
    pub fn on_data(&mut self, host: &mut impl Host, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let deduction = stream.served();
        stream.on_data();
        let stands = deduction.filter(|_| stream.served().is_none());
        self.stands(host, stands);
    }

    /// The trailers of the API's response.
    pub fn on_trailers(&mut self, host: &mut impl Host, id: StreamId, trailers: &ResponseHead<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let deduction = stream.served();
        let step = stream.on_trailers(trailers);
        let stands = deduction.filter(|_| step.void.is_none() && stream.served().is_none());
        self.answered(host, id, step);
        self.stands(host, stands);
    }

    fn answered(&mut self, host: &mut impl Host, id: StreamId, step: ResponseStep) {
        for name in step.remove {
            host.remove_response_header(id, &name);
        }
        for (name, value) in step.set {
            host.set_response_header(id, name, &value);
        }
        if let Some(text) = step.describe {
            host.describe(id, &text);
        }
        if let Some(void) = step.void
            && !self.leases.void(void.id)
        {
            self.void(host, void);
        }
    }

    /// A deduction stands: its answer went to the client.
    fn stands(&mut self, host: &mut impl Host, deduction: Option<DeductionId>) {
        if let Some(id) = deduction {
            let lost = self.leases.stands(id);
            self.lose(host, lost.get());
            self.journal.settled(host, [id]);
        }
    }

    /// The stream is over. A deduction that waits is withdrawn; one that has left is voided when
    /// its answer comes.
    pub fn on_end(&mut self, host: &mut impl Host, id: StreamId) {
        let Some(mut stream) = self.streams.remove(&id) else { return };
        let deduction = stream.served();
        if stream.is_held() {
            self.metered_break(host, id, &mut stream);
            return self.journal.settled(host, deduction);
        }
        if stream.waits_for().is_some() {
            self.queue.withdraw(id);
        }
        // Sent with the next batch: a stream's end is no place to start a call from.
        match stream.on_end(|| origin(host, id)) {
            Some(void) if self.leases.void(void.id) => {}
            Some(void) => self.queue.void(void),
            None => self.stands(host, deduction),
        }
    }

    /// The stream, if it still waits for this very deduction: hosts use stream ids again.
    fn waiting(&mut self, id: StreamId, deduction: DeductionId) -> Option<&mut Stream> {
        self.streams.get_mut(&id).filter(|stream| stream.waits_for() == Some(deduction))
    }

    /// Where a request comes from, if that matters now: asking costs a call to the host.
    fn source(&self, host: &mut impl Host, id: StreamId) -> Source {
        if !self.queue.is_contended() {
            return Source::ANY;
        }
        host.source_address(id).map_or(Source::ANY, |address| Source::of(&address))
    }

    /// Answers the request that lost its place in the queue, if one did.
    fn make_room(&mut self, host: &mut impl Host, queued: Queued) {
        if let Queued::Instead(stream, deduction, client) = queued {
            let outcome =
                Outcome { stream, deduction, client, outcome: Err(LedgerError::InvalidResponse) };
            self.due.push(Decision::Deduction(outcome));
            self.wake(host);
        }
    }

    /// Takes a place for a card payment, or says why there is none.
    fn no_place_for_card(&mut self, host: &mut impl Host, source: Source) -> Option<LedgerError> {
        if self.health.is_silent() {
            return Some(LedgerError::Unreachable);
        }
        if self.card_places.take(source, &self.config.limits) {
            return None;
        }
        self.log.warn(host, "too many card payments are under way");
        Some(LedgerError::InvalidResponse)
    }

    fn void(&mut self, host: &mut impl Host, void: Void) {
        self.queue.void(void);
        if self.queue.may_leave() && !self.health.is_silent() {
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

fn origin(host: &mut impl Host, id: StreamId) -> Origin {
    Origin { details: host.response_details(id), reached: host.reached_upstream(id) }
}

fn traced(trace: Trace<'_>) -> Traced {
    let (request_id, parent) = (trace.request_id(), trace.parent());
    Traced { request_id: request_id.map(Into::into), parent: parent.map(Into::into) }
}

fn mint(host: &mut impl Host, now_ms: u64) -> Option<DeductionId> {
    let random = host.random()?;
    Some(DeductionId::mint(now_ms, random))
}

#[cfg(test)]
mod tests;
