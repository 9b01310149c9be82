//! A request whose price is known afterwards: what it used is read as its answer passes, and captured.

use std::rc::Rc;

use stripe402_protocol::{
    DeductionId, Receipt, Units,
    message::{Capture, Void},
};

use super::{
    AnsweredBy, Decided, Mint, Origin, Phase, PricedRequest, ResponseHead, Step, Stream,
    describe::of_sale,
    end::{BROKEN_OFF, is_of_the_api},
    extend::Extension,
    head::Head,
    reply::Reply,
};
use crate::{
    pricing::{Offer, Price},
    usage::{Choice, End, Meter, Request, Usage},
};

/// What a stream remembers whose price is known afterwards.
#[derive(Debug)]
pub(super) struct Metering {
    pub(super) meter: Meter,
    /// What the client was told at the head, once it was.
    pub(super) receipt: Option<Receipt>,
    takes_trailers: bool,
    pub(super) extension: Extension,
}

/// How a metered request ended.
#[derive(Clone, Debug)]
pub enum Metered {
    /// So much of what is held is captured.
    Captured {
        /// For the ledger, one for each hold.
        captures: Vec<Capture>,
        /// Units that were held.
        held: Units,
        /// The hold that the ledger has not answered for.
        ahead: Option<DeductionId>,
        /// What was used.
        usage: Usage,
        /// What was bought.
        offer: Rc<Offer>,
        /// What access logs are told anew.
        describe: Option<String>,
        /// `payment-response`, for a client that takes trailers.
        receipt: Option<String>,
    },
    /// What is held is released.
    Voided {
        /// For the ledger, one for each hold.
        voids: Vec<Void>,
        /// `payment-response`, for a client that takes trailers.
        receipt: Option<String>,
    },
}

/// What the body of a request is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestBodyUse {
    /// Nothing: it passes.
    Nothing,
    /// It waits until the request is paid for. Most hosts show no body before; one that does
    /// (`allow_on_headers_stop_iteration`) would take its passing for the request's.
    #[default]
    Wait,
    /// It waits as well, and is read meanwhile: nobody shows it again.
    WaitAndRead,
    /// It chooses the unit prices.
    Read,
    /// It says what the request costs, which waits for it.
    Decide,
}

/// What becomes of a piece of a request's body.
#[derive(Debug)]
pub enum BodyStep {
    /// It goes on, with all that was held back before it.
    Pass,
    /// It is held back.
    Hold,
    /// The request is answered here, and its hold released.
    Refuse(Box<Step>, Void),
    /// It was waited for, and all of it is here.
    Decided(Box<Decided>),
}

impl Stream {
    /// A meter for a request of an offer whose price is known afterwards.
    pub(super) fn meter_for(&mut self, offer: &Offer, head: &Head<'_>) {
        let Price::Metered(price) = &offer.price else { return };
        let request = Request { method: &head.method, encoded: head.encoded };
        let mut meter = Meter::new(price, request, self.config.limits.by_window_bytes);
        if head.ends {
            meter.on_request_body(b"", true);
        }
        let (receipt, takes_trailers) = (None, head.takes_trailers);
        let extension = Extension::default();
        self.metering = Some(Box::new(Metering { meter, receipt, takes_trailers, extension }));
    }

    /// Whether it is known at the head that the request has no unit prices: its body would choose them,
    /// and it has none.
    pub(super) fn has_no_unit_price(&self) -> bool {
        self.metering.as_ref().is_some_and(|metering| metering.meter.choice() == Choice::Refused)
    }

    /// The request is forwarded now. Answers whether its answer's body will be read: then it must not be
    /// compressed, nor a part of it.
    pub fn on_forwarded(&mut self, now_ms: u64) -> bool {
        let Phase::Served { priced, .. } = &self.phase else { return false };
        let Price::Metered(price) = &priced.offer.price else { return false };
        let reads_body = price.reads_body();
        if let Some(metering) = &mut self.metering {
            metering.meter.on_forwarded(now_ms);
        }
        reads_body
    }

    /// Whether the request's price depends on what its meter counts.
    #[must_use]
    pub const fn is_metered(&self) -> bool {
        self.metering.is_some()
    }

    /// Whether the answer is being measured.
    #[must_use]
    pub const fn is_metering(&self) -> bool {
        matches!(self.phase, Phase::Metering { .. })
    }

    /// Whether the answer was cut off, because what is held is used up.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Whether a hold of this stream is still to be settled.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.is_metering() || self.is_metered() && matches!(self.phase, Phase::Served { .. })
    }

    /// What the request's body is wanted for.
    #[must_use]
    pub fn request_body_use(&self) -> RequestBodyUse {
        let metering = self.metering.as_deref();
        let reads = metering.is_some_and(|metering| metering.meter.reads_request_body());
        match &self.phase {
            Phase::Reading(_) => RequestBodyUse::Decide,
            Phase::Deducting { .. } | Phase::Paying { .. } if reads => RequestBodyUse::WaitAndRead,
            Phase::New | Phase::Deducting { .. } | Phase::Paying { .. } => RequestBodyUse::Wait,
            Phase::Asking { .. } | Phase::Refused => RequestBodyUse::Wait,
            _ if reads => RequestBodyUse::Read,
            _ => RequestBodyUse::Nothing,
        }
    }

    /// The next piece of the request's body. Once the answer has begun nothing is refused: the API had
    /// no need of the body.
    pub fn on_request_body(&mut self, chunk: &[u8], end: bool, mint: Mint<'_>) -> BodyStep {
        if self.is_reading() {
            return self.on_message_piece(chunk, end, mint);
        }
        let Some(metering) = &mut self.metering else { return BodyStep::Pass };
        let choice = metering.meter.on_request_body(chunk, end);
        match (choice, &self.phase) {
            (Choice::Made, _) => BodyStep::Pass,
            (Choice::Waiting, Phase::Served { .. }) => BodyStep::Hold,
            (Choice::Refused, Phase::Served { deduction, client, .. }) => {
                let void = Void { id: *deduction, client_id: Some(*client) };
                BodyStep::Refuse(Box::new(self.refuse(Reply::no_unit_price())), void)
            }
            (Choice::Waiting | Choice::Refused, _) => BodyStep::Pass,
        }
    }

    /// The head of the API's own answer.
    pub fn on_metered_head<'h>(&mut self, headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) {
        if let (Phase::Metering { by: AnsweredBy::Api, .. }, Some(metering)) =
            (&self.phase, &mut self.metering)
        {
            metering.meter.on_head(headers);
        }
    }

    /// A part of the answer's body.
    pub fn on_metered_body(&mut self, chunk: &[u8]) {
        if let (Phase::Metering { by: AnsweredBy::Api, answered, .. }, Some(metering)) =
            (&mut self.phase, &mut self.metering)
        {
            *answered |= !chunk.is_empty();
            metering.meter.on_body(chunk);
        }
    }

    /// The answer's trailers, which end it. A gRPC API that failed before it answered anything refunds
    /// the caller.
    pub fn on_metered_trailers<'h>(
        &mut self,
        trailers: &ResponseHead<'_>,
        raw: impl Iterator<Item = (&'h [u8], &'h [u8])>,
        now_ms: u64,
    ) -> Option<Metered> {
        let Phase::Metering { priced, answered, .. } = &self.phase else { return None };
        if !answered && priced.offer.void_on.grpc_failure && trailers.grpc_failed() {
            return self.release();
        }
        if let Some(metering) = &mut self.metering {
            metering.meter.on_trailers(raw);
        }
        self.on_metered_end(End::Done, now_ms)
    }

    /// What filters of Envoy's say was used, by the name of what they wrote it down under.
    pub fn on_metadata(&mut self, found: impl FnMut(&str) -> Option<Vec<u8>>) {
        if let (Phase::Metering { by: AnsweredBy::Api, .. }, Some(metering)) =
            (&self.phase, &mut self.metering)
        {
            metering.meter.on_metadata(found);
        }
    }

    /// The answer is over.
    pub fn on_metered_end(&mut self, end: End, now_ms: u64) -> Option<Metered> {
        let end = match &self.phase {
            Phase::Metering { by: AnsweredBy::EnvoyForApi, .. } => End::ApiReset,
            Phase::Metering { by: AnsweredBy::EnvoyForClient, .. } => End::ClientGone,
            _ => end,
        };
        self.capture(|meter, held| meter.finish(end, now_ms, held))
    }

    /// Captures what a meter says in the end, of all that is held.
    pub(super) fn capture(
        &mut self,
        finish: impl FnOnce(Meter, Units) -> Usage,
    ) -> Option<Metered> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let (priced, deduction, client) = match phase {
            Phase::Metering { priced, deduction, client, .. } => (priced, deduction, client),
            Phase::Served { priced, deduction, client, .. } if self.metering.is_some() => {
                (priced, deduction, client)
            }
            phase => {
                self.phase = phase;
                return None;
            }
        };
        let Metering { meter, receipt, takes_trailers, mut extension } = *self.metering.take()?;
        let most = priced.offer.price();
        let (held, ahead) = extension.close(most);
        let usage = finish(meter, held);
        let describe = self.config.access_log.then(|| {
            let sale = of_sale("captured", &priced, deduction, client);
            format!("{sale} captured={}", usage.captured)
        });
        let capture = |(id, amount)| Capture { id, client_id: client, amount, count: 1 };
        let shares = extension.shares((deduction, most), usage.captured);
        let captures = shares.into_iter().map(capture).collect();
        let PricedRequest { offer, .. } = priced;
        let receipt = receipt.filter(|_| takes_trailers).and_then(|r| at_end(r, usage.captured));
        Some(Metered::Captured { captures, held, ahead, usage, offer, describe, receipt })
    }

    /// The stream is over before its answer was: the API broke it off, or the client left. Once a part of
    /// the answer's body has passed, the API may have broken off because the client would not read on: that
    /// is as good as leaving.
    pub fn on_metered_break(&mut self, origin: &Origin, now_ms: u64) -> Option<Metered> {
        let (void_on, begun, answered) = match &self.phase {
            Phase::Metering { priced, answered, .. } => (priced.offer.void_on, true, *answered),
            Phase::Served { priced, .. } if self.is_metered() => {
                (priced.offer.void_on, false, false)
            }
            _ => return None,
        };
        let details = origin.details.as_deref().unwrap_or_default();
        let of_the_api = begun && (details.starts_with(BROKEN_OFF) || is_of_the_api(details));
        let released = match (of_the_api, answered) {
            (true, true) => false,
            (true, false) => details.starts_with(BROKEN_OFF) && void_on.upstream_reset,
            (false, _) => void_on.client_gone || !begun && !origin.reached,
        };
        if released {
            return self.release();
        }
        let end = if of_the_api && !answered { End::ApiReset } else { End::ClientGone };
        self.on_metered_end(end, now_ms)
    }

    fn release(&mut self) -> Option<Metered> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let (Phase::Metering { deduction, client, .. } | Phase::Served { deduction, client, .. }) =
            phase
        else {
            self.phase = phase;
            return None;
        };
        let Metering { receipt, takes_trailers, extension, .. } = *self.metering.take()?;
        let void = |(id, _)| Void { id, client_id: Some(client) };
        let shares = extension.shares((deduction, Units::ZERO), Units::ZERO);
        let voids = shares.into_iter().map(void).collect();
        let receipt = receipt.filter(|_| takes_trailers).and_then(|r| at_end(r, Units::ZERO));
        Some(Metered::Voided { voids, receipt })
    }
}

/// The receipt after an answer: what the request cost, and what is left of what was left at its head.
fn at_end(receipt: Receipt, captured: Units) -> Option<String> {
    let Receipt { credits_remaining, hold: Some(mut hold), .. } = receipt else { return None };
    hold.captured = Some(captured);
    let released = hold.amount.checked_sub(captured)?;
    let credits_remaining = credits_remaining.checked_add(released)?;
    let receipt = Receipt { credits_remaining, hold: Some(hold), ..receipt };
    Some(stripe402_protocol::encode(&receipt))
}
