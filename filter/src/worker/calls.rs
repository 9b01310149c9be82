//! Calls to the ledger: what is made of their answers, and of those that never come.

use stripe402_protocol::{
    DeductionId,
    message::{BatchAnswer, CardAnswer, CardPayment, Void, VoidOutcome, compact},
};

use super::{Asked, Call, Decision, PendingCall, Worker};
use crate::{
    gate::{LedgerError, QuestionAnswer},
    host::{CallId, Host, Message, NoCall, StreamId},
    metrics::{CallOutcome, Counter, Service},
    queue::{Sent, Traced},
    source::Source,
};

/// A call that brought no answer of status 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The status; 0 if there is none.
    pub status: u16,
    /// Whether the answer is the ledger's own. What Envoy says for a host that it cannot reach,
    /// or that is too slow, is not.
    pub of_ledger: bool,
    /// Whether Envoy says that it has too many requests for the ledger already
    /// (`x-envoy-overloaded`): the ledger was not asked.
    pub overloaded: bool,
}

impl Worker {
    /// An answer of the ledger's: its body, or that it failed.
    pub fn on_answer(&mut self, host: &mut impl Host, call: CallId, answer: Result<&[u8], Failed>) {
        self.begin(host);
        let Some(PendingCall { call, since_ms }) = self.calls.remove(&call) else { return };
        let service = call.service();
        let elapsed = self.now_ms.saturating_sub(since_ms);
        // Nobody knows whether the answer would have come in time.
        let unread = self.health.was_held_up(since_ms)
            && matches!(answer, Err(failed) if failed.trouble() == LedgerError::Unreachable);
        host.record(service.milliseconds(), elapsed);
        match call {
            Call::Batch(sent) => {
                let answer = self.read(host, service, answer, unread, |body| {
                    compact::from_bytes::<BatchAnswer>(body).ok()
                });
                match &answer {
                    Err(LedgerError::Unreachable) => self.fall_silent(),
                    Err(_) if unread => self.health.unread(self.now_ms),
                    _ => self.health.heard(),
                }
                self.batch_answered(host, sent, answer);
            }
            Call::Card { stream, deduction, source } => {
                self.card_places.give_back(source);
                let answer = self.read(host, service, answer, unread, |body| {
                    let answer: CardAnswer = serde_json::from_slice(body).ok()?;
                    (answer.deduction_id() == deduction).then_some(answer)
                });
                self.card_answered(host, stream, deduction, answer);
            }
            Call::Question { stream, question, of } => {
                let no_receipt = matches!(
                    answer,
                    Err(Failed { status: 404, of_ledger: true, .. }) if of == Asked::Settlement
                );
                let answer = if no_receipt {
                    self.counted.count(service.counter(CallOutcome::Ok));
                    Ok(QuestionAnswer::Settlement(None))
                } else {
                    self.read(host, service, answer, unread, |body| match of {
                        Asked::Settlement => {
                            let settlement = serde_json::from_slice(body).ok()?;
                            Some(QuestionAnswer::Settlement(Some(settlement)))
                        }
                        Asked::Balance => {
                            serde_json::from_slice(body).ok().map(QuestionAnswer::Balance)
                        }
                        Asked::Keys => serde_json::from_slice(body).ok().map(QuestionAnswer::Keys),
                    })
                };
                self.due.push(Decision::Question { stream, question, answer });
            }
        }
        self.decide(host);
    }

    fn batch_answered(
        &mut self,
        host: &mut impl Host,
        sent: Sent,
        answer: Result<BatchAnswer, LedgerError>,
    ) {
        let answered = answer.is_ok();
        let mut settled: Vec<DeductionId> = Vec::new();
        let mut captures = Vec::new();
        if let Ok(answer) = &answer {
            captures.clone_from(&answer.captures);
            let voided = |outcome: &&(_, VoidOutcome)| outcome.1 == VoidOutcome::Voided;
            let voided = answer.voids.iter().filter(voided).count();
            self.counted.add(Counter::VOIDED, u64::try_from(voided).unwrap_or(0));
            settled.extend(answer.voids.iter().map(|(id, _)| *id));
        }
        let outcomes = self.queue.answered(sent, answer);
        let nothing = outcomes
            .iter()
            .filter(|outcome| matches!(&outcome.outcome, Ok(word) if word.deducted().is_none()));
        settled.extend(nothing.map(|outcome| outcome.deduction));
        self.journal.settled(host, settled);
        let outcomes = self.hear_of_leases(host, &captures, outcomes);
        self.decide_later(outcomes);
        // Voids alone do not press a ledger that is in trouble; they wait for a tick.
        let presses = self.queue.has_charges() || answered && !self.queue.is_empty();
        if presses || self.health.is_silent() {
            self.wake(host);
        }
    }

    fn card_answered(
        &mut self,
        host: &mut impl Host,
        stream: StreamId,
        deduction: DeductionId,
        mut answer: Result<CardAnswer, LedgerError>,
    ) {
        if let Ok(answer) = &mut answer {
            self.tell_card_with_leases(stream, answer);
        }
        match &answer {
            // Whether it was deducted is not known.
            Err(_) if stripe402_mutant::mutant!("no_answer_no_void") => {}
            Err(_) => self.void(host, Void { id: deduction, client_id: None }),
            Ok(CardAnswer::Paid { .. }) => {}
            Ok(_) => self.journal.settled(host, [deduction]),
        }
        self.due.push(Decision::Card { stream, deduction, answer });
    }

    /// Reads an answer; what cannot be used is logged and counted.
    fn read<T>(
        &mut self,
        host: &mut impl Host,
        service: Service,
        answer: Result<&[u8], Failed>,
        unread: bool,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, LedgerError> {
        let read = answer.map_err(Some).and_then(|body| parse(body).ok_or(None));
        let (came, read) = match read {
            Ok(answer) => (CallOutcome::Ok, Ok(answer)),
            Err(failed) => {
                self.log.warn(host, &failure(service, failed, unread));
                match failed.map_or(LedgerError::InvalidResponse, Failed::trouble) {
                    LedgerError::Unreachable if unread => {
                        (CallOutcome::Unreachable, Err(LedgerError::InvalidResponse))
                    }
                    LedgerError::Unreachable => {
                        (CallOutcome::Unreachable, Err(LedgerError::Unreachable))
                    }
                    LedgerError::InvalidResponse => {
                        (CallOutcome::InvalidResponse, Err(LedgerError::InvalidResponse))
                    }
                }
            }
        };
        self.counted.count(service.counter(came));
        read
    }

    pub(super) fn under_way(&mut self, id: CallId, call: Call) {
        let since_ms = self.now_ms;
        self.calls.insert(id, PendingCall { call, since_ms });
    }

    pub(super) fn no_call(
        &mut self,
        host: &mut impl Host,
        no_call: NoCall,
        service: Service,
    ) -> LedgerError {
        let (came, trouble, what) = match no_call {
            NoCall::NoCluster => (
                CallOutcome::InvalidResponse,
                LedgerError::InvalidResponse,
                "there is no cluster named",
            ),
            // Where calls are under way there is a host, and the circuit breaker is open: the
            // ledger was not asked, which is not its silence.
            NoCall::NotSent if self.is_anyone_calling(host) => (
                CallOutcome::InvalidResponse,
                LedgerError::InvalidResponse,
                "a circuit breaker is open (or the last host is gone) in the cluster",
            ),
            NoCall::NotSent => (
                CallOutcome::Unreachable,
                LedgerError::Unreachable,
                "there is no healthy host in the cluster",
            ),
        };
        let text = format!("cannot call the ledger: {what} {}", self.config.ledger.cluster);
        if trouble == LedgerError::Unreachable {
            self.fall_silent();
        }
        self.log.warn(host, &text);
        self.counted.count(service.counter(came));
        trouble
    }

    fn is_anyone_calling(&self, host: &mut impl Host) -> bool {
        !self.calls.is_empty() || self.journal.is_another_calling(host)
    }

    pub(super) fn call_card(
        &mut self,
        host: &mut impl Host,
        stream: StreamId,
        source: Source,
        request: &CardPayment,
        traced: &Traced,
    ) {
        let deduction = request.deduction_id;
        let body = serde_json::to_vec(request).unwrap_or_default();
        let message = Message {
            path: "/v1/payments",
            content_type: "application/json",
            body: &body,
            timeout: self.config.ledger.payment_timeout,
            request_id: traced.request_id.as_deref(),
            trace_parent: traced.parent.as_deref(),
        };
        self.journal.leaving(host, [(deduction, None)].into_iter());
        match host.call(&message) {
            Ok(call) => self.under_way(call, Call::Card { stream, deduction, source }),
            Err(no_call) => {
                let trouble = self.no_call(host, no_call, Service::Card);
                self.card_places.give_back(source);
                self.journal.settled(host, [deduction]);
                self.due.push(Decision::Card { stream, deduction, answer: Err(trouble) });
            }
        }
    }

    pub(super) fn count(&self, service: Service) -> usize {
        self.calls.values().filter(|under_way| under_way.call.service() == service).count()
    }
}

impl Call {
    pub(super) const fn service(&self) -> Service {
        match self {
            Self::Batch(_) => Service::Batch,
            Self::Card { .. } => Service::Card,
            Self::Question { .. } => Service::Balance,
        }
    }
}

impl Failed {
    /// Envoy answers in the ledger's stead with 502, 503 or 504, or not at all.
    pub(super) const fn trouble(self) -> LedgerError {
        match (self.status, self.of_ledger) {
            _ if self.overloaded => LedgerError::InvalidResponse,
            (0, _) | (502..=504, false) => LedgerError::Unreachable,
            _ => LedgerError::InvalidResponse,
        }
    }
}

/// What an operator should look at when the ledger gives no usable answer.
fn failure(service: Service, failed: Option<Failed>, unread: bool) -> String {
    let to = match service {
        Service::Batch => "a batch",
        Service::Card => "a card payment",
        Service::Balance => "a balance or a receipt",
    };
    let cause = match failed {
        None => "the answer is not one of this version's".to_owned(),
        Some(_) if unread => "this worker was held up, and read none in time".to_owned(),
        Some(failed) if failed.trouble() == LedgerError::Unreachable => {
            format!("no answer ({}): it is down, or slower than the time-out", failed.status)
        }
        Some(Failed { overloaded: true, .. }) => {
            "Envoy's own circuit breaker is open: raise the cluster's limits".to_owned()
        }
        Some(Failed { status: 401, .. }) => {
            "401: Envoy's LEDGER_TOKEN is not the ledger's".to_owned()
        }
        Some(Failed { status: 503, .. }) => {
            "503: it cannot reach its store or Stripe; see its log".to_owned()
        }
        Some(Failed { status, .. }) => format!("status {status}"),
    };
    format!("no usable answer of the ledger's to {to}: {cause}")
}
