//! Requests whose price is known afterwards: their answers are measured, and what they used captured.

use stripe402_protocol::PAYMENT_RESPONSE;

use super::{Verdict, Worker, origin};
use crate::{
    gate::{BodyStep, Metered, RequestBodyUse, ResponseHead, Stream, Trace},
    host::{Host, StreamId},
    metrics::Counter,
    usage::End,
};

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
}

impl Worker {
    /// What the body of this stream's response is wanted for.
    #[must_use]
    pub fn body_use(&self, id: StreamId) -> BodyUse {
        match self.streams.get(&id) {
            Some(stream) if stream.is_metering() => BodyUse::Measure,
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
        match stream.on_request_body(chunk, end) {
            BodyStep::Pass => Verdict::Continue,
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
        }
    }

    /// A part of the body of an answer that is measured.
    pub fn on_metered_body(&mut self, host: &mut impl Host, id: StreamId, chunk: &[u8], end: bool) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.on_metered_body(chunk);
        if end {
            self.metered_done(host, id);
        }
    }

    /// The trailers of an answer that is measured.
    pub fn on_metered_trailers<'h>(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        trailers: &ResponseHead,
        raw: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) {
        let now_ms = host.now_ms();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.on_metadata(|key| host.dynamic_metadata(id, key));
        let metered = stream.on_metered_trailers(trailers, raw, now_ms);
        // Whatever the API says under a name of the gate's.
        if trailers.forged {
            host.remove_response_trailer(id, PAYMENT_RESPONSE);
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

    /// Hands over what became of a hold. It leaves with the next batch, or at the next pulse: no call is
    /// started for it alone.
    fn settle(&mut self, host: &mut impl Host, id: StreamId, metered: Option<Metered>) {
        match metered {
            Some(Metered::Captured { capture, usage, offer, describe, .. }) => {
                self.counted.count(Counter::CAPTURES);
                if !usage.known {
                    self.counted.count(Counter::USAGE_UNKNOWN);
                }
                if let Some(wrong) = usage.wrong {
                    self.counted.count(Counter::USAGE_WRONG);
                    let text = format!("the usage of route {} is wrong: {wrong}", offer.name);
                    self.log.warn(host, &text);
                }
                if let Some(text) = describe {
                    host.describe(id, &text);
                }
                self.queue.capture(capture);
            }
            Some(Metered::Voided { void, .. }) => self.queue.void(void),
            None => {}
        }
    }
}
