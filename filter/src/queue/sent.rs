//! What is under way to the ledger, and what came of it.

use stripe402_protocol::{
    ClientId, DeductionId,
    message::{BatchAnswer, Capture, Deduction, DeductionOutcome, Void},
};

use crate::{gate::LedgerError, host::StreamId, lease::Handed};

/// By which names a request that waits is found again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// `x-request-id`.
    pub request_id: Option<Box<str>>,
    /// `traceparent`.
    pub parent: Option<Box<str>>,
}

/// A batch under way: whose deductions it carries, to be matched with the answer.
#[derive(Debug)]
pub struct Sent {
    pub(super) deductions: Vec<SentDeduction>,
    pub(super) voids: Vec<Void>,
    pub(super) captures: Vec<Capture>,
    /// Captures of leases, after the others, with the requests that leave them: the first of the deductions.
    pub(super) handed: Vec<Handed>,
    /// Requests that have left a lease before, and are asked for again: the next of the deductions.
    pub(super) again: Vec<Deduction>,
    /// Leases: the last of them.
    pub(super) asked: Vec<Deduction>,
    pub(super) traced: Traced,
}

/// A deduction under way, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentDeduction {
    pub(super) stream: StreamId,
    pub(super) id: DeductionId,
    pub(super) client: ClientId,
    /// Since when its request waits, in Unix milliseconds; `None` once it waits no longer.
    pub(super) since_ms: Option<u64>,
}

impl Sent {
    /// The names of the first request in it.
    #[must_use]
    pub const fn traced(&self) -> &Traced {
        &self.traced
    }

    /// The deductions in it.
    pub fn deductions(&self) -> impl ExactSizeIterator<Item = (DeductionId, ClientId)> {
        self.deductions.iter().map(|deduction| (deduction.id, deduction.client))
    }

    /// Those that a stream waits for.
    pub(super) fn requests(&self) -> impl Iterator<Item = &SentDeduction> {
        let count = self.deductions.len().saturating_sub(self.asked.len());
        self.deductions.iter().take(count).skip(self.of_leases())
    }

    /// How many of the deductions are of requests that leave leases: the first.
    pub(super) fn of_leases(&self) -> usize {
        let handed = self.handed.iter().map(|handed| handed.deductions.len());
        handed.fold(self.again.len(), usize::saturating_add)
    }

    /// Whether an answer is about what was sent.
    pub(super) fn is_echoed_by(&self, answer: &BatchAnswer) -> bool {
        let asked = self.deductions.iter().map(|deduction| &deduction.id);
        let voided = self.voids.iter().map(|void| &void.id);
        let handed = self.handed.iter().map(|handed| &handed.capture);
        let captured = self.captures.iter().chain(handed).map(|capture| &capture.id);
        asked.eq(answer.deductions.iter().map(|(id, _)| id))
            && voided.eq(answer.voids.iter().map(|(id, _)| id))
            && captured.eq(answer.captures.iter().map(|(id, _)| id))
    }

    /// Gives up on deductions whose requests wait since then or longer. The batch goes on: what its
    /// answer says of them is still heard.
    pub fn overdue(&mut self, since_ms: u64, trouble: LedgerError) -> Vec<Outcome> {
        let overdue = |since: &mut u64| *since <= since_ms;
        let late = self.deductions.iter_mut().filter_map(|deduction| {
            let gone = deduction.since_ms.take_if(overdue).is_some();
            gone.then_some(deduction.unanswered(trouble))
        });
        late.collect()
    }
}

impl SentDeduction {
    /// No request waits for it: its id says what it is.
    pub(super) const fn of_worker(own: &Deduction) -> Self {
        Self { stream: 0, id: own.id, client: own.client_id, since_ms: None }
    }

    pub(super) const fn unanswered(&self, trouble: LedgerError) -> Outcome {
        let Self { stream, id, client, .. } = *self;
        Outcome { stream, deduction: id, client, outcome: Err(trouble) }
    }
}

/// What the answer to a batch says of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The stream that waited.
    pub stream: StreamId,
    /// For this deduction.
    pub deduction: DeductionId,
    /// Whose balance it names.
    pub client: ClientId,
    /// The ledger's word.
    pub outcome: Result<DeductionOutcome, LedgerError>,
}
