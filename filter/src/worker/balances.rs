//! Balances and receipts: asked of the ledger one by one, and not too often.
//!
//! Limited here and not in the ledger, so that a refusal costs no call. An unknown client has 0, as an
//! empty one has: nobody can find out which ids exist.

use super::{Asked, Call, Decision, Verdict, Worker};
use crate::{
    gate::{LedgerError, Question, Trace},
    host::{Host, Message, StreamId},
    metrics::Service,
    source::Source,
};

pub(super) const MINUTE_MS: u64 = 60_000;
/// More addresses in one minute than that are told to come back later.
pub(super) const MOST_ADDRESSES: usize = 10_000;
/// More questions than that are not under way at once.
const MOST_UNDER_WAY: usize = 100;
/// Of these, about keys: Stripe may have to be asked, and balances must not wait for that.
const MOST_ABOUT_KEYS: usize = 20;

impl Worker {
    pub(super) fn ask(
        &mut self,
        host: &mut impl Host,
        id: StreamId,
        mut question: Question,
    ) -> Verdict {
        let most = self.config.discovery.as_ref().map_or(0, |found| found.balances_per_minute);
        let address = host.source_address(id);
        let source = Source::of(address.as_deref().unwrap_or_default());
        if let Question::Keys(request) = &mut question {
            request.source = address;
        }
        let waiting = self.questions.len().saturating_add(self.count(Service::Balance));
        let now_ms = host.now_ms();
        if self.health.is_silent() {
            let step = self.streams.get_mut(&id);
            let step = step.and_then(|stream| stream.on_question(Err(LedgerError::Unreachable)));
            return self.apply_if_any(host, id, step, Trace::default(), false);
        }
        let keys_wait =
            matches!(question, Question::Keys(_)) && self.about_keys() >= MOST_ABOUT_KEYS;
        if keys_wait || waiting >= MOST_UNDER_WAY || !self.balances.admits(source, most, now_ms) {
            let step = self.streams.get_mut(&id).map(|stream| stream.too_many());
            return step.map_or(Verdict::Hold, |step| {
                self.apply_step(host, id, step, Trace::default(), false)
            });
        }
        self.questions.push_back((id, question));
        self.wake(host);
        Verdict::Hold
    }

    /// How many questions about keys are under way.
    fn about_keys(&self) -> usize {
        let asked = self.calls.values();
        let asked = asked.filter(|of| matches!(of.call, Call::Question { of: Asked::Keys, .. }));
        let queued = self.questions.iter().filter(|(_, of)| matches!(of, Question::Keys(_)));
        asked.count().saturating_add(queued.count())
    }

    pub(super) fn call_question(
        &mut self,
        host: &mut impl Host,
        stream: StreamId,
        question: &Question,
    ) {
        let Some(id) = self.streams.get(&stream).and_then(|waiting| waiting.waits_for()) else {
            return;
        };
        let (path, body, of) = match question {
            Question::Balance(balance) => {
                ("/v1/balance", serde_json::to_vec(balance), Asked::Balance)
            }
            Question::Settlement(query) => {
                ("/v1/settlement", serde_json::to_vec(query), Asked::Settlement)
            }
            Question::Keys(request) => ("/v1/keys", serde_json::to_vec(request), Asked::Keys),
        };
        // A card may have to be verified at Stripe.
        let timeout = match of {
            Asked::Keys => self.config.ledger.payment_timeout,
            Asked::Balance | Asked::Settlement => self.config.ledger.timeout,
        };
        let body = body.unwrap_or_default();
        let message = Message {
            path,
            content_type: "application/json",
            body: &body,
            timeout,
            request_id: None,
            trace_parent: None,
        };
        match host.call(&message) {
            Ok(call) => self.under_way(call, Call::Question { stream, question: id, of }),
            Err(no_call) => {
                let trouble = self.no_call(host, no_call, Service::Balance);
                let answer = Err(trouble);
                self.due.push(Decision::Question { stream, question: id, answer });
            }
        }
    }
}
