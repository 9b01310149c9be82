//! Requests whose price is known afterwards: their answers are measured, and what they used captured.

use stripe402_protocol::{
    DeductionId, PAYMENT_REQUIRED, PAYMENT_RESPONSE, Units, message::DeductionOutcome,
};

use super::{Verdict, Worker, mint, origin};
use crate::{
    gate::{
        BodyStep, Decided, Ended, Extending, LedgerError, Metered, RequestBodyUse, ResponseHead,
        Stream, Trace,
    },
    host::{Host, StreamId},
    pricing::Offer,
    queue::{Queued, Traced},
    source::Source,
    usage::{End, Usage},
};

/// Routes that are counted each by itself.
const MOST_ROUTES: usize = 1_000;
/// As what the others are counted.
const OTHER_ROUTES: &str = "other";

/// What a part of a response's body is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyUse {
    /// Nothing.
    #[default]
    Nothing,
    /// Only that there is one.
    Notice,
    /// Its bytes are counted and read.
    Measure,
    /// It is dropped: what is held is used up.
    Drop,
}

impl Worker {
    /// What the body of this stream's response is wanted for.
    #[must_use]
    pub fn body_use(&self, id: StreamId) -> BodyUse {
        match self.streams.get(&id) {
            Some(stream) if stream.is_metering() => BodyUse::Measure,
            Some(stream) if stream.is_ended() => BodyUse::Drop,
            Some(stream) if stream.wants_trailers() => BodyUse::Notice,
            _ => BodyUse::Nothing,
        }
    }

    /// What the body of this stream's request is wanted for.
    #[must_use]
    pub fn request_body_use(&self, id: StreamId) -> RequestBodyUse {
        self.streams.get(&id).map(Stream::request_body_use).unwrap_or_default()
    }

    /// The next piece of a request's body.
    pub fn on_request_body(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        chunk: &[u8],
        end: bool,
    ) -> Verdict {
        let Some(stream) = self.streams.get_mut(&id) else { return Verdict::Continue };
        self.shown |= stream.is_reading();
        let now_ms = self.now_ms;
        match stream.on_request_body(chunk, end, &mut || mint(host, now_ms)) {
            BodyStep::Pass => Verdict::Continue,
            BodyStep::Decided(decided) => {
                let Decided { step, request_id, parent } = *decided;
                let trace = Trace::kept(request_id.as_deref(), parent.as_deref());
                self.apply_step(host, id, step, trace, false)
            }
            BodyStep::Hold => Verdict::Hold,
            BodyStep::Refuse(step, void) => {
                self.void(host, void);
                self.apply_step(host, id, *step, Trace::default(), true)
            }
        }
    }

    /// The head of an answer that is measured, after [`Worker::on_response`]; `end` if it has no body.
    pub fn on_metered_head<'h>(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
        end: bool,
    ) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.on_metered_head(headers);
        if end {
            self.metered_done(host, id);
        } else if stream.may_extend() {
            self.extending.push(id);
        }
    }

    /// A part of the body of an answer that is measured. Answers what is sent in its place, if not the
    /// part itself.
    pub fn on_metered_body(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        chunk: &[u8],
        end: bool,
    ) -> Option<Vec<u8>> {
        let stream = self.streams.get_mut(&id)?;
        stream.on_metered_body(chunk);
        let last = self.progress(host, id);
        if end && last.is_none() {
            self.metered_done(host, id);
        }
        last
    }

    /// Asks for more where what is held will soon be used up, and ends the answer where it is. Answers what
    /// is sent last.
    fn progress(&mut self, host: &mut impl Host, id: StreamId) -> Option<Vec<u8>> {
        let now_ms = self.now_ms;
        let stream = self.streams.get_mut(&id)?;
        match stream.on_progress(now_ms, &mut || mint(host, now_ms)) {
            Extending::Nothing => None,
            Extending::Ask(deduction) => {
                let queued =
                    self.queue.deduction(id, Source::ANY, now_ms, deduction, Traced::default());
                if queued == Queued::Full {
                    stream.on_extension(Err(LedgerError::InvalidResponse), now_ms);
                } else {
                    self.make_room(host, queued);
                    self.wake(host);
                }
                None
            }
            Extending::End(ended) => {
                let Ended { metered, last } = *ended;
                self.settle(host, id, Some(metered));
                // The last event has left by then.
                self.closing.push(id);
                Some(last)
            }
        }
    }

    /// The ledger's word on more for a stream that goes on.
    pub(super) fn extended(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        deduction: DeductionId,
        outcome: Result<DeductionOutcome, LedgerError>,
    ) {
        let now_ms = self.now_ms;
        if let Some(stream) = self.waiting(id, deduction) {
            stream.on_extension(outcome, now_ms);
            self.progress(host, id);
        }
        // Should this VM end, the hold is settled at its end.
        self.journal.settled(host, [deduction]);
    }

    /// Time has passed: closes what has ended, and looks at streams that cost by the second.
    pub(super) fn progress_all(&mut self, host: &mut impl Host) {
        for id in core::mem::take(&mut self.closing) {
            if self.streams.get(&id).is_some_and(Stream::is_ended) {
                host.close(id);
            }
        }
        let mut extending = core::mem::take(&mut self.extending);
        extending.retain(|id| {
            self.progress(host, *id);
            self.streams.get(id).is_some_and(Stream::may_extend)
        });
        extending.append(&mut self.extending);
        self.extending = extending;
    }

    /// The trailers of an answer that is measured.
    pub fn on_metered_trailers<'h>(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        trailers: &ResponseHead<'_>,
        raw: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) {
        let now_ms = host.now_ms();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.on_metadata(|key| host.dynamic_metadata(id, key));
        let metered = stream.on_metered_trailers(trailers, raw, now_ms);
        // Whatever the API says under a name of the gate's.
        if trailers.forged {
            for name in [PAYMENT_RESPONSE, PAYMENT_REQUIRED] {
                host.remove_response_trailer(id, name);
            }
        }
        if let Some(Metered::Captured { receipt, .. } | Metered::Voided { receipt, .. }) = &metered
            && let Some(receipt) = receipt
        {
            host.set_response_trailer(id, PAYMENT_RESPONSE, receipt);
        }
        self.settle(host, id, metered);
    }

    fn metered_done(&mut self, host: &mut impl Host, id: StreamId) {
        let now_ms = host.now_ms();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.on_metadata(|key| host.dynamic_metadata(id, key));
        let metered = stream.on_metered_end(End::Done, now_ms);
        self.settle(host, id, metered);
    }

    pub(super) fn metered_break(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        stream: &mut Stream,
    ) {
        let (origin, now_ms) = (origin(host, id), host.now_ms());
        stream.on_metadata(|key| host.dynamic_metadata(id, key));
        let metered = stream.on_metered_break(&origin, now_ms);
        self.settle(host, id, metered);
    }

    /// Counts a request that is over.
    fn count_of_route(&mut self, offer: &Offer, held: Units, usage: &Usage) {
        let units = |units: i64| u64::try_from(units).unwrap_or(0);
        let found = [
            1,
            units(held.get()),
            units(usage.captured.get()),
            u64::from(!usage.known),
            u64::from(usage.wrong.is_some()),
        ];
        let name = if self.routes.len() < MOST_ROUTES || self.routes.contains_key(&offer.name) {
            offer.name.clone()
        } else {
            OTHER_ROUTES.to_owned()
        };
        let counts = self.routes.entry(name).or_default();
        for (count, by) in counts.iter_mut().zip(found) {
            *count = count.saturating_add(by);
        }
    }

    /// Hands over what was counted by route since the last time.
    pub(super) fn hand_over_routes(&mut self, host: &mut impl Host) {
        for (route, counts) in &mut self.routes {
            for (at, by) in
                core::mem::take(counts).into_iter().enumerate().filter(|(_, by)| *by > 0)
            {
                host.add_of_route(at, route, by);
            }
        }
    }

    /// Hands over what became of a hold. It leaves with the next batch, or at the next pulse: no call is
    /// started for it alone.
    fn settle(&mut self, host: &mut impl Host, id: StreamId, metered: Option<Metered>) {
        match metered {
            Some(Metered::Captured { captures, held, ahead, usage, offer, describe, .. }) => {
                self.ahead.extend(ahead);
                self.count_of_route(&offer, held, &usage);
                if let Some(wrong) = usage.wrong {
                    let text = format!("the usage of route {} is wrong: {wrong}", offer.name);
                    self.log.warn(host, &text);
                }
                if let Some(text) = describe {
                    host.describe(id, &text);
                }
                captures.into_iter().for_each(|capture| self.queue.capture(capture));
            }
            Some(Metered::Voided { voids, .. }) => {
                voids.into_iter().for_each(|void| self.queue.void(void));
            }
            None => {}
        }
    }
}
