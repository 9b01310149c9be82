//! The response's head, and the end of the stream: does the charge stand?

use stripe402_protocol::{PAYMENT_REQUIRED, PAYMENT_RESPONSE, message::Void};

use super::{Audience, Phase, ResponseStep, Stream, describe::of_sale};
use crate::config::VoidOn;

/// Where a response comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Envoy's `response.code_details`.
    pub details: Option<String>,
    /// Whether the request was handed to a connection to the API.
    pub reached: bool,
}

/// What the gate needs of a response's headers.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// `:status`.
    pub status: u16,
    /// `cache-control`.
    pub cache_control: Option<String>,
    /// `vary`.
    pub vary: Option<String>,
    /// Whether the API sent headers that are the gate's alone.
    pub forged: bool,
}

impl ResponseHead {
    /// Reads the headers in one pass.
    pub fn read<'h>(headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut head = Self::default();
        for (name, value) in headers {
            match name {
                b":status" => head.status = text(value).parse().unwrap_or(0),
                b"cache-control" => join(&mut head.cache_control, &text(value)),
                b"vary" => join(&mut head.vary, &text(value)),
                b"payment-required" | b"payment-response" => head.forged = true,
                _ => {}
            }
        }
        head
    }
}

fn join(list: &mut Option<String>, value: &str) {
    match list {
        None => *list = Some(value.to_owned()),
        Some(list) => {
            list.push_str(", ");
            list.push_str(value);
        }
    }
}

impl Stream {
    /// The response's head. Whether the charge stands is decided here, once; `origin` is asked
    /// for only if it matters.
    pub fn on_response(
        &mut self,
        head: &ResponseHead,
        origin: impl FnOnce() -> Origin,
    ) -> ResponseStep {
        let mut step = ResponseStep::default();
        if !self.wants_response() {
            return step;
        }
        if head.forged {
            step.remove = vec![PAYMENT_REQUIRED, PAYMENT_RESPONSE];
        }
        match core::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Served { sale, charge, client, .. }
                if voids(sale.route.void_on, head.status, self.audience, origin) =>
            {
                step.void = Some(Void { id: charge, client_id: Some(client) });
                step.describe =
                    self.config.access_log.then(|| of_sale("voided", &sale, charge, client));
                return step;
            }
            Phase::Served { receipt, .. } => {
                step.remove.retain(|name| *name != PAYMENT_RESPONSE);
                step.set.push((PAYMENT_RESPONSE, receipt));
            }
            // Whoever comes after the ledger's trouble is over has to pay.
            Phase::Unpaid => {}
            other => {
                self.phase = other;
                return step;
            }
        }
        if !is_private(head.cache_control.as_deref()) {
            step.set.push(("cache-control", "private".to_owned()));
        }
        step.set.extend(vary_by_payment(head.vary.as_deref()).map(|vary| ("vary", vary)));
        step
    }

    /// The stream is over, whoever ended it. A charge that the ledger has not answered for is not
    /// this function's business: its answer finds no stream, and is voided. A request that never
    /// reached the API costs nothing; one that did has made it work.
    pub fn on_end(&mut self, reached: impl FnOnce() -> bool) -> Option<Void> {
        match core::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Served { sale, charge, client, .. }
                if sale.route.void_on.client_gone || !reached() =>
            {
                Some(Void { id: charge, client_id: Some(client) })
            }
            _ => None,
        }
    }
}

fn voids(on: VoidOn, status: u16, audience: Audience, origin: impl FnOnce() -> Origin) -> bool {
    let good = (200..300).contains(&status);
    // Envoy's own answers to gRPC calls are 200, and say in `grpc-status` what went wrong.
    if good && audience != Audience::Grpc {
        return false;
    }
    let Origin { details, reached } = origin();
    match details.as_deref() {
        // Envoy says so of every answer that came from the API itself.
        None | Some("via_upstream") => match status {
            304 => on.not_modified,
            400..=499 => on.upstream_4xx,
            500.. => on.upstream_5xx,
            _ => false,
        },
        // Envoy's own answer, and nobody has worked.
        Some(_) if !reached => true,
        // Envoy blames the client: it broke its request off, or sent nothing for too long. The
        // API has the request all the same, and a nonsensical end must not make it free.
        Some(_) if status < 500 && !good => on.client_gone,
        Some(own) if own.contains("timeout") => on.upstream_timeout,
        Some(_) => on.upstream_reset,
    }
}

/// `private` or stricter (RFC 9111, section 5.2.2).
fn is_private(cache_control: Option<&str>) -> bool {
    let directives = cache_control.unwrap_or_default().split(',');
    directives.map(str::trim).any(|directive| {
        directive.eq_ignore_ascii_case("private") || directive.eq_ignore_ascii_case("no-store")
    })
}

fn vary_by_payment(vary: Option<&str>) -> Option<String> {
    let Some(vary) = vary else { return Some("payment".to_owned()) };
    let named = vary.split(',').map(str::trim);
    let mut named = named.filter(|name| *name == "*" || name.eq_ignore_ascii_case("payment"));
    if named.next().is_some() { None } else { Some(format!("{vary}, payment")) }
}
