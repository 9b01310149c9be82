//! Decisions that were made outside of their streams, and are carried out a few at a time.
//!
//! The proxy-wasm host keeps the replies and resumptions of one VM call until it returns, and then
//! carries them out nested in one another: each is a level of the VM's stack, of which there are
//! some 300.

use std::collections::VecDeque;

use stripe402_protocol::{
    DeductionId,
    message::{CardAnswer, DeductionOutcome, Void},
};

use super::{Worker, mint};
use crate::{
    gate::{BodyStep, LedgerError, QuestionAnswer, Step, Trace},
    host::{Host, StreamId},
    queue::Outcome,
};

/// Replies and resumptions in one VM call.
pub const MOST_DECISIONS: usize = 64;

/// What is due, and how much of it may still be carried out in this VM call.
#[derive(Debug, Default)]
pub(super) struct Due {
    waiting: VecDeque<Decision>,
    left: usize,
}

/// What the ledger said of a stream that waits, or that it said nothing.
#[derive(Debug)]
pub(super) enum Decision {
    Deduction(Outcome),
    Card {
        stream: StreamId,
        deduction: DeductionId,
        answer: Result<CardAnswer, LedgerError>,
    },
    Question {
        stream: StreamId,
        question: DeductionId,
        answer: Result<QuestionAnswer, LedgerError>,
    },
    /// A body that was waited for did not come.
    LateBody {
        stream: StreamId,
        since_ms: u64,
    },
}

impl Due {
    /// A VM call begins.
    pub(super) const fn begin(&mut self) {
        self.left = MOST_DECISIONS;
    }

    pub(super) fn push(&mut self, decision: Decision) {
        self.waiting.push_back(decision);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Nobody is served for what another VM is voiding.
    pub(super) fn distrust(&mut self) {
        for decision in &mut self.waiting {
            match decision {
                Decision::Deduction(Outcome { outcome, .. }) => {
                    *outcome = Err(LedgerError::InvalidResponse)
                }
                Decision::Card { answer, .. } => *answer = Err(LedgerError::InvalidResponse),
                Decision::Question { .. } | Decision::LateBody { .. } => {}
            }
        }
    }

    fn next(&mut self) -> Option<Decision> {
        self.left = self.left.checked_sub(1)?;
        self.waiting.pop_front()
    }
}

impl Worker {
    /// Carries out what is due, as much as one VM call may; the rest after a wake.
    pub(super) fn decide(&mut self, host: &mut impl Host) {
        while let Some(decision) = self.due.next() {
            match decision {
                Decision::Deduction(outcome) => self.decide_charge(host, outcome),
                Decision::Card { stream, deduction, answer } => {
                    self.decide_card(host, stream, deduction, answer);
                }
                Decision::LateBody { stream, since_ms } => self.late_body(host, stream, since_ms),
                Decision::Question { stream, question, answer } => {
                    let waiting = self.waiting(stream, question);
                    if let Some(step) = waiting.and_then(|stream| stream.on_question(answer)) {
                        self.apply_step(host, stream, step, Trace::default(), true);
                    }
                }
            }
        }
        if !self.due.is_empty() {
            self.wake(host);
        }
    }

    fn decide_charge(&mut self, host: &mut impl Host, outcome: Outcome) {
        let Outcome { stream: id, deduction, client, outcome } = outcome;
        let now_ms = self.now_ms;
        if self.ahead.remove(&deduction) {
            return self.journal.settled(host, [deduction]);
        }
        let waiting = self.waiting(id, deduction);
        let again = waiting.as_ref().and_then(|stream| stream.deduction_again());
        if let Some(again) = again.filter(|_| outcome == Ok(DeductionOutcome::Leased)) {
            return self.await_leases(id, &again);
        }
        let waiting = self.waiting(id, deduction);
        if waiting.as_ref().is_some_and(|stream| stream.is_metering()) {
            return self.extended(host, id, deduction, outcome);
        }
        match waiting.and_then(|stream| stream.on_deduction(outcome, &mut || mint(host, now_ms))) {
            Some(step) => {
                self.apply_unless_refused(host, id, step);
            }
            // Deducted for a stream that is gone. An unusable answer has been voided with its
            // whole batch; what was not deducted needs no void.
            None if stripe402_mutant::mutant!("gone_is_gone") => {}
            None if outcome.is_ok_and(|word| word.deducted().is_some()) => {
                self.void(host, Void { id: deduction, client_id: Some(client) });
            }
            None => {}
        }
    }

    /// A host may have shown a body by now that no unit prices are for.
    fn apply_unless_refused(&mut self, host: &mut impl Host, id: StreamId, step: Step) {
        let stream = self.streams.get_mut(&id);
        let seen = stream.map(|stream| stream.on_request_body(b"", false, &mut || None));
        let step = match seen {
            Some(BodyStep::Refuse(refusal, void)) => {
                self.void(host, void);
                *refusal
            }
            _ => step,
        };
        self.apply_step(host, id, step, Trace::default(), true);
    }

    fn decide_card(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        deduction: DeductionId,
        answer: Result<CardAnswer, LedgerError>,
    ) {
        let client_id = match &answer {
            Ok(CardAnswer::Paid { client_id, .. }) => Some(*client_id),
            _ => None,
        };
        match self.waiting(id, deduction).and_then(|stream| stream.on_card(answer)) {
            Some(step) => {
                self.apply_unless_refused(host, id, step);
            }
            // Paid for a stream that is gone.
            None if client_id.is_some() => self.void(host, Void { id: deduction, client_id }),
            None => {}
        }
    }
}
