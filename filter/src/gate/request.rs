//! From the request's head to a pass or a reply, by way of the ledger.
//!
//! Protocol, "What the server does with a request on a priced route".

use std::rc::Rc;

use stripe402_protocol::{
    Code, Intent, Payment, Reason, Refusal,
    message::{self, CardAnswer, CardPayment, Charge, ChargeOutcome},
};

use super::{CardOffer, Head, Mint, Phase, Reply, Sale, Step, Stream};
use crate::config::Unmatched;

impl Stream {
    /// The request's head.
    pub fn on_request(&mut self, head: &Head<'_>, mint: Mint<'_>) -> Step {
        let Some(route) = self.config.routes.find(&head.method, &head.path) else {
            return self.unmatched(head);
        };
        let path = head.path.split(['?', '#']).next().unwrap_or_default().to_owned();
        let sale = Sale { route: Rc::clone(route), path };
        if head.ambiguous {
            let text = "there is more than one payment header; send one";
            return self.invalid(&sale, text);
        }
        let Some(header) = head.payment else { return self.challenge(&sale, false) };
        let limit = self.config.limits.payment_header_bytes;
        if header.len() > limit {
            return self
                .invalid(&sale, &format!("the payment header is longer than {limit} bytes"));
        }
        match Payment::decode(header) {
            Ok(payment) => self.on_payment(sale, &payment, mint),
            Err(error) => self.invalid(&sale, &error.to_string()),
        }
    }

    /// OPTIONS is never charged, and so never reaches an API that may take it for the method it
    /// stands for: a browser's preflight was answered by the CORS filter before it came here.
    fn unmatched(&mut self, head: &Head<'_>) -> Step {
        let deny = self.config.unmatched == Unmatched::Deny;
        if head.method.eq_ignore_ascii_case("OPTIONS") {
            if deny || self.config.routes.has_path(&head.path) {
                return self.refuse(Reply::options());
            }
        } else if deny {
            return self.refuse(Reply::not_for_sale());
        }
        self.phase = Phase::Free;
        Step::Pass(Vec::new())
    }

    fn on_payment(&mut self, sale: Sale, payment: &Payment, mint: Mint<'_>) -> Step {
        let intent = payment.intent();
        if intent == Intent::Nothing {
            return self.challenge(&sale, false);
        }
        if payment.max_price.is_some_and(|most| sale.route.price.get() > most) {
            return self.challenge(&sale, false);
        }
        let (client, card) = match intent {
            Intent::Spend { client_id, card } => (client_id, card),
            Intent::Card(card) => (None, Some(card)),
            Intent::Nothing => (None, None),
        };
        let card = match card.map(|card| CardOffer::read(card, payment)).transpose() {
            Ok(card) => card,
            Err(refusal) => return self.refused(&sale, &refusal, None),
        };
        let Some(client) = client else {
            // An id that is none is an unknown client, which never reaches the store.
            return match card {
                Some(card) => self.pay(sale, card, mint),
                None => self.challenge(&sale, true),
            };
        };
        let Some(id) = mint() else { return self.refuse(Reply::unavailable()) };
        let charge = Charge {
            id,
            client_id: client,
            currency: sale.route.currency,
            amount: sale.route.price,
            route: sale.route.name.clone(),
        };
        self.phase = Phase::Charging { sale, charge: id, client, card };
        Step::Charge(charge)
    }

    fn pay(&mut self, sale: Sale, card: CardOffer, mint: Mint<'_>) -> Step {
        let Some(charge_id) = mint() else { return self.refuse(Reply::unavailable()) };
        let request = CardPayment {
            version: message::VERSION,
            charge_id,
            payment_method_id: card.payment_method,
            price: sale.route.price,
            currency: sale.route.currency,
            min_top_up: sale.route.min_top_up,
            max_top_up: sale.route.max_top_up,
            route: sale.route.name.clone(),
            top_up_amount: card.top_up_amount,
            payment_intent_id: card.payment_intent,
            idempotency_key: card.idempotency_key,
            // Fetched from the host when the message leaves.
            source: None,
            live: Some(self.config.live),
        };
        self.phase = Phase::Paying { sale, charge: charge_id };
        Step::Pay(Box::new(request))
    }

    /// The ledger's word on the charge; `None` if there was no usable answer. The caller has
    /// checked that the answer is about [`Stream::waits_for`].
    pub fn on_charge(&mut self, outcome: Option<ChargeOutcome>, mint: Mint<'_>) -> Option<Step> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let Phase::Charging { sale, charge, client, card } = phase else {
            self.phase = phase;
            return None;
        };
        Some(match (outcome, card) {
            (Some(ChargeOutcome::Charged(left)), _) => self.serve(sale, charge, client, left, None),
            (Some(ChargeOutcome::Insufficient), Some(card)) => self.pay(sale, card, mint),
            (Some(ChargeOutcome::Insufficient), None) => self.challenge(&sale, true),
            (Some(ChargeOutcome::Frozen), _) => {
                let refusal = Refusal::new(Code::PaymentFailed, "this account is frozen");
                self.refused(&sale, &refusal.because(Reason::Frozen), None)
            }
            // The ledger takes no such charge of ours: its clock or ours is off.
            (Some(ChargeOutcome::Voided | ChargeOutcome::Conflict | ChargeOutcome::Stale), _)
            | (None, _) => self.refuse(Reply::unavailable()),
        })
    }

    /// The ledger's word on the card payment; `None` if there was no usable answer.
    pub fn on_card(&mut self, answer: Option<CardAnswer>) -> Option<Step> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let Phase::Paying { sale, charge } = phase else {
            self.phase = phase;
            return None;
        };
        Some(match answer {
            Some(CardAnswer::Paid { client_id, credits_remaining, payment_intent_id, .. }) => {
                self.serve(sale, charge, client_id, credits_remaining, payment_intent_id)
            }
            Some(CardAnswer::Insufficient { .. }) => self.challenge(&sale, true),
            Some(CardAnswer::Refused { refusal, retry_after, .. }) => {
                self.refused(&sale, &refusal, retry_after)
            }
            None => self.refuse(Reply::unavailable()),
        })
    }

    fn challenge(&mut self, sale: &Sale, insufficient: bool) -> Step {
        self.refuse(Reply::challenge(sale.route.challenge.of(&sale.path, insufficient)))
    }

    fn invalid(&mut self, sale: &Sale, text: &str) -> Step {
        self.refused(sale, &Refusal::new(Code::InvalidPayment, text), None)
    }

    fn refused(&mut self, sale: &Sale, refusal: &Refusal, retry_after: Option<u32>) -> Step {
        let challenge = sale.route.challenge.of(&sale.path, false);
        self.refuse(Reply::refusal(refusal, challenge, retry_after))
    }
}

impl CardOffer {
    /// Protocol, "Identity": ids of another form are `payment_failed`, and never reach Stripe.
    fn read(card: &str, payment: &Payment) -> Result<Self, Refusal> {
        let wrong = |field: &str, problem: String| {
            Refusal::new(Code::PaymentFailed, format!("{field}: {problem}"))
        };
        let payment_method = card.parse();
        let payment_intent = payment.payment_intent_id.as_deref().map(str::parse).transpose();
        Ok(Self {
            payment_method: payment_method.map_err(
                |error: stripe402_protocol::ParseStripeIdError| {
                    wrong("paymentMethodId", error.to_string())
                },
            )?,
            payment_intent: payment_intent.map_err(
                |error: stripe402_protocol::ParseStripeIdError| {
                    wrong("paymentIntentId", error.to_string())
                },
            )?,
            top_up_amount: payment.top_up_amount,
            idempotency_key: payment.idempotency_key.clone(),
        })
    }
}
