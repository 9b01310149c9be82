//! Stripe, in memory: what it keeps, and what it does at one moment.
//!
//! No delays and no faults are here: see [`crate::bank::line`]. It is held to the stand-in by
//! `tests/provider.rs`, which puts both to the same questions.

mod keys;
pub mod line;
mod others;
mod record;
mod tokens;

use std::{collections::BTreeMap, sync::Mutex};

use stripe402_ledger::stripe::{
    Card, CardCharge, Changed, Decline, Dispute, DisputePhase, Failure, Intent, IntentStatus,
    NewRefund, Refund, Verification,
};
use stripe402_protocol::{Instrument, PaymentIntentId, PaymentMethodId};

pub use self::{
    keys::{Begun, Keys},
    record::{Disputed, Method, Paid, Refunded, Told},
    tokens::Token,
};
use crate::{plan, world::lock};

/// Stripe's books.
#[derive(Debug, Default)]
pub struct Bank {
    state: Mutex<State>,
}

/// What Stripe keeps.
#[derive(Debug, Default)]
pub struct State {
    /// PaymentMethods.
    pub methods: BTreeMap<String, Method>,
    /// Shared Payment Tokens.
    pub tokens: BTreeMap<String, Token>,
    /// How many charges of a card number were declined.
    pub declined: BTreeMap<String, u32>,
    /// Customers; `false` where one was deleted.
    pub customers: BTreeMap<String, bool>,
    /// PaymentIntents.
    pub intents: BTreeMap<String, Paid>,
    /// Refunds.
    pub refunds: BTreeMap<String, Refunded>,
    /// Disputes.
    pub disputes: BTreeMap<String, Disputed>,
    /// Events that nobody was told of yet.
    pub events: Vec<Told>,
    /// Idempotency keys.
    pub keys: Keys,
    made: u64,
}

impl State {
    fn name(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}_{:06}", self.made)
    }
}

impl Bank {
    /// A look at, or a change of, what it keeps.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut lock(&self.state))
    }

    /// A new PaymentMethod of a card number.
    pub fn add_method(&self, id: &str, fingerprint: &str, bank: plan::Bank) {
        let method = Method { fingerprint: fingerprint.to_owned(), customer: None, bank };
        self.with(|state| state.methods.insert(id.to_owned(), method));
    }

    pub(crate) fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure> {
        self.with(|state| {
            let method = state.methods.get(id.as_str()).ok_or_else(missing)?;
            let (fingerprint, customer) = (method.fingerprint.clone(), method.customer.clone());
            Ok(Card { id: id.clone().into(), fingerprint, customer, shown: None, token: None })
        })
    }

    pub(crate) fn create_customer(&self) -> String {
        self.with(|state| {
            let id = state.name("cus");
            state.customers.insert(id.clone(), true);
            id
        })
    }

    pub(crate) fn charge(&self, charge: &CardCharge, now_ms: u64) -> Result<Intent, Failure> {
        self.with(|state| {
            if state.customers.get(&charge.customer) != Some(&true) {
                return Err(missing());
            }
            let card = state.charged_with(&charge.card)?;
            let method = state.methods.get(&card).ok_or_else(missing)?.clone();
            if method.customer.as_ref().is_some_and(|of| *of != charge.customer) {
                return Err(Failure::Invalid("payment_method_unexpected_state".to_owned()));
            }
            let id = state.name("pi");
            let status = state.answer_of_bank(&method);
            // Nobody is there to confirm.
            let alone = charge.off_session && status == IntentStatus::RequiresAction;
            let status = if alone { IntentStatus::RequiresPaymentMethod } else { status };
            let paid = status == IntentStatus::Succeeded;
            let intent = Paid {
                id: id.clone(),
                status,
                amount_minor: charge.amount_minor,
                currency: charge.currency.to_string(),
                card,
                customer: Some(charge.customer.clone()),
                top_up: Some(charge.top_up.clone()),
                books: Some(charge.books.clone()),
                subject: Some(charge.subject.clone()),
                really_for: Some(charge.top_up.clone()),
                created_ms: now_ms,
                changed_ms: now_ms,
            };
            match &charge.card {
                Instrument::PaymentMethod(id) if paid && !charge.off_session => {
                    state.attach(id.as_str(), &charge.customer)
                }
                Instrument::Token(id) if paid => state.consume(id),
                _ => {}
            }
            state.tell_of_intent(&intent);
            let shown = intent.shown();
            state.intents.insert(id, intent);
            match status {
                IntentStatus::RequiresPaymentMethod if alone => Err(unattended()),
                IntentStatus::RequiresPaymentMethod => Err(declined()),
                _ => Ok(shown),
            }
        })
    }

    pub(crate) fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        self.with(|state| state.intents.get(id.as_str()).map(Paid::shown).ok_or_else(missing))
    }

    pub(crate) fn intents(&self, wanted: impl Fn(&Paid) -> bool) -> Vec<Intent> {
        // Newest first, as Stripe lists.
        self.with(|state| {
            state.intents.values().rev().filter(|intent| wanted(intent)).map(Paid::shown).collect()
        })
    }

    pub(crate) fn cancel(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        self.with(|state| {
            let intent = state.intents.get_mut(id.as_str()).ok_or_else(missing)?;
            if matches!(intent.status, IntentStatus::Succeeded | IntentStatus::Canceled) {
                return Err(Failure::Invalid("payment_intent_unexpected_state".to_owned()));
            }
            intent.status = IntentStatus::Canceled;
            let intent = intent.clone();
            state.tell_of_intent(&intent);
            Ok(intent.shown())
        })
    }

    /// The cardholder confirms, or fails to.
    pub fn confirm(&self, id: &str, confirmed: bool, now_ms: u64) {
        self.with(|state| {
            let Some(intent) = state.intents.get_mut(id) else { return };
            if intent.status != IntentStatus::RequiresAction {
                return;
            }
            intent.status = match confirmed {
                true => IntentStatus::Succeeded,
                false => IntentStatus::RequiresPaymentMethod,
            };
            intent.changed_ms = now_ms;
            let intent = intent.clone();
            if let (true, Some(customer)) = (confirmed, &intent.customer) {
                state.attach(&intent.card, customer);
            }
            state.tell_of_intent(&intent);
        });
    }

    pub(crate) fn refund(&self, wanted: &NewRefund, now_ms: u64) -> Result<Refund, Failure> {
        let hold = Some(wanted.hold.clone());
        self.give_back(wanted.intent.as_str(), wanted.amount_minor, hold, now_ms)
    }

    /// Money goes back, for us or for somebody at the dashboard.
    ///
    /// # Errors
    /// As Stripe's: no such PaymentIntent, or nothing is left of it.
    pub fn give_back(
        &self,
        intent: &str,
        amount_minor: i64,
        hold: Option<String>,
        now_ms: u64,
    ) -> Result<Refund, Failure> {
        self.with(|state| {
            let paid = state.intents.get(intent).ok_or_else(missing)?;
            if paid.status != IntentStatus::Succeeded {
                return Err(Failure::Invalid("charge_not_refundable".to_owned()));
            }
            let open = state
                .disputes
                .values()
                .any(|dispute| dispute.intent == intent && dispute.phase != DisputePhase::Won);
            if open {
                return Err(Failure::Invalid("charge_disputed".to_owned()));
            }
            let back = state.refunds.values().filter(|of| of.intent == intent && !of.failed);
            let back = back.fold(0_i64, |sum, refund| sum + refund.amount_minor);
            if amount_minor <= 0 || back + amount_minor > paid.amount_minor {
                return Err(Failure::Invalid("charge_already_refunded".to_owned()));
            }
            let id = state.name("re");
            let intent = intent.to_owned();
            let (created_ms, changed_ms) = (now_ms, now_ms);
            let refund =
                Refunded { id, intent, hold, amount_minor, failed: false, created_ms, changed_ms };
            state.events.push(Told::Refunds(refund.intent.clone()));
            let shown = refund.shown();
            state.refunds.insert(refund.id.clone(), refund);
            Ok(shown)
        })
    }

    /// A refund did not arrive.
    pub fn fail_refund(&self, id: &str, now_ms: u64) {
        self.with(|state| {
            let Some(refund) = state.refunds.get_mut(id) else { return };
            (refund.failed, refund.changed_ms) = (true, now_ms);
            let told = Told::Refunds(refund.intent.clone());
            state.events.push(told);
        });
    }

    pub(crate) fn refunds(&self, wanted: impl Fn(&Refunded) -> bool) -> Vec<Refund> {
        self.with(|state| {
            let all = state.refunds.values().rev();
            all.filter(|refund| wanted(refund)).map(Refunded::shown).collect()
        })
    }

    /// The cardholder disputes a charge; answers the dispute's id.
    pub fn open_dispute(&self, intent: &str, now_ms: u64) -> Option<String> {
        self.with(|state| {
            let paid = state.intents.get(intent)?;
            let disputed = state.disputes.values().any(|dispute| dispute.intent == intent);
            let refunded = state.refunds.values().any(|of| of.intent == intent && !of.failed);
            if paid.status != IntentStatus::Succeeded || disputed || refunded {
                return None;
            }
            let (amount_minor, intent) = (paid.amount_minor, intent.to_owned());
            let id = state.name("dp");
            let phase = DisputePhase::Open;
            let (created_ms, changed_ms) = (now_ms, now_ms);
            let dispute = Disputed { id, intent, amount_minor, phase, created_ms, changed_ms };
            let id = dispute.id.clone();
            state.events.push(Told::Dispute(id.clone()));
            state.disputes.insert(id.clone(), dispute);
            Some(id)
        })
    }

    /// A dispute goes on.
    pub fn move_dispute(&self, id: &str, phase: DisputePhase, now_ms: u64) {
        self.with(|state| {
            let Some(dispute) = state.disputes.get_mut(id) else { return };
            (dispute.phase, dispute.changed_ms) = (phase, now_ms);
            state.events.push(Told::Dispute(id.to_owned()));
        });
    }

    pub(crate) fn disputes(&self, wanted: impl Fn(&Disputed) -> bool) -> Vec<Dispute> {
        self.with(|state| {
            let all = state.disputes.values().rev();
            all.filter(|dispute| wanted(dispute)).map(Disputed::shown).collect()
        })
    }

    /// What changed since then, as its events say.
    pub(crate) fn changed_since(&self, since_ms: u64) -> Changed {
        self.with(|state| {
            let mut changed = Changed::default();
            let paid = state.intents.values().filter(|of| of.status == IntentStatus::Succeeded);
            let intents = paid.filter(|of| of.changed_ms >= since_ms).map(|of| of.id.clone());
            changed.intents.extend(intents);
            for of in state.refunds.values().filter(|of| of.changed_ms >= since_ms) {
                let refunds = changed.refunds.entry(of.intent.clone()).or_default();
                refunds.insert(of.id.clone());
            }
            let disputes = state.disputes.values().filter(|of| of.changed_ms >= since_ms);
            changed.disputes.extend(disputes.map(|of| of.id.clone()));
            changed
        })
    }

    pub(crate) fn verify(
        &self,
        customer: &str,
        card: &PaymentMethodId,
    ) -> Result<Verification, Failure> {
        self.with(|state| {
            if state.customers.get(customer) != Some(&true) {
                return Err(missing());
            }
            let method = state.methods.get(card.as_str()).ok_or_else(missing)?.clone();
            match state.answer_of_bank(&method) {
                IntentStatus::Succeeded => {
                    state.attach(card.as_str(), customer);
                    Ok(Verification::Verified)
                }
                IntentStatus::RequiresAction => {
                    Ok(Verification::RequiresAction(Some("seti_secret".to_owned())))
                }
                _ => Err(declined()),
            }
        })
    }
}

impl State {
    fn answer_of_bank(&mut self, method: &Method) -> IntentStatus {
        match method.bank {
            plan::Bank::Pays => IntentStatus::Succeeded,
            plan::Bank::Asks => IntentStatus::RequiresAction,
            plan::Bank::Declines(most) => {
                let declined = self.declined.entry(method.fingerprint.clone()).or_default();
                if *declined >= most {
                    return IntentStatus::Succeeded;
                }
                *declined += 1;
                IntentStatus::RequiresPaymentMethod
            }
        }
    }

    fn attach(&mut self, method: &str, customer: &str) {
        if let Some(method) = self.methods.get_mut(method) {
            method.customer = Some(customer.to_owned());
        }
    }

    fn tell_of_intent(&mut self, intent: &Paid) {
        let worth = matches!(
            intent.status,
            IntentStatus::Succeeded | IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled
        );
        if worth {
            self.events.push(Told::Intent(intent.id.clone()));
        }
    }
}

fn declined() -> Failure {
    Failure::Card(Decline {
        code: "card_declined".to_owned(),
        decline_code: Some("insufficient_funds".to_owned()),
    })
}

fn unattended() -> Failure {
    let code = "authentication_required".to_owned();
    Failure::Card(Decline { decline_code: Some(code.clone()), code })
}

fn missing() -> Failure {
    Failure::Invalid("resource_missing".to_owned())
}
