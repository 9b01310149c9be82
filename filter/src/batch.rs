//! What travels to the ledger together: a pure queue of charges and voids.
//!
//! A lone charge leaves at once. What arrives while a batch is under way waits, and leaves together
//! when that comes back: the busier a worker is, the more share the cost of a call. A second call
//! goes out only if a full batch waits, or if the first takes long.

use std::collections::VecDeque;

use stripe402_protocol::{
    ChargeId,
    message::{self, Batch, BatchAnswer, Charge, ChargeOutcome, Void},
};

use crate::{config::Limits, gate::Trouble, host::StreamId};

/// Calls that may be under way at once.
const MOST_IN_FLIGHT: usize = 2;

/// Charges and voids that wait, and how many batches are under way.
#[derive(Debug)]
pub struct Queue {
    charges: VecDeque<(StreamId, Charge, Traced)>,
    voids: VecDeque<Void>,
    in_flight: usize,
    patience: Patience,
    limits: Limits,
    lost_voids: u64,
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

/// A batch under way: whose charges it carries, to be matched with the answer.
#[derive(Debug)]
pub struct Sent {
    streams: Vec<(StreamId, ChargeId, stripe402_protocol::ClientId)>,
    voids: Vec<Void>,
    traced: Traced,
}

impl Sent {
    /// The names of the first request in it.
    #[must_use]
    pub const fn traced(&self) -> &Traced {
        &self.traced
    }

    /// How many requests wait for it.
    #[must_use]
    pub fn charges(&self) -> usize {
        self.streams.len()
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
    pub client: stripe402_protocol::ClientId,
    /// The ledger's word.
    pub outcome: Result<ChargeOutcome, Trouble>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (charges, voids) = (VecDeque::new(), VecDeque::new());
        Self { charges, voids, in_flight: 0, patience: Patience::Fresh, limits, lost_voids: 0 }
    }

    /// Queues a charge; `false` if the queue is full.
    #[must_use]
    pub fn charge(&mut self, stream: StreamId, charge: Charge, traced: Traced) -> bool {
        let room = self.charges.len() < self.limits.queue;
        if room {
            self.charges.push_back((stream, charge, traced));
        }
        room
    }

    /// Queues a void. If too many wait, the oldest is lost: it is the likeliest to be stale.
    pub fn void(&mut self, void: Void) {
        if self.voids.len() >= self.limits.void_queue {
            self.voids.pop_front();
            self.lost_voids = self.lost_voids.saturating_add(1);
        }
        self.voids.push_back(void);
    }

    /// How many voids were lost since this was last asked.
    pub fn take_lost_voids(&mut self) -> u64 {
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
        let before = self.charges.len();
        self.charges.retain(|(waiting, ..)| *waiting != stream);
        self.charges.len() < before
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
        if !self.may_leave() {
            return None;
        }
        let most = self.limits.batch.max(2);
        let charges = self.charges.len().min(most);
        let for_voids = most.saturating_sub(charges.min(most.div_ceil(2)));
        let voids: Vec<Void> = self.voids.drain(..self.voids.len().min(for_voids)).collect();
        let room = most.saturating_sub(voids.len());
        let mut traced = Traced::default();
        let (streams, charges) = self
            .charges
            .drain(..self.charges.len().min(room))
            .map(|(stream, charge, names)| {
                if traced.request_id.is_none() {
                    traced = names;
                }
                ((stream, charge.id, charge.client_id), charge)
            })
            .unzip();
        self.in_flight = self.in_flight.saturating_add(1);
        let sent = Sent { streams, voids: voids.clone(), traced };
        Some((Batch { version: message::VERSION, charges, voids }, sent))
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
        let known = answer.is_ok();
        let outcomes: Vec<_> = match answer {
            Ok(answer) => answer.charges.into_iter().map(|(_, outcome)| Ok(outcome)).collect(),
            Err(trouble) => vec![Err(trouble); sent.streams.len()],
        };
        if !known {
            for void in sent.voids.into_iter().rev() {
                self.voids.push_front(void);
            }
            for (_, id, client) in &sent.streams {
                self.void(Void { id: *id, client_id: Some(*client) });
            }
        }
        sent.streams
            .into_iter()
            .zip(outcomes)
            .map(|((stream, charge, client), outcome)| Outcome { stream, charge, client, outcome })
            .collect()
    }
}

fn echoes(sent: &Sent, answer: &BatchAnswer) -> bool {
    let asked = sent.streams.iter().map(|(_, charge, _)| charge);
    let voided = sent.voids.iter().map(|void| &void.id);
    asked.eq(answer.charges.iter().map(|(id, _)| id))
        && voided.eq(answer.voids.iter().map(|(id, _)| id))
}

#[cfg(test)]
mod tests {
    use stripe402_protocol::{ClientId, Currency, Units, message::VoidOutcome};

    use super::*;

    fn id(number: u8) -> ChargeId {
        ChargeId::mint(u64::from(number), [number; 10])
    }

    fn client() -> ClientId {
        ClientId::derive(b"secret", "a")
    }

    fn charge(number: u8) -> Charge {
        Charge {
            id: id(number),
            client_id: client(),
            currency: Currency::USD,
            amount: Units::from_u32(1),
            route: String::new(),
        }
    }

    fn void(number: u8) -> Void {
        Void { id: id(number), client_id: Some(client()) }
    }

    fn queue(batch: usize, waiting: usize) -> Queue {
        Queue::new(Limits { batch, queue: waiting, void_queue: waiting, ..Limits::default() })
    }

    fn ids(batch: &Batch) -> (Vec<ChargeId>, Vec<ChargeId>) {
        let charges = batch.charges.iter().map(|charge| charge.id).collect();
        (charges, batch.voids.iter().map(|void| void.id).collect())
    }

    fn answer(batch: &Batch) -> BatchAnswer {
        BatchAnswer {
            charges: batch
                .charges
                .iter()
                .map(|charge| (charge.id, ChargeOutcome::Charged(Units::ZERO)))
                .collect(),
            voids: batch.voids.iter().map(|void| (void.id, VoidOutcome::Voided)).collect(),
        }
    }

    #[test]
    fn a_lone_charge_leaves_at_once_and_later_ones_leave_together() {
        let mut queue = queue(10, 10);
        assert!(queue.charge(1, charge(1), Traced::default()));
        let (first, sent) = queue.next_batch().unwrap();
        assert!(
            queue.charge(2, charge(2), Traced::default())
                && queue.charge(3, charge(3), Traced::default())
        );
        assert!(queue.next_batch().is_none(), "one is under way");
        let outcomes = queue.answered(sent, Ok(answer(&first)));
        assert_eq!(outcomes[0].outcome, Ok(ChargeOutcome::Charged(Units::ZERO)));
        assert_eq!(ids(&queue.next_batch().unwrap().0), (vec![id(2), id(3)], vec![]));
    }

    #[test]
    fn a_full_batch_waits_for_nobody_but_two() {
        let mut queue = queue(2, 10);
        assert!(queue.charge(1, charge(1), Traced::default()));
        assert!(queue.next_batch().is_some());
        assert!(queue.charge(2, charge(2), Traced::default()));
        assert!(!queue.may_leave());
        assert!(queue.charge(3, charge(3), Traced::default()));
        assert_eq!(ids(&queue.next_batch().unwrap().0), (vec![id(2), id(3)], vec![]));
        for number in 4..8 {
            assert!(queue.charge(number.into(), charge(number), Traced::default()));
        }
        assert!(!queue.may_leave(), "two are under way");
    }

    #[test]
    fn a_batch_that_takes_long_holds_nobody_back() {
        let mut queue = queue(10, 10);
        assert!(queue.charge(1, charge(1), Traced::default()));
        let (first, sent) = queue.next_batch().unwrap();
        assert!(queue.charge(2, charge(2), Traced::default()));
        queue.on_pulse();
        assert!(!queue.may_leave(), "it may have left just now");
        queue.on_pulse();
        let (second, _) = queue.next_batch().unwrap();
        assert_eq!(ids(&second), (vec![id(2)], vec![]));
        assert!(queue.charge(3, charge(3), Traced::default()));
        assert!(!queue.may_leave(), "two are under way");
        queue.answered(sent, Ok(answer(&first)));
        assert!(!queue.may_leave(), "patience begins anew");
    }

    #[test]
    fn a_full_queue_takes_no_more() {
        let mut queue = queue(10, 1);
        assert!(queue.charge(1, charge(1), Traced::default()));
        assert!(!queue.charge(2, charge(2), Traced::default()));
        queue.void(void(3));
        queue.void(void(4));
        assert_eq!(queue.take_lost_voids(), 1);
        assert_eq!(ids(&queue.next_batch().unwrap().0), (vec![id(1)], vec![id(4)]));
    }

    #[test]
    fn neither_voids_nor_charges_starve() {
        let mut queue = queue(4, 100);
        for number in 0..10 {
            assert!(queue.charge(u32::from(number), charge(number), Traced::default()));
            queue.void(void(100 + number));
        }
        let (charges, voids) = ids(&queue.next_batch().unwrap().0);
        assert_eq!((charges.len(), voids.len()), (2, 2));
    }

    #[test]
    fn an_unusable_answer_voids_every_charge_and_keeps_every_void() {
        for wrong in ["none", "shorter", "swapped"] {
            let mut queue = queue(10, 10);
            queue.void(void(9));
            assert!(
                queue.charge(1, charge(1), Traced::default())
                    && queue.charge(2, charge(2), Traced::default())
            );
            let (batch, sent) = queue.next_batch().unwrap();
            let mut reply = answer(&batch);
            match wrong {
                "shorter" => drop(reply.charges.pop()),
                "swapped" => reply.charges.swap(0, 1),
                _ => {}
            }
            let trouble = if wrong == "none" { Trouble::Silent } else { Trouble::Useless };
            let reply = if wrong == "none" { Err(trouble) } else { Ok(reply) };
            let outcomes = queue.answered(sent, reply);
            assert!(outcomes.iter().all(|outcome| outcome.outcome == Err(trouble)), "{wrong}");
            let voids = ids(&queue.next_batch().unwrap().0).1;
            assert_eq!(voids, [id(9), id(1), id(2)], "{wrong}");
        }
    }

    #[test]
    fn a_stream_that_ends_while_waiting_costs_nothing() {
        let mut queue = queue(10, 10);
        assert!(queue.charge(1, charge(1), Traced::default()));
        assert!(queue.withdraw(1));
        assert!(queue.next_batch().is_none());
        assert!(!queue.withdraw(1));
    }
}
