//! Leases of clients' credit, over the host and the queue.

use stripe402_protocol::{
    DeductionId,
    message::{CaptureOutcome, CardAnswer, Deduction, DeductionOutcome},
};

use super::{Decision, Worker, mint};
use crate::{
    gate::LedgerError,
    host::{Host, StreamId},
    lease::{Heard, Spent},
    metrics::Counter,
    queue::{Outcome, Queued, Traced},
    source::Source,
};

/// For how much longer than a lease lasts a request waits for leases to come back, in milliseconds: the
/// ledger looks for those that have ended every five seconds.
const GRACE_MS: u64 = 6_000;

/// A request that waits for leases of its client's to come back.
#[derive(Debug)]
pub(super) struct AwaitingLeases {
    deduction: DeductionId,
    since_ms: u64,
    /// Whether the ledger has been asked again, and has not answered.
    asked: bool,
}

impl Worker {
    /// Pays for a request from a lease; where there is none and its client pays often, one is asked for
    /// with its deduction. Answers the ledger's word in the ledger's stead.
    pub(super) fn lease(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        deduction: &Deduction,
    ) -> Option<DeductionOutcome> {
        self.streams.get(&id)?.leasing()?;
        // Not as of the last pulse: a worker that was held up must not pay from what is over.
        self.now_ms = host.now_ms();
        let now_ms = self.now_ms;
        let mut mint = || mint(host, now_ms);
        let Some(Spent { left, renew }) = self.leases.spend(deduction, now_ms) else {
            if !self.health.is_silent()
                && let Some(lease) = self.leases.heat(deduction, now_ms, &mut mint)
            {
                self.queue.own(lease);
            }
            self.hand_over();
            return None;
        };
        self.counted.count(Counter::LEASED);
        if renew && let Some(lease) = self.leases.renew(deduction, now_ms, &mut mint) {
            self.queue.own(lease);
            if self.queue.may_leave() && !self.health.is_silent() {
                self.wake(host);
            }
        }
        self.hand_over();
        Some(DeductionOutcome::Deducted(left))
    }

    /// Queues what was paid from leases that are closed; it leaves with the next batch, or at the next
    /// pulse.
    fn hand_over(&mut self) {
        if !self.leases.has_handed() {
            return;
        }
        for handed in self.leases.take_handed() {
            self.queue.handed(handed);
        }
    }

    /// Takes out of a batch's outcomes what is about leases, and adds to what is left of clients' credit
    /// what this worker has leased.
    pub(super) fn hear_of_leases(
        &mut self,
        host: &mut impl Host,
        captures: &[(DeductionId, CaptureOutcome)],
        outcomes: Vec<Outcome>,
    ) -> Vec<Outcome> {
        let now_ms = self.now_ms;
        for (id, outcome) in captures {
            let lost = self.leases.captured(*id, *outcome);
            self.lose(host, lost.get());
        }
        let mut of_requests = Vec::with_capacity(outcomes.len());
        for mut outcome in outcomes {
            let id = outcome.deduction;
            match self.leases.heard(id, outcome.outcome.ok(), now_ms) {
                Heard::Other => {
                    self.tell_with_leases(&mut outcome);
                    of_requests.push(outcome);
                }
                Heard::Lease => {
                    self.counted.count(Counter::LEASES);
                    self.journal.settled(host, [id]);
                }
                Heard::NoLease => self.counted.count(Counter::LEASES_REFUSED),
                Heard::Deducted { stands: true } => self.journal.settled(host, [id]),
                Heard::Deducted { stands: false } | Heard::Refused => {}
                Heard::Again(deduction) => {
                    let key = (deduction.client_id, deduction.currency);
                    self.leases.recall(key, now_ms);
                    self.converted_again.push(*deduction);
                }
                Heard::Lost(units) => self.lose(host, units.get()),
            }
        }
        self.hand_over();
        of_requests
    }

    fn tell_with_leases(&mut self, outcome: &mut Outcome) {
        let Ok(DeductionOutcome::Deducted(left)) = &mut outcome.outcome else { return };
        let Some(stream) = self.streams.get(&outcome.stream) else { return };
        let Some(currency) = stream.currency() else { return };
        let (key, now_ms) = ((outcome.client, currency), self.now_ms);
        *left = match stream.leasing() {
            Some(_) => self.leases.known(key, *left, now_ms),
            None => self.leases.known_already(key, *left),
        };
    }

    /// Adds to what a card payment's client has left what this worker has leased.
    pub(super) fn tell_card_with_leases(&mut self, id: StreamId, answer: &mut CardAnswer) {
        let CardAnswer::Paid { client_id, credits_remaining, .. } = answer else { return };
        let currency = self.streams.get(&id).and_then(|stream| stream.currency());
        if let Some(currency) = currency {
            let key = (*client_id, currency);
            *credits_remaining = self.leases.known_already(key, *credits_remaining);
        }
    }

    pub(super) fn lose(&mut self, host: &mut impl Host, units: i64) {
        if units > 0 {
            self.counted.add(Counter::LEASED_UNITS_LOST, u64::try_from(units).unwrap_or(0));
            self.log.warn(host, "what was paid from a lease came too late: its client has it");
        }
    }

    /// The ledger calls a client's leases back, and this request waits until they are.
    pub(super) fn await_leases(&mut self, id: StreamId, again: &Deduction) {
        let (now_ms, deduction) = (self.now_ms, again.id);
        self.leases.recall((again.client_id, again.currency), now_ms);
        self.hand_over();
        let new = AwaitingLeases { deduction, since_ms: now_ms, asked: false };
        let waiting = self.awaiting_leases.entry(id).or_insert(new);
        // Hosts use stream ids again.
        if waiting.deduction != deduction {
            *waiting = AwaitingLeases { deduction, since_ms: now_ms, asked: false };
        }
        waiting.asked = false;
    }

    /// Time has passed: what is idle or old is handed over, and requests that wait for leases ask again.
    pub(super) fn lease_pulse(&mut self, host: &mut impl Host) {
        let now_ms = self.now_ms;
        let wanted = self.leases.on_pulse(now_ms, &mut || mint(host, now_ms));
        wanted.into_iter().for_each(|lease| self.queue.own(lease));
        for deduction in core::mem::take(&mut self.converted_again) {
            self.queue.own(deduction);
        }
        self.hand_over();
        let patience = self.config.leases.ttl_ms.saturating_add(GRACE_MS);
        let mut waiting = core::mem::take(&mut self.awaiting_leases);
        waiting.retain(|id, of| self.ask_again(host, *id, of, patience));
        self.awaiting_leases = waiting;
    }

    /// Whether the request still waits.
    fn ask_again(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        of: &mut AwaitingLeases,
        patience: u64,
    ) -> bool {
        let now_ms = self.now_ms;
        let Some(again) =
            self.waiting(id, of.deduction).and_then(|stream| stream.deduction_again())
        else {
            return false;
        };
        if of.asked {
            return true;
        }
        of.asked = true;
        let client = again.client_id;
        let over = now_ms.saturating_sub(of.since_ms) >= patience;
        let queued = if over {
            self.log.warn(host, "leases of a client's credit did not come back");
            Queued::Full
        } else {
            self.queue.deduction(id, Source::ANY, now_ms, again, Traced::default())
        };
        if queued == Queued::Full {
            let outcome = Err(LedgerError::InvalidResponse);
            let outcome = Outcome { stream: id, deduction: of.deduction, client, outcome };
            self.due.push(Decision::Deduction(outcome));
            return false;
        }
        self.make_room(host, queued);
        true
    }

    /// No lease is taken any more, and those that are out are handed over.
    pub fn retire(&mut self, host: &mut impl Host) {
        self.now_ms = host.now_ms();
        self.leases.retire(self.now_ms);
        self.hand_over();
        if self.queue.may_leave() && !self.health.is_silent() {
            self.wake(host);
        }
    }
}
