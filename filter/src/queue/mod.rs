//! What travels to the ledger together: a pure queue of charges and voids.
//!
//! A lone charge leaves at once. What arrives while a batch is under way waits, and leaves together
//! when that comes back: the busier a worker is, the more share the cost of a call. A second call
//! goes out only if a full batch waits, or if the first takes long.

mod fair;

use std::collections::VecDeque;

use stripe402_protocol::{
    ChargeId, ClientId,
    message::{self, Batch, BatchAnswer, Charge, ChargeOutcome, Void},
};

use self::fair::{Admission, Fair};
use crate::{config::Limits, gate::Trouble, host::StreamId, source::Source};

/// Calls that may be under way at once.
const MOST_IN_FLIGHT: usize = 2;

/// Charges and voids that wait, and how many batches are under way.
#[derive(Debug)]
pub struct Queue {
    charges: Fair<(Charge, Traced)>,
    voids: VecDeque<Void>,
    in_flight: usize,
    patience: Patience,
    limits: Limits,
    lost_voids: Vec<Void>,
}

/// Whether what waits goes on waiting for the batch under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// The batch left, or came back, since the last pulse.
    Fresh,
    /// It was under way at the last pulse.
    Waning,
    /// It was under way at the last two: it takes long, and holds nobody back any more.
    Lost,
}

/// By which names a request that waits is found again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// `x-request-id`.
    pub request_id: Option<Box<str>>,
    /// `traceparent`.
    pub parent: Option<Box<str>>,
}

/// Whether a charge waits now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It waits.
    Waits,
    /// It waits, and another source's charge, of this stream, waits no longer.
    Instead(StreamId, ChargeId, ClientId),
    /// There is no place for it.
    Full,
}

/// A batch under way: whose charges it carries, to be matched with the answer.
#[derive(Debug)]
pub struct Sent {
    charges: Vec<SentCharge>,
    voids: Vec<Void>,
    traced: Traced,
}

/// A charge under way, and whose it is.
#[derive(Clone, Copy, Debug)]
struct SentCharge {
    stream: StreamId,
    id: ChargeId,
    client: ClientId,
    /// Since when its request waits, in Unix milliseconds; `None` once it waits no longer.
    since_ms: Option<u64>,
}

impl Sent {
    /// The names of the first request in it.
    #[must_use]
    pub const fn traced(&self) -> &Traced {
        &self.traced
    }

    /// The charges in it.
    pub fn charges(&self) -> impl ExactSizeIterator<Item = (ChargeId, ClientId)> {
        self.charges.iter().map(|charge| (charge.id, charge.client))
    }

    /// Gives up on charges whose requests wait since then or longer. The batch goes on: what its
    /// answer says of them is still heard.
    pub fn overdue(&mut self, since_ms: u64, trouble: Trouble) -> Vec<Outcome> {
        let overdue = |since: &mut u64| *since <= since_ms;
        let late = self.charges.iter_mut().filter_map(|charge| {
            let gone = charge.since_ms.take_if(overdue).is_some();
            gone.then_some(charge.unanswered(trouble))
        });
        late.collect()
    }
}

impl SentCharge {
    const fn unanswered(&self, trouble: Trouble) -> Outcome {
        let Self { stream, id, client, .. } = *self;
        Outcome { stream, charge: id, client, outcome: Err(trouble) }
    }
}

/// What the answer to a batch says of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The stream that waited.
    pub stream: StreamId,
    /// For this charge.
    pub charge: ChargeId,
    /// Whose balance it names.
    pub client: ClientId,
    /// The ledger's word.
    pub outcome: Result<ChargeOutcome, Trouble>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            charges: Fair::new(limits.queue, limits.source_shares),
            voids: VecDeque::new(),
            in_flight: 0,
            patience: Patience::Fresh,
            limits,
            lost_voids: Vec::new(),
        }
    }

    /// Whether so many wait that it matters where a charge comes from: more than half a batch.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        self.charges.len() >= self.limits.batch.div_ceil(2)
    }

    /// Queues a charge that came at `now_ms`.
    #[must_use]
    pub fn charge(
        &mut self,
        stream: StreamId,
        source: Source,
        now_ms: u64,
        charge: Charge,
        traced: Traced,
    ) -> Queued {
        match self.charges.push(stream, source, now_ms, (charge, traced)) {
            Admission::Waits => Queued::Waits,
            Admission::Instead(other, (charge, _)) => {
                Queued::Instead(other, charge.id, charge.client_id)
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

    /// The voids that were lost since this was last asked.
    pub fn take_lost_voids(&mut self) -> Vec<Void> {
        core::mem::take(&mut self.lost_voids)
    }

    /// Whether anything waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.charges.is_empty() && self.voids.is_empty()
    }

    /// Whether a request waits.
    #[must_use]
    pub fn has_charges(&self) -> bool {
        !self.charges.is_empty()
    }

    /// Forgets the charge of a stream that ended before it left; `true` if it was still here.
    pub fn withdraw(&mut self, stream: StreamId) -> bool {
        self.charges.remove(stream)
    }

    /// Takes out what waits since then or longer; none of it has left.
    pub fn overdue(&mut self, since_ms: u64, trouble: Trouble) -> Vec<Outcome> {
        let old = self.charges.older_than(since_ms).into_iter();
        old.map(|(stream, (charge, _))| Outcome {
            stream,
            charge: charge.id,
            client: charge.client_id,
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
                self.patience == Patience::Lost || self.charges.len() >= self.limits.batch
            }
            _ => false,
        };
        allowed && !self.is_empty()
    }

    /// Some time has passed; called at regular intervals.
    pub fn on_pulse(&mut self) {
        self.patience = match self.patience {
            _ if self.in_flight == 0 => Patience::Fresh,
            Patience::Fresh => Patience::Waning,
            Patience::Waning | Patience::Lost => Patience::Lost,
        };
    }

    /// The next batch, if there is something to send and a call to spare. Voids go first; both
    /// share the batch's size, charges having at least half of it.
    pub fn next_batch(&mut self) -> Option<(Batch, Sent)> {
        self.may_leave().then(|| self.batch())
    }

    /// A batch to see whether the ledger answers: voids, if any wait, and no request.
    pub fn probe(&mut self) -> (Batch, Sent) {
        self.batch()
    }

    fn batch(&mut self) -> (Batch, Sent) {
        let most = self.limits.batch;
        let charges = self.charges.len().min(most);
        let for_voids = most.saturating_sub(charges.min(most.div_ceil(2)));
        let voids: Vec<Void> = self.voids.drain(..self.voids.len().min(for_voids)).collect();
        let room = most.saturating_sub(voids.len());
        let mut traced = Traced::default();
        let waiting = core::iter::from_fn(|| self.charges.pop()).take(room);
        let (sent, charges) = waiting
            .map(|(stream, waiting)| {
                let (charge, names) = waiting.item;
                if traced.request_id.is_none() {
                    traced = names;
                }
                let (id, client) = (charge.id, charge.client_id);
                let since_ms = Some(waiting.since_ms);
                (SentCharge { stream, id, client, since_ms }, charge)
            })
            .unzip();
        self.in_flight = self.in_flight.saturating_add(1);
        let sent = Sent { charges: sent, voids: voids.clone(), traced };
        (Batch { version: message::VERSION, charges, voids }, sent)
    }

    /// A batch did not leave: nothing of it has happened, and its voids wait again.
    pub fn unsent(&mut self, sent: Sent, trouble: Trouble) -> Vec<Outcome> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.wait_again(sent.voids);
        sent.charges.iter().map(|charge| charge.unanswered(trouble)).collect()
    }

    fn wait_again(&mut self, voids: Vec<Void>) {
        for void in voids.into_iter().rev() {
            self.voids.push_front(void);
        }
    }

    /// A batch came back. An answer about other ids than were asked for is of no use. Without
    /// one, every charge of the batch may or may not have happened: all are voided, and its voids
    /// wait again.
    pub fn answered(&mut self, sent: Sent, answer: Result<BatchAnswer, Trouble>) -> Vec<Outcome> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.patience = Patience::Fresh;
        let answer = answer.and_then(|answer| {
            if echoes(&sent, &answer) { Ok(answer) } else { Err(Trouble::Useless) }
        });
        match answer {
            Ok(answer) => {
                let answers = sent.charges.iter().zip(answer.charges);
                answers
                    .map(|(charge, (_, outcome))| Outcome {
                        outcome: Ok(outcome),
                        ..charge.unanswered(Trouble::Useless)
                    })
                    .collect()
            }
            Err(trouble) => {
                self.wait_again(sent.voids);
                for SentCharge { id, client, .. } in &sent.charges {
                    self.void(Void { id: *id, client_id: Some(*client) });
                }
                sent.charges.iter().map(|charge| charge.unanswered(trouble)).collect()
            }
        }
    }
}

fn echoes(sent: &Sent, answer: &BatchAnswer) -> bool {
    let asked = sent.charges.iter().map(|charge| &charge.id);
    let voided = sent.voids.iter().map(|void| &void.id);
    asked.eq(answer.charges.iter().map(|(id, _)| id))
        && voided.eq(answer.voids.iter().map(|(id, _)| id))
}

#[cfg(test)]
mod tests;
