//! From the request's head to a pass or a reply, by way of the ledger.
//!
//! Protocol, "What the server does with a request on a priced route".

use std::rc::Rc;

use stripe402_protocol::{
    ClientId, Code, Intent, Payment, PaymentMethodId, Reason, Refusal,
    message::{self, CardAnswer, CardHold, CardPayment, DeductionOutcome},
};

use super::{
    Audience, CardOffer, Extension, Head, LedgerError, Mint, Offered, Passed, Phase, PricedRequest,
    Reply, RouteOverride, Step, Stream, Told, paywall,
};
use crate::{
    config::Unmatched,
    pricing::{EncodedChallenge, Found, Pricing, Wanted, without_query},
};

impl Stream {
    /// The request's head, and what the route in Envoy says of its price.
    pub fn on_request(&mut self, head: &Head<'_>, placed: &RouteOverride, mint: Mint<'_>) -> Step {
        self.audience = head.audience;
        if let Some(step) = self.discover(head, mint) {
            return step;
        }
        let pricing = match placed {
            RouteOverride::Invalid => return self.refuse(Reply::misconfigured()),
            RouteOverride::Offer(offer) => Pricing::Offer(Rc::clone(offer)),
            RouteOverride::Free => Pricing::Free,
            RouteOverride::None(name) => self.find(head, name.as_deref(), &Pricing::Unlisted),
            RouteOverride::Inherited(name, of_host) => self.find(head, name.as_deref(), of_host),
        };
        let offer = match pricing {
            Pricing::Offer(offer) => offer,
            Pricing::Free => return self.unpriced(head, true),
            Pricing::Unlisted => return self.unpriced(head, false),
        };
        // OPTIONS is never deducted, and so never reaches an API that may take it for the method
        // it stands for: a browser's preflight was answered by the CORS filter before.
        if is_options(head) {
            return self.refuse(Reply::options());
        }
        let path = without_query(&head.path).to_owned();
        if offer.tools.is_some() {
            return self.on_mcp(offer, path, head);
        }
        self.sell(PricedRequest { offer, path }, head, mint)
    }

    /// A request of which it is known what it buys.
    pub(super) fn sell(&mut self, priced: PricedRequest, head: &Head<'_>, mint: Mint<'_>) -> Step {
        self.meter_for(&priced.offer, head);
        self.negotiate(head, mint);
        if head.offered != Offered::Nothing {
            return self.on_credential(priced, head, mint);
        }
        if head.ambiguous {
            let text = "there is more than one payment header; send one";
            return self.invalid(&priced, text);
        }
        let Some(header) = head.payment else { return self.without_payment(priced) };
        let limit = self.config.limits.payment_header_bytes;
        if header.len() > limit {
            return self
                .invalid(&priced, &format!("the payment header is longer than {limit} bytes"));
        }
        if let Some(client) = Payment::spender(header) {
            return self.agree(None).unwrap_or_else(|| self.deduct(priced, client, None, mint));
        }
        match Payment::decode(header) {
            Ok(payment) => self.on_payment(priced, &payment, mint),
            Err(error) => self.invalid(&priced, &error.to_string()),
        }
    }

    /// What the configuration says. Of the methods and paths that an API may take this request for,
    /// the dearest is paid. What no rule is about costs what the virtual host says.
    fn find(&mut self, head: &Head<'_>, route_name: Option<&str>, of_host: &Pricing) -> Pricing {
        let config = Rc::clone(&self.config);
        let (host, path) = (&*head.host, &*head.path);
        let of = |method| config.routes.find(Wanted { method, host, path, route_name });
        let mut found: Found<'_> = of((!is_options(head)).then_some(&*head.method));
        for method in &head.overrides {
            found = found.or(of(Some(method)));
        }
        let own = found.rule.map(|rule| Pricing::of(rule.offer.as_ref()));
        let own = own.unwrap_or(Pricing::Unlisted);
        let unlisted = matches!(of_host, Pricing::Unlisted);
        self.open = found.open && unlisted;
        match found.open {
            // Of all prices the dearest is that nothing passes.
            true if unlisted && config.unmatched == Unmatched::Deny => Pricing::Unlisted,
            true if !unlisted => own.dearer(of_host.clone()),
            _ => own,
        }
    }

    /// Whether it matters what the virtual host in Envoy says: no rule is about this request, or
    /// about one that the API may take it for.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn unpriced(&mut self, head: &Head<'_>, free: bool) -> Step {
        if !free && self.config.unmatched == Unmatched::Deny {
            let options = is_options(head);
            return self.refuse(if options { Reply::options() } else { Reply::not_for_sale() });
        }
        self.phase = Phase::Free;
        Step::Pass(Passed::Free)
    }

    fn on_payment(&mut self, priced: PricedRequest, payment: &Payment, mint: Mint<'_>) -> Step {
        let intent = payment.intent();
        if intent == Intent::Nothing {
            return self.challenge(&priced, false);
        }
        let offer = &priced.offer;
        let named = payment.currency.as_deref();
        if named.is_some_and(|named| !named.eq_ignore_ascii_case(offer.currency.as_str()))
            || payment.max_price.is_some_and(|most| offer.price().get() > most)
        {
            return self.challenge(&priced, false);
        }
        if let Some(refusal) = self.agree(payment.max_price) {
            return refusal;
        }
        let (client, card) = match intent {
            Intent::Spend { client_id, card } => (client_id, card),
            Intent::Card(card) => (None, Some(card)),
            Intent::Nothing => (None, None),
        };
        let card = match card.map(|card| CardOffer::read(card, payment)).transpose() {
            Ok(card) => card,
            Err(refusal) => return self.refused(&priced, refusal, None),
        };
        let Some(client) = client else {
            // An id that is none is an unknown client, which never reaches the store.
            return match card {
                Some(card) => self.pay(priced, card, mint),
                None => self.challenge(&priced, true),
            };
        };
        self.deduct(priced, client, card, mint)
    }

    /// Takes note of the most that a request may cost, if its client says one. Answers a refusal where the
    /// request has no price.
    fn agree(&mut self, most: Option<i64>) -> Option<Step> {
        if let Some(metering) = &mut self.metering {
            metering.extension = Extension::of(most);
        }
        self.has_no_unit_price().then(|| self.refuse(Reply::no_unit_price()))
    }

    fn deduct(
        &mut self,
        priced: PricedRequest,
        client: ClientId,
        card: Option<CardOffer>,
        mint: Mint<'_>,
    ) -> Step {
        let Some(id) = mint() else { return self.without_ledger(LedgerError::InvalidResponse) };
        let deduction = priced.deduction(id, client);
        self.phase = Phase::Deducting { priced, deduction: id, client, card };
        Step::Deduct(deduction)
    }

    pub(super) fn pay(&mut self, priced: PricedRequest, card: CardOffer, mint: Mint<'_>) -> Step {
        let Some(deduction_id) = mint() else {
            return self.without_ledger(LedgerError::InvalidResponse);
        };
        // A token cannot be verified without a charge.
        let trial = priced.offer.trial.filter(|_| !card.instrument.is_token());
        let request = CardPayment {
            version: message::VERSION,
            deduction_id,
            instrument: card.instrument,
            price: priced.offer.price(),
            currency: priced.offer.currency,
            min_top_up: priced.offer.min_top_up,
            max_top_up: priced.offer.max_top_up,
            route: priced.offer.name.clone(),
            top_up_amount: card.top_up_amount,
            payment_intent_id: card.payment_intent,
            idempotency_key: card.idempotency_key,
            // Fetched from the host when the message leaves.
            source: None,
            live: Some(self.config.live),
            hold: priced
                .offer
                .terms(&deduction_id, self.config.ledger.payment_timeout)
                .map(CardHold::from),
            trial,
        };
        self.phase = Phase::Paying { priced, deduction: deduction_id };
        Step::Pay(Box::new(request))
    }

    /// The ledger's word on the deduction. The caller has checked that the answer is about
    /// [`Stream::waits_for`].
    pub fn on_deduction(
        &mut self,
        outcome: Result<DeductionOutcome, LedgerError>,
        mint: Mint<'_>,
    ) -> Option<Step> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let Phase::Deducting { priced, deduction, client, card } = phase else {
            self.phase = phase;
            return None;
        };
        Some(match (outcome, card) {
            (Ok(DeductionOutcome::Deducted(left)), _) => {
                self.serve(priced, deduction, client, left, Told::default())
            }
            (Ok(DeductionOutcome::DeductedUntopped(left, off)), _) => {
                let told = Told { auto_top_up: Some(off), ..Told::default() };
                self.serve(priced, deduction, client, left, told)
            }
            (
                Ok(
                    DeductionOutcome::Insufficient
                    | DeductionOutcome::InDebt(_)
                    | DeductionOutcome::KeyRefused(_),
                ),
                Some(card),
            ) => self.pay(priced, card, mint),
            (Ok(DeductionOutcome::KeyRefused(refusal)), None) => {
                let key = &self.config.defaults.publishable_key;
                let challenge = priced.offer.challenge_to_key(&priced.path, refusal, key);
                self.answer_challenge(&priced, challenge, true)
            }
            (Ok(DeductionOutcome::InDebt(owed)), None) => {
                let key = &self.config.defaults.publishable_key;
                let challenge = priced.offer.challenge_in_debt(&priced.path, owed, key);
                self.answer_challenge(&priced, challenge, true)
            }
            (Ok(DeductionOutcome::Insufficient), None) => self.challenge(&priced, true),
            (Ok(DeductionOutcome::Frozen), _) => {
                let refusal = Refusal::new(Code::PaymentFailed, "this account is frozen");
                self.refused(&priced, refusal.because(Reason::Frozen), None)
            }
            // The ledger takes no such deduction of ours: its clock or ours is off.
            (
                Ok(
                    DeductionOutcome::Voided
                    | DeductionOutcome::Conflict
                    | DeductionOutcome::Stale
                    | DeductionOutcome::LeaseRefused
                    // The worker asks again until its patience ends.
                    | DeductionOutcome::Leased,
                ),
                _,
            ) => self.without_ledger(LedgerError::InvalidResponse),
            (Err(trouble), _) => self.without_ledger(trouble),
        })
    }

    /// The ledger's word on the card payment.
    pub fn on_card(&mut self, answer: Result<CardAnswer, LedgerError>) -> Option<Step> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let Phase::Paying { priced, deduction } = phase else {
            self.phase = phase;
            return None;
        };
        Some(match answer {
            Ok(CardAnswer::Paid { client_id, credits_remaining, payment_intent_id, .. }) => {
                let told = Told { charged_by: payment_intent_id, ..Told::default() };
                self.serve(priced, deduction, client_id, credits_remaining, told)
            }
            Ok(CardAnswer::Insufficient { .. }) => self.challenge(&priced, true),
            Ok(CardAnswer::Refused { refusal, retry_after, .. }) => {
                self.refused(&priced, refusal, retry_after)
            }
            Err(trouble) => self.without_ledger(trouble),
        })
    }

    pub(super) fn challenge(&mut self, priced: &PricedRequest, insufficient: bool) -> Step {
        let challenge = self.config.challenge(&priced.offer, &priced.path, insufficient);
        self.answer_challenge(priced, challenge, insufficient)
    }

    fn answer_challenge(
        &mut self,
        priced: &PricedRequest,
        challenge: EncodedChallenge,
        insufficient: bool,
    ) -> Step {
        let reply = match &self.config.paywall {
            Some(paywall) if self.audience == Audience::Html => {
                paywall::page(paywall, self.config.discovery.as_ref(), priced, challenge)
            }
            _ => Reply::challenge(challenge, insufficient),
        };
        let reply = self.ask_by_mpp(reply, &priced.offer);
        self.refuse(reply)
    }

    fn invalid(&mut self, priced: &PricedRequest, text: &str) -> Step {
        self.refused(priced, Refusal::new(Code::InvalidPayment, text), None)
    }

    fn refused(
        &mut self,
        priced: &PricedRequest,
        refusal: Refusal,
        retry_after: Option<u32>,
    ) -> Step {
        if self.pays_by_credential() {
            return self.refused_credential(priced, refusal, retry_after);
        }
        let challenge = self.config.challenge(&priced.offer, &priced.path, false);
        let reply = Reply::refusal(refusal, challenge, retry_after);
        let reply = self.ask_by_mpp(reply, &priced.offer);
        self.refuse(reply)
    }
}

fn is_options(head: &Head<'_>) -> bool {
    head.method.eq_ignore_ascii_case("OPTIONS")
}

impl CardOffer {
    /// Protocol, "Identity": ids of another form are `payment_failed`, and never reach Stripe.
    fn read(card: &str, payment: &Payment) -> Result<Self, Refusal> {
        let wrong = |field: &str, problem: String| {
            Refusal::new(Code::PaymentFailed, format!("{field}: {problem}"))
        };
        let payment_method = card.parse::<PaymentMethodId>();
        let payment_intent = payment.payment_intent_id.as_deref().map(str::parse).transpose();
        Ok(Self {
            instrument: payment_method
                .map_err(|error| wrong("paymentMethodId", error.to_string()))?
                .into(),
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
