//! What the gate wants, carried out at the host and in the queue.

use stripe402_protocol::message::Deduction;

use super::{Verdict, WaitingCard, Worker, traced};
use crate::{
    gate::{LedgerError, Passed, Step, Trace},
    host::{Host, StreamId},
    metrics::Counter,
    queue::Queued,
    source::Source,
};

impl Worker {
    /// Does what a step says. `held` tells whether the host holds the request already.
    pub(super) fn apply_step(
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
            Step::Pass(passed) => {
                self.counted.count(match passed {
                    Passed::Free => Counter::FREE,
                    Passed::Paid(_) => Counter::PAID,
                    Passed::Unpaid => Counter::UNPAID,
                    Passed::Anonymous => Counter::ANONYMOUS,
                });
                let names = &self.config.identity;
                passed.tell(names, |name, value| host.set_request_header(id, name, value));
                self.forward_metered(host, id, passed);
                if held {
                    host.resume(id);
                }
                return Verdict::Continue;
            }
            Step::Reply(reply) => {
                self.counted.count(reply.counter);
                host.reply(id, &reply);
            }
            Step::Deduct(deduction) => return self.deduct(host, id, deduction, trace, held),
            Step::Pay(mut request) => {
                let address = host.source_address(id);
                let source = Source::of(address.as_deref().unwrap_or_default());
                request.source = address;
                if let Some(trouble) = self.no_place_for_card(host, source) {
                    let stream = self.streams.get_mut(&id);
                    let step = stream.and_then(|stream| stream.on_card(Err(trouble)));
                    return self.apply_if_any(host, id, step, trace, held);
                }
                let traced = traced(trace);
                self.cards.push_back(WaitingCard { stream: id, source, request, traced });
                self.wake(host);
            }
            Step::Count(most) => return self.count_anonymous(host, id, most, trace, held),
            Step::Ask(question) => return self.ask(host, id, question),
            Step::Read => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.read_from(self.now_ms);
                }
                self.reading.push_back((id, self.now_ms));
            }
        }
        Verdict::Hold
    }

    /// A price that is read from the answer's body needs all of it, as it is.
    fn forward_metered(&mut self, host: &mut impl Host, id: StreamId, passed: Passed) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let paid = matches!(passed, Passed::Paid(_));
        if paid && stream.is_metered() && stream.on_forwarded(host.now_ms()) {
            for name in ["accept-encoding", "range"] {
                host.remove_request_header(id, name);
            }
        }
    }

    /// Queues a deduction; where that cannot be, the request hears what the ledger's silence means.
    fn deduct(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        deduction: Deduction,
        trace: Trace<'_>,
        held: bool,
    ) -> Verdict {
        if let Some(outcome) = self.lease(host, id, &deduction) {
            let stream = self.streams.get_mut(&id);
            let step = stream.and_then(|stream| stream.on_deduction(Ok(outcome), &mut || None));
            return self.apply_if_any(host, id, step, trace, held);
        }
        let error = if self.health.is_silent() {
            LedgerError::Unreachable
        } else {
            let source = self.source(host, id);
            match self.queue.deduction(id, source, self.now_ms, deduction, traced(trace)) {
                Queued::Full => {
                    self.log.warn(host, "too many charges wait for the ledger");
                    LedgerError::InvalidResponse
                }
                queued => {
                    self.make_room(host, queued);
                    // What has to wait leaves when the batch under way comes back.
                    if self.queue.may_leave() {
                        self.wake(host);
                    }
                    return Verdict::Hold;
                }
            }
        };
        let stream = self.streams.get_mut(&id);
        let step = stream.and_then(|stream| stream.on_deduction(Err(error), &mut || None));
        self.apply_if_any(host, id, step, trace, held)
    }

    pub(super) fn apply_if_any(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        step: Option<Step>,
        trace: Trace<'_>,
        held: bool,
    ) -> Verdict {
        step.map_or(Verdict::Hold, |step| self.apply_step(host, id, step, trace, held))
    }
}
