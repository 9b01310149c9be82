//! A worker's own turns: what waits is sent, and what takes too long is given up.

use stripe402_protocol::message::{Batch, compact};

use super::{Call, Decision, WaitingCard, Worker};
use crate::{
    gate::LedgerError,
    host::{Host, Message},
    metrics::{Counter, Histogram, Service},
    queue::{Outcome, Sent},
};

/// A VM that has not said for so long that it lives asks first whether it was taken for dead, in
/// milliseconds. Others wait for longer.
const STALE_MS: u64 = 5_000;

/// For how much longer a request waits whose call is younger than it, in milliseconds: two pulses, since
/// the time at which it came is known to one.
const GRACE_MS: u64 = 100;

impl Worker {
    /// A VM call begins that is not about one stream.
    pub(super) fn begin(&mut self, host: &mut impl Host) {
        let before_ms = core::mem::replace(&mut self.now_ms, host.now_ms());
        self.health.begin(self.now_ms);
        self.due.begin();
        // Pulses come every twentieth of a second, unless this thread was held up.
        if before_ms != 0 && self.now_ms.saturating_sub(before_ms) > STALE_MS {
            self.beat(host);
        }
    }

    /// Outside of any stream: send what waits.
    pub fn on_wake(&mut self, host: &mut impl Host) {
        self.woken = false;
        self.begin(host);
        self.turn(host);
    }

    /// Every twentieth of a second or so: what waits for a call that takes long waits no longer.
    pub fn on_pulse(&mut self, host: &mut impl Host) {
        self.begin(host);
        self.pulse(host);
    }

    /// Every second or so: send what was left lying, hand over what was counted, and say that this
    /// VM lives.
    pub fn on_tick(&mut self, host: &mut impl Host) {
        self.begin(host);
        self.pulse(host);
        self.beat(host);
        let lost = self.leases.on_tick(self.now_ms);
        self.lose(host, lost.get());
        for void in self.journal.inherit(host) {
            self.counted.count(Counter::INHERITED);
            self.queue.void(void);
        }
        if !self.health.is_silent() {
            self.turn(host);
        }
        self.hand_over_counts(host);
        self.log.tick(host);
    }

    /// Hands over what was counted since the last time.
    pub fn hand_over_counts(&mut self, host: &mut impl Host) {
        for (counter, by) in self.counted.take() {
            host.add(counter, by);
        }
        self.hand_over_routes(host);
    }

    /// Nothing is under way any more, and this worker ends.
    pub fn close(&mut self, host: &mut impl Host) {
        self.hand_over_counts(host);
        self.journal.close(host);
    }

    fn pulse(&mut self, host: &mut impl Host) {
        self.health.on_pulse(self.now_ms);
        self.queue.on_pulse();
        self.progress_all(host);
        self.lease_pulse(host);
        self.give_up_overdue();
        self.give_up_bodies();
        let probes = self.health.take_probe(self.now_ms);
        if probes {
            let (batch, sent) = self.queue.probe();
            self.send(host, &batch, sent);
        }
        let waits = self.queue.has_charges() || self.queue.has_own();
        if waits && self.queue.may_leave() && !self.health.is_silent() {
            return self.turn(host);
        }
        self.decide(host);
    }

    fn turn(&mut self, host: &mut impl Host) {
        while let Some(card) = self.cards.pop_front() {
            self.send_card(host, card);
        }
        while let Some((stream, question)) = self.questions.pop_front() {
            self.call_question(host, stream, &question);
        }
        if self.health.is_silent() {
            if self.health.take_probe(self.now_ms) {
                let (batch, sent) = self.queue.probe();
                self.send(host, &batch, sent);
            }
        } else {
            while !self.health.is_silent()
                && let Some((batch, sent)) = self.queue.next_batch()
            {
                // Voids alone wait for a ledger that cannot be called.
                if !self.send(host, &batch, sent) && !self.queue.has_charges() {
                    break;
                }
            }
        }
        self.count_lost_voids(host);
        self.decide(host);
    }

    /// Sends a batch; `false` if that was not possible, and then its requests are decided.
    fn send(&mut self, host: &mut impl Host, batch: &Batch, sent: Sent) -> bool {
        let body = compact::to_bytes(batch);
        let message = Message {
            path: "/v1/batch",
            content_type: compact::MEDIA_TYPE,
            body: &body,
            timeout: self.config.ledger.timeout,
            request_id: sent.traced().request_id.as_deref(),
            trace_parent: sent.traced().parent.as_deref(),
        };
        let deductions = sent.deductions().map(|(id, client)| (id, Some(client)));
        self.journal.leaving(host, deductions);
        match host.call(&message) {
            Ok(call) => {
                if let Ok(deductions) = u64::try_from(sent.deductions().len()) {
                    host.record(Histogram::BATCH_CHARGES, deductions);
                }
                self.under_way(call, Call::Batch(sent));
                true
            }
            Err(no_call) => {
                let trouble = self.no_call(host, no_call, Service::Batch);
                // Whatever held a probe back, there has to be another one.
                if self.health.is_silent() {
                    self.health.silent(self.now_ms);
                }
                self.journal.settled(host, sent.deductions().map(|(id, _)| id));
                let outcomes = self.queue.unsent(sent, trouble);
                self.decide_later(outcomes);
                false
            }
        }
    }

    fn send_card(&mut self, host: &mut impl Host, card: WaitingCard) {
        let WaitingCard { stream, source, request, traced } = card;
        // Nobody is deducted for a request that is gone.
        if self.waiting(stream, request.deduction_id).is_none() {
            return self.card_places.give_back(source);
        }
        if self.health.is_silent() {
            self.card_places.give_back(source);
            let (deduction, answer) = (request.deduction_id, Err(LedgerError::Unreachable));
            return self.due.push(Decision::Card { stream, deduction, answer });
        }
        self.call_card(host, stream, source, &request, &traced);
    }

    /// The ledger gave no answer: whoever waits is told now, and not after a time-out of its own.
    pub(super) fn fall_silent(&mut self) {
        self.health.silent(self.now_ms);
        let waiting = self.queue.overdue(u64::MAX, LedgerError::Unreachable);
        self.decide_later(waiting);
    }

    /// The time-out counts from when a request began to wait. The ledger is silent only where a call
    /// itself has been under way for so long, and this worker could have read its answer: a request that
    /// others kept in the queue, or in this worker's hands, is late by them.
    fn give_up_overdue(&mut self) {
        let timeout = u64::try_from(self.config.ledger.timeout.as_millis()).unwrap_or(u64::MAX);
        let Some(called_ms) = self.now_ms.checked_sub(timeout) else { return };
        // A call that left together with a request ends by its own time-out first.
        let since_ms = called_ms.saturating_sub(GRACE_MS);
        let mut overdue = self.queue.overdue(since_ms, LedgerError::InvalidResponse);
        for under_way in self.calls.values_mut() {
            if let Call::Batch(sent) = &mut under_way.call {
                let held_up = self.health.was_held_up(under_way.since_ms);
                overdue.extend(if under_way.since_ms <= called_ms && !held_up {
                    sent.overdue(called_ms, LedgerError::Unreachable)
                } else {
                    sent.overdue(since_ms, LedgerError::InvalidResponse)
                });
            }
        }
        self.decide_later(overdue);
    }

    /// Says that this VM lives. If it was taken for dead, what it had under way is being voided by
    /// another, and must not be served.
    fn beat(&mut self, host: &mut impl Host) {
        if self.journal.beat(host, self.calls.len()) {
            return;
        }
        self.log.warn(host, "this worker was held up and taken for dead; its requests are refused");
        self.due.distrust();
        let mut lost = Vec::new();
        for under_way in self.calls.values_mut() {
            match &mut under_way.call {
                Call::Batch(sent) => {
                    lost.extend(sent.overdue(u64::MAX, LedgerError::InvalidResponse))
                }
                Call::Card { stream, deduction, .. } => {
                    let (stream, deduction, answer) =
                        (*stream, *deduction, Err(LedgerError::InvalidResponse));
                    self.due.push(Decision::Card { stream, deduction, answer });
                }
                Call::Question { .. } => {}
            }
        }
        self.decide_later(lost);
    }

    pub(super) fn decide_later(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            self.due.push(Decision::Deduction(outcome));
        }
    }

    fn count_lost_voids(&mut self, host: &mut impl Host) {
        let captures = self.queue.take_lost_captures();
        if !captures.is_empty() {
            let count = u64::try_from(captures.len()).unwrap_or(u64::MAX);
            self.counted.add(Counter::CAPTURES_LOST, count);
            self.log.warn(host, "captures were lost: their holds are settled at their end");
        }
        for id in captures {
            let lost = self.leases.capture_lost(id);
            self.lose(host, lost.get());
        }
        let lost = self.queue.take_lost_voids();
        if lost.is_empty() {
            return;
        }
        self.counted.add(Counter::VOIDS_LOST, u64::try_from(lost.len()).unwrap_or(u64::MAX));
        self.log.warn(host, "voids were lost: the ledger has been away for too long");
        self.journal.settled(host, lost.into_iter().map(|void| void.id));
    }
}
