//! What travels to the ledger together: a pure queue of deductions and voids.
//!
//! A lone deduction leaves at once. What arrives while a batch is under way waits, and leaves together
//! when that comes back: the busier a worker is, the more share the cost of a call. A second call
//! goes out only if a full batch waits, or if the first takes long.

mod fair;
mod sent;

use std::collections::VecDeque;

use stripe402_protocol::{
    ClientId, DeductionId,
    message::{self, Batch, BatchAnswer, Capture, Deduction, Void},
};

pub use self::sent::{Outcome, Sent, Traced};
use self::{
    fair::{Admission, Fair},
    sent::SentDeduction,
};
use crate::{config::SizeLimits, gate::LedgerError, host::StreamId, lease::Handed, source::Source};

/// Calls that may be under way at once.
const MOST_IN_FLIGHT: usize = 2;

/// Charges and voids that wait, and how many batches are under way.
#[derive(Debug)]
pub struct Queue {
    deductions: Fair<(Deduction, Traced)>,
    voids: VecDeque<Void>,
    captures: VecDeque<Capture>,
    /// Leases that are asked for, and requests that leases had paid for: no stream waits for these.
    own: VecDeque<Deduction>,
    /// Captures of leases, each with the requests that leave it.
    handed: VecDeque<Handed>,
    in_flight: usize,
    patience: Staleness,
    limits: SizeLimits,
    lost_voids: Vec<Void>,
    lost_captures: Vec<DeductionId>,
}

/// Whether what waits goes on waiting for the batch under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Staleness {
    /// The batch left, or came back, since the last pulse.
    Fresh,
    /// It was under way at the last pulse.
    Waning,
    /// It was under way at the last two: it takes long, and holds nobody back any more.
    Lost,
}

/// Whether a deduction waits now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It waits.
    Waits,
    /// It waits, and another source's deduction, of this stream, waits no longer.
    Instead(StreamId, DeductionId, ClientId),
    /// There is no place for it.
    Full,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: SizeLimits) -> Self {
        Self {
            deductions: Fair::new(limits.queue, limits.source_shares),
            voids: VecDeque::new(),
            captures: VecDeque::new(),
            own: VecDeque::new(),
            handed: VecDeque::new(),
            in_flight: 0,
            patience: Staleness::Fresh,
            limits,
            lost_voids: Vec::new(),
            lost_captures: Vec::new(),
        }
    }

    /// Whether so many wait that it matters where a deduction comes from: more than half a batch.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.deductions.len() >= self.limits.batch.div_ceil(2)
    }

    /// Queues a deduction that came at `now_ms`.
    #[must_use]
    pub fn deduction(
        &mut self,
        stream: StreamId,
        source: Source,
        now_ms: u64,
        deduction: Deduction,
        traced: Traced,
    ) -> Queued {
        match self.deductions.push(stream, source, now_ms, (deduction, traced)) {
            Admission::Waits => Queued::Waits,
            Admission::Instead(other, (deduction, _)) => {
                Queued::Instead(other, deduction.id, deduction.client_id)
            }
            Admission::Full => Queued::Full,
        }
    }

    /// Queues a void. If too many wait, the oldest is lost: it is the likeliest to be stale.
    pub fn void(&mut self, void: Void) {
        if self.voids.len() >= self.limits.void_queue {
            self.lost_voids.extend(self.voids.pop_front());
        }
        self.voids.push_back(void);
    }

    /// Queues a capture. If too many wait, the oldest is lost: its hold is settled at its end.
    pub fn capture(&mut self, capture: Capture) {
        if self.captures.len() >= self.limits.void_queue {
            self.lost_captures.extend(self.captures.pop_front().map(|lost| lost.id));
        }
        self.captures.push_back(capture);
    }

    /// Queues the capture of a lease, and the requests that leave it: in one message, and before all
    /// others, so that nobody takes what the capture sets free for them.
    pub fn handed(&mut self, handed: Handed) {
        if handed.deductions.is_empty() {
            return self.capture(handed.capture);
        }
        self.handed.push_back(handed);
    }

    /// Queues a deduction of the worker's own: a lease, or a request that a lease had paid for.
    pub fn own(&mut self, deduction: Deduction) {
        self.own.push_back(deduction);
    }

    /// The holds whose captures were lost since this was last asked.
    pub fn take_lost_captures(&mut self) -> Vec<DeductionId> {
        core::mem::take(&mut self.lost_captures)
    }

    /// Whether the end of a hold, or a deduction of the worker's own, waits.
    #[must_use]
    pub fn has_own(&self) -> bool {
        !self.captures.is_empty() || !self.own.is_empty() || !self.handed.is_empty()
    }

    /// The voids that were lost since this was last asked.
    pub fn take_lost_voids(&mut self) -> Vec<Void> {
        core::mem::take(&mut self.lost_voids)
    }

    /// Whether anything waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deductions.is_empty() && self.voids.is_empty() && !self.has_own()
    }

    /// Whether a request waits.
    #[must_use]
    pub fn has_charges(&self) -> bool {
        !self.deductions.is_empty()
    }

    /// Forgets the deduction of a stream that ended before it left; `true` if it was still here.
    pub fn withdraw(&mut self, stream: StreamId) -> bool {
        self.deductions.remove(stream)
    }

    /// Takes out what waits since then or longer; none of it has left.
    pub fn overdue(&mut self, since_ms: u64, trouble: LedgerError) -> Vec<Outcome> {
        let old = self.deductions.older_than(since_ms).into_iter();
        old.map(|(stream, (deduction, _))| Outcome {
            stream,
            deduction: deduction.id,
            client: deduction.client_id,
            outcome: Err(trouble),
        })
        .collect()
    }

    /// Whether something waits that may leave now.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        let allowed = match self.in_flight {
            0 => true,
            under_way if under_way < MOST_IN_FLIGHT => {
                self.patience == Staleness::Lost || self.deductions.len() >= self.limits.batch
            }
            _ => false,
        };
        allowed && !self.is_empty()
    }

    /// Some time has passed; called at regular intervals.
    pub fn on_pulse(&mut self) {
        self.patience = match self.patience {
            _ if self.in_flight == 0 => Staleness::Fresh,
            Staleness::Fresh => Staleness::Waning,
            Staleness::Waning | Staleness::Lost => Staleness::Lost,
        };
    }

    /// The next batch, if there is something to send and a call to spare. Voids and captures go first;
    /// all share the batch's size, deductions having at least half of it.
    pub fn next_batch(&mut self) -> Option<(Batch, Sent)> {
        self.may_leave().then(|| self.batch())
    }

    /// A batch to see whether the ledger answers: voids, if any wait, and no request.
    pub fn probe(&mut self) -> (Batch, Sent) {
        self.batch()
    }

    fn batch(&mut self) -> (Batch, Sent) {
        let most = self.limits.batch;
        let deductions = self.deductions.len().min(most);
        let for_voids = most.saturating_sub(deductions.min(most.div_ceil(2)));
        let voids: Vec<Void> = self.voids.drain(..self.voids.len().min(for_voids)).collect();
        let for_captures = for_voids.saturating_sub(voids.len()).min(self.captures.len());
        let captures: Vec<Capture> = self.captures.drain(..for_captures).collect();
        let room = most.saturating_sub(voids.len()).saturating_sub(captures.len());
        let for_own = self.own.len().min(room.div_ceil(2));
        let (asked, again): (Vec<Deduction>, Vec<Deduction>) =
            self.own.drain(..for_own).partition(|own| own.hold.is_some());
        let room = room.saturating_sub(for_own);
        // Whole, even if the message gets longer than others.
        let mut handed: Vec<Handed> = Vec::new();
        let mut converted: Vec<Deduction> = Vec::new();
        while converted.len() < most
            && let Some(next) = self.handed.pop_front()
        {
            converted.extend(next.deductions.iter().cloned());
            handed.push(next);
        }
        converted.extend(again.iter().cloned());
        let mut traced = Traced::default();
        let waiting = core::iter::from_fn(|| self.deductions.pop()).take(room);
        let (of_requests, requested): (Vec<_>, Vec<_>) = waiting
            .map(|(stream, waiting)| {
                let (deduction, names) = waiting.item;
                if traced.request_id.is_none() {
                    traced = names;
                }
                let (id, client) = (deduction.id, deduction.client_id);
                let since_ms = Some(waiting.since_ms);
                (SentDeduction { stream, id, client, since_ms }, deduction)
            })
            .unzip();
        let mut sent: Vec<_> = converted.iter().map(SentDeduction::of_worker).collect();
        sent.extend(of_requests);
        sent.extend(asked.iter().map(SentDeduction::of_worker));
        let mut deductions = converted;
        deductions.extend(requested);
        deductions.extend(asked.iter().cloned());
        self.in_flight = self.in_flight.saturating_add(1);
        let of_leases = handed.iter().map(|handed| handed.capture);
        let batch = Batch {
            version: message::VERSION,
            deductions,
            voids: voids.clone(),
            captures: captures.iter().cloned().chain(of_leases).collect(),
        };
        (batch, Sent { deductions: sent, voids, captures, handed, again, asked, traced })
    }

    /// A batch did not leave: nothing of it has happened, and its voids, and what is the worker's own,
    /// wait again.
    pub fn unsent(&mut self, sent: Sent, trouble: LedgerError) -> Vec<Outcome> {
        self.in_flight = self.in_flight.saturating_sub(1);
        let waiting = sent.requests().map(|deduction| deduction.unanswered(trouble)).collect();
        put_back(&mut self.own, sent.asked);
        self.wait_again(sent.voids, sent.captures, sent.handed, sent.again);
        waiting
    }

    /// What leaves a lease stays together: what its capture sets free is for these requests.
    fn wait_again(
        &mut self,
        voids: Vec<Void>,
        captures: Vec<Capture>,
        handed: Vec<Handed>,
        again: Vec<Deduction>,
    ) {
        put_back(&mut self.voids, voids);
        put_back(&mut self.captures, captures);
        put_back(&mut self.handed, handed);
        put_back(&mut self.own, again);
    }

    /// A batch came back. An answer about other ids than were asked for is of no use. Without
    /// one, every deduction of the batch may or may not have happened: all are voided, and its voids
    /// wait again.
    pub fn answered(
        &mut self,
        sent: Sent,
        answer: Result<BatchAnswer, LedgerError>,
    ) -> Vec<Outcome> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.patience = Staleness::Fresh;
        let answer = answer.and_then(|answer| {
            if sent.is_echoed_by(&answer) { Ok(answer) } else { Err(LedgerError::InvalidResponse) }
        });
        let of_leases = sent.of_leases();
        match answer {
            Ok(answer) => {
                let answers = sent.deductions.iter().zip(answer.deductions);
                answers
                    .map(|(deduction, (_, outcome))| Outcome {
                        outcome: Ok(outcome),
                        ..deduction.unanswered(LedgerError::InvalidResponse)
                    })
                    .collect()
            }
            Err(trouble) => {
                let Sent { deductions, voids, captures, handed, again, .. } = sent;
                // Served, or being served: asked for again under the same id until the ledger answers.
                self.wait_again(voids, captures, handed, again);
                let others = || deductions.iter().skip(of_leases);
                for SentDeduction { id, client, .. } in others() {
                    self.void(Void { id: *id, client_id: Some(*client) });
                }
                others().map(|deduction| deduction.unanswered(trouble)).collect()
            }
        }
    }
}

fn put_back<T>(queue: &mut VecDeque<T>, first: Vec<T>) {
    for one in first.into_iter().rev() {
        queue.push_front(one);
    }
}

#[cfg(test)]
mod tests;
