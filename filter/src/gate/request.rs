//! From the request's head to a pass or a reply, by way of the ledger.
//!
//! Protocol, "What the server does with a request on a priced route".

use std::rc::Rc;

use stripe402_protocol::{
    Code, Intent, Payment, Reason, Refusal,
    message::{self, CardAnswer, CardPayment, Charge, ChargeOutcome},
};

use super::{
    Audience, CardOffer, Head, Mint, Passed, Phase, Placed, Reply, Sale, Step, Stream, Trouble,
    paywall,
};
use crate::{
    config::{Route, Unmatched},
    route::{Found, Wanted, without_query},
};

impl Stream {
    /// The request's head, and what the route in Envoy says of its price.
    pub fn on_request(&mut self, head: &Head<'_>, placed: &Placed, mint: Mint<'_>) -> Step {
        self.audience = head.audience;
        if let Some(step) = self.discover(head, mint) {
            return step;
        }
        let route = match placed {
            Placed::Wrong => return self.refuse(Reply::misconfigured()),
            Placed::Said(route) => Some(route.clone()),
            Placed::Unsaid(name) => self.find(head, name.as_deref(), None),
            Placed::Inherited(name, said) => self.find(head, name.as_deref(), Some(said)),
        };
        let Some(Some(route)) = route else { return self.unpriced(head, route.is_some()) };
        // OPTIONS is never charged, and so never reaches an API that may take it for the method
        // it stands for: a browser's preflight was answered by the CORS filter before.
        if is_options(head) {
            return self.refuse(Reply::options());
        }
        let path = without_query(&head.path).to_owned();
        let sale = Sale { route, path };
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

    /// What the configuration says: a price, or free; `None` if it says nothing. Of the methods
    /// and paths that an API may take this request for, the dearest is paid. What no rule is about
    /// costs what the virtual host says.
    fn find(
        &mut self,
        head: &Head<'_>,
        route_name: Option<&str>,
        said: Option<&Option<Rc<Route>>>,
    ) -> Option<Option<Rc<Route>>> {
        let config = Rc::clone(&self.config);
        let (host, path) = (&*head.host, &*head.path);
        let of = |method| config.routes.find(Wanted { method, host, path, route_name });
        let mut found: Found<'_> = of((!is_options(head)).then_some(&*head.method));
        for method in &head.overrides {
            found = found.or(of(Some(method)));
        }
        let own = found.rule.map(|rule| rule.sale.clone());
        self.open = found.open && said.is_none();
        match said {
            Some(said) if found.open => {
                Some(own.flatten().into_iter().chain(said.clone()).max_by_key(|sale| sale.price))
            }
            // Of all prices the dearest is that nothing passes.
            None if found.open && config.unmatched == Unmatched::Deny => None,
            _ => own,
        }
    }

    /// Whether it matters what the virtual host in Envoy says: no rule is about this request, or
    /// about one that the API may take it for.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    fn unpriced(&mut self, head: &Head<'_>, free: bool) -> Step {
        if !free && self.config.unmatched == Unmatched::Deny {
            let options = is_options(head);
            return self.refuse(if options { Reply::options() } else { Reply::not_for_sale() });
        }
        self.phase = Phase::Free;
        Step::Pass(Vec::new(), Passed::Free)
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
        let Some(id) = mint() else { return self.without_ledger(Trouble::Useless) };
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
        let Some(charge_id) = mint() else { return self.without_ledger(Trouble::Useless) };
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

    /// The ledger's word on the charge. The caller has checked that the answer is about
    /// [`Stream::waits_for`].
    pub fn on_charge(
        &mut self,
        outcome: Result<ChargeOutcome, Trouble>,
        mint: Mint<'_>,
    ) -> Option<Step> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let Phase::Charging { sale, charge, client, card } = phase else {
            self.phase = phase;
            return None;
        };
        Some(match (outcome, card) {
            (Ok(ChargeOutcome::Charged(left)), _) => self.serve(sale, charge, client, left, None),
            (Ok(ChargeOutcome::Insufficient), Some(card)) => self.pay(sale, card, mint),
            (Ok(ChargeOutcome::Insufficient), None) => self.challenge(&sale, true),
            (Ok(ChargeOutcome::Frozen), _) => {
                let refusal = Refusal::new(Code::PaymentFailed, "this account is frozen");
                self.refused(&sale, &refusal.because(Reason::Frozen), None)
            }
            // The ledger takes no such charge of ours: its clock or ours is off.
            (Ok(ChargeOutcome::Voided | ChargeOutcome::Conflict | ChargeOutcome::Stale), _) => {
                self.without_ledger(Trouble::Useless)
            }
            (Err(trouble), _) => self.without_ledger(trouble),
        })
    }

    /// The ledger's word on the card payment.
    pub fn on_card(&mut self, answer: Result<CardAnswer, Trouble>) -> Option<Step> {
        let phase = core::mem::replace(&mut self.phase, Phase::Settled);
        let Phase::Paying { sale, charge } = phase else {
            self.phase = phase;
            return None;
        };
        Some(match answer {
            Ok(CardAnswer::Paid { client_id, credits_remaining, payment_intent_id, .. }) => {
                self.serve(sale, charge, client_id, credits_remaining, payment_intent_id)
            }
            Ok(CardAnswer::Insufficient { .. }) => self.challenge(&sale, true),
            Ok(CardAnswer::Refused { refusal, retry_after, .. }) => {
                self.refused(&sale, &refusal, retry_after)
            }
            Err(trouble) => self.without_ledger(trouble),
        })
    }

    fn challenge(&mut self, sale: &Sale, insufficient: bool) -> Step {
        let challenge = self.config.challenge(&sale.route, &sale.path, insufficient);
        let reply = match &self.config.paywall {
            Some(paywall) if self.audience == Audience::Html => {
                paywall::page(paywall, self.config.discovery.as_ref(), challenge)
            }
            _ => Reply::challenge(challenge, insufficient),
        };
        self.refuse(reply)
    }

    fn invalid(&mut self, sale: &Sale, text: &str) -> Step {
        self.refused(sale, &Refusal::new(Code::InvalidPayment, text), None)
    }

    fn refused(&mut self, sale: &Sale, refusal: &Refusal, retry_after: Option<u32>) -> Step {
        let challenge = self.config.challenge(&sale.route, &sale.path, false);
        self.refuse(Reply::refusal(refusal, challenge, retry_after))
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
