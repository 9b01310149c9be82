//! A request whose price is known afterwards: what it used is read as its answer passes, and captured.

use std::rc::Rc;

use stripe402_protocol::message::{Capture, Void};

use super::{
    Origin, Phase, PricedRequest, ResponseHead, Stream,
    describe::of_sale,
    end::{BROKEN_OFF, is_of_the_api},
    head::Head,
};
use crate::{
    pricing::{Offer, Price},
    usage::{End, Meter, Request, Usage},
};

/// How a metered request ended.
#[derive(Clone, Debug)]
pub enum Metered {
    /// So much of what is held is captured.
    Captured {
        /// For the ledger.
        capture: Capture,
        /// What was used.
        usage: Usage,
        /// What was bought.
        offer: Rc<Offer>,
        /// What access logs are told anew.
        describe: Option<String>,
    },
    /// What is held is released.
    Voided(Void),
}

impl Stream {
    /// A meter for a request of an offer whose price is known afterwards.
    pub(super) fn meter_for(&mut self, offer: &Offer, head: &Head<'_>) {
        if let Price::Metered(price) = &offer.price {
            let request = Request { method: &head.method, content_encoding: None };
            let window = self.config.limits.by_window_bytes;
            self.meter = Some(Box::new(Meter::new(price, request, window)));
        }
    }

    /// The request is forwarded now. Answers whether its answer's body will be read: then it must not be
    /// compressed, nor a part of it.
    pub fn on_forwarded(&mut self, now_ms: u64) -> bool {
        let Phase::Served { priced, .. } = &self.phase else { return false };
        let Price::Metered(price) = &priced.offer.price else { return false };
        let reads_body = price.reads_body();
        if let Some(meter) = &mut self.meter {
            meter.on_forwarded(now_ms);
        }
        reads_body
    }

    /// Whether the request's price depends on what its meter counts.
    #[must_use]
    pub const fn is_metered(&self) -> bool {
        self.meter.is_some()
    }

    /// Whether the answer is being measured.
    #[must_use]
    pub const fn is_metering(&self) -> bool {
        matches!(self.phase, Phase::Metering { .. })
    }

    /// The head of the API's own answer.
    pub fn on_metered_head<'h>(&mut self, headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) {
        if let (Phase::Metering { by_api: true, .. }, Some(meter)) = (&self.phase, &mut self.meter)
        {
            meter.on_head(headers);
        }
    }

    /// A part of the answer's body.
    pub fn on_metered_body(&mut self, chunk: &[u8]) {
        if let (Phase::Metering { by_api: true, answered, .. }, Some(meter)) =
            (&mut self.phase, &mut self.meter)
        {
            *answered |= !chunk.is_empty();
            meter.on_body(chunk);
        }
    }

    /// The answer's trailers, which end it. A gRPC API that failed before it answered anything refunds
    /// the caller.
    pub fn on_metered_trailers<'h>(
        &mut self,
        trailers: &ResponseHead,
        raw: impl Iterator<Item = (&'h [u8], &'h [u8])>,
        now_ms: u64,
    ) -> Option<Metered> {
        let Phase::Metering { priced, answered, deduction, client, .. } = &self.phase else {
            return None;
        };
        if !answered && priced.offer.void_on.grpc_failure && trailers.grpc_failed() {
            let void = Void { id: *deduction, client_id: Some(*client) };
            self.phase = Phase::Settled;
            return Some(Metered::Voided(void));
        }
        if let Some(meter) = &mut self.meter {
            meter.on_trailers(raw);
        }
        self.on_metered_end(End::Done, now_ms)
    }

    /// The answer is over.
    pub fn on_metered_end(&mut self, end: End, now_ms: u64) -> Option<Metered> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let Phase::Metering { priced, deduction, client, .. } = phase else {
            self.phase = phase;
            return None;
        };
        let usage = self.meter.take()?.finish(end, now_ms);
        let describe = self.config.access_log.then(|| {
            let sale = of_sale("captured", &priced, deduction, client);
            format!("{sale} captured={}", usage.captured)
        });
        let capture = Capture { id: deduction, client_id: client, amount: usage.captured };
        let PricedRequest { offer, .. } = priced;
        Some(Metered::Captured { capture, usage, offer, describe })
    }

    /// The stream is over before its answer was: the API broke it off, or the client left.
    pub fn on_metered_break(&mut self, origin: &Origin, now_ms: u64) -> Option<Metered> {
        let Phase::Metering { priced, deduction, client, .. } = &self.phase else { return None };
        let details = origin.details.as_deref().unwrap_or_default();
        let broken_off = details.starts_with(BROKEN_OFF);
        if broken_off && priced.offer.void_on.upstream_reset
            || !broken_off && priced.offer.void_on.client_gone
        {
            let void = Void { id: *deduction, client_id: Some(*client) };
            self.phase = Phase::Settled;
            return Some(Metered::Voided(void));
        }
        let of_the_api = broken_off || is_of_the_api(details);
        self.on_metered_end(if of_the_api { End::ApiReset } else { End::ClientGone }, now_ms)
    }
}
