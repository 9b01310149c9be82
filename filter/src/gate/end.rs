//! The response's head, its trailers, and the end of the stream: does the deduction stand?

use std::borrow::Cow;

use stripe402_protocol::{
    ClientId, DeductionId, PAYMENT_REQUIRED, PAYMENT_RESPONSE, message::Void, mpp::PAYMENT_RECEIPT,
};

use super::{
    AnsweredBy, Audience, Phase, PricedRequest, ResponseStep, Stream,
    cache::{is_private, is_targeted, vary_by_payment},
    describe::of_sale,
    head::{is_grpc, text},
    x402::is_x402,
};
use crate::pricing::VoidOn;

/// The codes by which a gRPC API says that it failed, as it does with a 5xx elsewhere: UNKNOWN,
/// DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE. The others are about the request,
/// and stand. Source: gRPC, "Status codes and their use in gRPC".
const GRPC_FAILURES: [u8; 5] = [2, 4, 8, 13, 14];

/// Where a response comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Envoy's `response.code_details`.
    pub details: Option<String>,
    /// Whether the request was handed to a connection to the API.
    pub reached: bool,
}

/// What the gate needs of a response's headers, or of its trailers.
#[derive(Debug, Default)]
pub struct ResponseHead<'h> {
    /// `:status`.
    pub status: u16,
    /// `cache-control`.
    pub cache_control: Option<Cow<'h, str>>,
    /// `vary`.
    pub vary: Option<Cow<'h, str>>,
    /// Whether the API sent headers that are the gate's alone.
    pub forged: bool,
    /// Whether the API sent `payment-receipt`.
    pub receipt: bool,
    /// Whether one of these is not x402's.
    pub ours: bool,
    /// What shared caches obey before `cache-control`.
    pub targeted: Vec<&'h str>,
    /// Whether it is the answer of a gRPC API; what a client says of its request decides nothing.
    pub grpc: bool,
    /// `grpc-status`, if it is a number of one byte.
    pub grpc_status: Option<u8>,
}

impl<'h> ResponseHead<'h> {
    /// Reads the headers in one pass.
    pub fn read(headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            match name {
                b":status" => head.status = number(value).unwrap_or(0),
                b"cache-control" => join(&mut head.cache_control, text(value)),
                b"vary" => join(&mut head.vary, text(value)),
                b"content-type" => head.grpc = is_grpc(value),
                b"grpc-status" => head.grpc_status = number(value),
                b"payment-required" | b"payment-response" => {
                    head.forged = true;
                    head.ours |= !is_x402(value);
                }
                b"payment-receipt" => head.receipt = true,
                _ if is_targeted(name) => head.targeted.extend(core::str::from_utf8(name).ok()),
                _ => {}
            }
        }
        head
    }

    /// Whether a gRPC API says here that it failed.
    pub(super) fn grpc_failed(&self) -> bool {
        self.grpc_status.is_some_and(|status| GRPC_FAILURES.contains(&status))
    }
}

fn number<T: core::str::FromStr>(value: &[u8]) -> Option<T> {
    core::str::from_utf8(value).ok()?.parse().ok()
}

fn join<'h>(list: &mut Option<Cow<'h, str>>, value: Cow<'h, str>) {
    match list {
        None => *list = Some(value),
        Some(list) => {
            let list = list.to_mut();
            list.push_str(", ");
            list.push_str(&value);
        }
    }
}

impl Stream {
    /// The response's head. Whether the deduction stands is decided here, once, unless only a gRPC
    /// API's trailers can tell; `origin` is asked for only if it matters.
    pub fn on_response(
        &mut self,
        head: &ResponseHead<'_>,
        origin: impl FnOnce() -> Origin,
    ) -> ResponseStep {
        let mut step = ResponseStep::default();
        if !self.wants_response() {
            return step;
        }
        // A route that is free here may be sold by x402.
        if head.forged && (head.ours || !matches!(self.phase, Phase::Free)) {
            step.remove = vec![Cow::Borrowed(PAYMENT_REQUIRED), Cow::Borrowed(PAYMENT_RESPONSE)];
        }
        if head.receipt && self.speaks_mpp() {
            step.remove.push(Cow::Borrowed(PAYMENT_RECEIPT));
        }
        match core::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Served { receipt, priced, deduction, client } => {
                let by = match verdict(priced.offer.void_on, head, self.audience, origin) {
                    Some(by) => by,
                    None => {
                        return ResponseStep {
                            remove: step.remove,
                            ..self.give_back(&priced, deduction, client)
                        };
                    }
                };
                step.remove.retain(|name| name != PAYMENT_RESPONSE);
                step.set.reserve(3);
                step.set.push((PAYMENT_RESPONSE, receipt.into()));
                let receipt = self.take_mpp_receipt(head.status);
                step.set.extend(receipt.map(|receipt| (PAYMENT_RECEIPT, receipt.into())));
                if self.is_metered() {
                    self.phase = Phase::Metering { priced, deduction, client, by, answered: false };
                } else if head.grpc && head.grpc_status.is_none() {
                    self.phase = Phase::Streaming { priced, deduction, client };
                }
            }
            // Whoever comes after the ledger's trouble is over, or is not so lucky, has to pay.
            Phase::Unpaid => {}
            other => {
                self.phase = other;
                return step;
            }
        }
        if !is_private(head.cache_control.as_deref()) {
            step.set.push(("cache-control", "private".into()));
        }
        step.set.extend(
            vary_by_payment(head.vary.as_deref(), self.config.credential_header())
                .map(|vary| ("vary", vary)),
        );
        step.remove.extend(head.targeted.iter().map(|name| Cow::Owned((*name).to_owned())));
        step
    }

    /// Whether the trailers of the response can matter.
    #[must_use]
    pub const fn wants_trailers(&self) -> bool {
        matches!(self.phase, Phase::Streaming { .. })
    }

    /// A part of the response's body was sent. What a gRPC API has answered is paid for, whatever it
    /// says in the end: a client could have it fail on purpose, with the last of many messages.
    pub fn on_data(&mut self) {
        if self.wants_trailers() {
            self.phase = Phase::Settled;
        }
    }

    /// The response's trailers: what a gRPC API says of the whole call. The receipt has gone out
    /// with the head; that the deduction was given back is seen in the balance.
    pub fn on_trailers(&mut self, trailers: &ResponseHead<'_>) -> ResponseStep {
        match core::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Streaming { priced, deduction, client }
                if priced.offer.void_on.grpc_failure && trailers.grpc_failed() =>
            {
                self.give_back(&priced, deduction, client)
            }
            Phase::Streaming { .. } => ResponseStep::default(),
            other => {
                self.phase = other;
                ResponseStep::default()
            }
        }
    }

    fn give_back(
        &self,
        priced: &PricedRequest,
        deduction: DeductionId,
        client: ClientId,
    ) -> ResponseStep {
        ResponseStep {
            void: Some(Void { id: deduction, client_id: Some(client) }),
            describe: self.config.access_log.then(|| of_sale("voided", priced, deduction, client)),
            ..ResponseStep::default()
        }
    }

    /// The stream is over, whoever ended it. A deduction that the ledger has not answered for is not
    /// this function's business: its answer finds no stream, and is voided. A request that never
    /// reached the API costs nothing; one that did has made it work. A gRPC call without trailers
    /// is given back only if the API broke it off: a client can end, or starve, every stream.
    pub fn on_end(&mut self, origin: impl FnOnce() -> Origin) -> Option<Void> {
        let broken_off =
            |origin: Origin| origin.details.is_some_and(|details| details.starts_with(BROKEN_OFF));
        let (given_back, deduction, client) =
            match core::mem::replace(&mut self.phase, Phase::Settled) {
                Phase::Served { priced, deduction, client, .. } => {
                    (priced.offer.void_on.client_gone || !origin().reached, deduction, client)
                }
                Phase::Streaming { priced, deduction, client } => {
                    (priced.offer.void_on.upstream_reset && broken_off(origin()), deduction, client)
                }
                _ => return None,
            };
        given_back.then_some(Void { id: deduction, client_id: Some(client) })
    }
}

/// How Envoy begins what it says of an API that broke its answer off (`response.code_details`).
pub(super) const BROKEN_OFF: &str = "upstream_reset_after_response_started";

/// Whether Envoy ended a request for what the API did or did not do; time-outs of the whole stream
/// can be the client's doing. Source: Envoy, `envoy/stream_info/stream_info.h`,
/// `ResponseCodeDetailValues`.
pub(super) fn is_of_the_api(details: &str) -> bool {
    details.starts_with("upstream_") || details == "response_timeout"
}

/// Whose answer is paid for; `None` if the deduction is given back.
fn verdict(
    on: VoidOn,
    head: &ResponseHead<'_>,
    audience: Audience,
    origin: impl FnOnce() -> Origin,
) -> Option<AnsweredBy> {
    let status = head.status;
    let good = (200..300).contains(&status);
    // Envoy's own answers to gRPC calls are 200, and say in `grpc-status` what went wrong.
    if good && audience != Audience::Grpc && !head.grpc {
        return Some(AnsweredBy::Api);
    }
    let Origin { details, reached } = origin();
    let (by, voids) = match details.as_deref() {
        // Envoy says so of every answer that came from the API itself.
        None | Some("via_upstream") => {
            let voids = match status {
                304 => on.not_modified,
                400..=499 => on.upstream_4xx,
                500.. => on.upstream_5xx,
                _ => head.grpc && on.grpc_failure && head.grpc_failed(),
            };
            (AnsweredBy::Api, voids)
        }
        // Envoy's own answer, and nobody has worked.
        Some(_) if !reached => return None,
        // Envoy blames the client: it broke its request off, or sent nothing for too long. The
        // API has the request all the same, and a nonsensical end must not make it free.
        // To gRPC every answer of Envoy's is 200, so there it is told by the name of the cause.
        Some(own) if status < 500 && !(good && is_of_the_api(own)) => {
            (AnsweredBy::EnvoyForClient, on.client_gone)
        }
        Some(own) if own.contains("timeout") => (AnsweredBy::EnvoyForApi, on.upstream_timeout),
        Some(_) => (AnsweredBy::EnvoyForApi, on.upstream_reset),
    };
    (!voids).then_some(by)
}
