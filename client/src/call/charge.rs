//! Paying by card, once.

use serde_json::json;
use stripe402_protocol::{Code, Payment, PaymentMethodId, Reason, encode};

use super::{Call, Charging, Outcome, Paid, Phase, Step};
use crate::{Answer, Error, Pending, Purse, Refused, Secret, Terms};

/// Servers remember a key for a day; the rest is room for clocks that differ.
const KEY_LIFE: u64 = 23 * 3600;
/// For so long a charge of unknown outcome may still be under way at a server that cannot tell it
/// from a new one.
const SETTLES_WITHIN: u64 = 120;

impl Call {
    /// Sends the card, after it was written down what it may be charged.
    pub(super) fn charge(
        &mut self,
        purse: &mut Purse,
        card: PaymentMethodId,
        now: u64,
    ) -> Result<Step, Error> {
        let terms = match &self.terms {
            Some(terms) => terms.clone(),
            // The balance was known to be short: nobody was asked.
            None => {
                let route = self.request.route();
                let remembered = self.known(purse).and_then(|known| known.routes.get(&route));
                let terms = remembered.cloned().ok_or(Error::OutOfOrder)?;
                self.terms = Some(terms.clone());
                terms
            }
        };
        let open = self.known(purse).and_then(|known| known.pending.clone());
        let repeated = open.clone().filter(|open| repeats(open, &card, &terms, now));
        let fresh = repeated.is_none();
        if fresh
            && !terms.knows_idempotency_key
            && open.is_some_and(|open| now.saturating_sub(open.at) < SETTLES_WITHIN)
        {
            return Err(Error::OutcomeUnknown);
        }
        let amount = match &repeated {
            Some(open) => Some(open.amount),
            None => terms.top_up(&self.policy)?,
        };
        let most = self.policy.most_charge();
        let currency = terms.currency;
        let amount = amount.filter(|amount| *amount <= most).ok_or(Error::ChargeTooHigh {
            needed: amount.unwrap_or(terms.min_top_up),
            most,
            currency,
        })?;
        let overdrawn = |of: crate::Overdrawn| Error::BudgetExceeded {
            budget: of.budget,
            needed: amount,
            left: of.left,
            currency,
        };
        let pending = match repeated {
            Some(open) => {
                purse.affords_open(&self.policy, amount, now).map_err(overdrawn)?;
                if let Some(open) = purse.known_mut(&self.request.origin).pending.as_mut() {
                    open.waits_since = None;
                }
                open
            }
            None => {
                purse.affords(&self.policy, amount, now).map_err(overdrawn)?;
                let pending = Pending {
                    key: self.request.key.clone(),
                    payment_method: card.clone(),
                    amount,
                    currency,
                    at: now,
                    payment_intent: None,
                    waits_since: None,
                };
                purse.reserve(&self.request.origin, pending.clone());
                pending
            }
        };
        self.bind(purse, card.as_str());
        let client = self.client(purse);
        if let Some(client) = client.filter(|client| self.policy.client_id == Some(*client)) {
            self.bind(purse, &client.to_hex());
        }
        let payment = Secret::new(encode(&json!(Payment {
            payment_method_id: Some(card.as_str().to_owned()),
            top_up_amount: Some(amount.get()),
            idempotency_key: Some(pending.key),
            payment_intent_id: pending.payment_intent.map(|id| id.as_str().to_owned()),
            ..self.payment(purse, client)
        })));
        self.phase = Phase::Charging(Charging { payment: payment.clone(), fresh });
        self.send(payment, true)
    }

    /// The answer to a card.
    pub(super) fn charged(
        &mut self,
        purse: &mut Purse,
        charging: Charging,
        answer: &Answer,
        now: u64,
    ) -> Result<Step, Error> {
        let terms = self.terms()?;
        let origin = self.request.origin.clone();
        if answer.status == 402 {
            return match answer.refusal() {
                Some(refused) => Err(self.refused(purse, charging.fresh, refused, &terms, now)),
                None => self.challenged_again(purse, charging.fresh, answer, now),
            };
        }
        if answer.was_not_served() {
            // The card may have been charged all the same: the key stays with the charge.
            let again = Phase::Charging(Charging { fresh: false, ..charging });
            let pause = terms.knows_idempotency_key.then(|| self.pause(again, answer)).flatten();
            return pause.ok_or(Error::OutcomeUnknown);
        }
        let Some(receipt) = answer.receipt() else {
            // The API failed, and its answer is the caller's. What became of the card is not said.
            return Ok(Step::Done { outcome: Outcome::NotTaken });
        };
        let used = self.client(purse);
        let currency = receipt.currency.unwrap_or(terms.currency);
        purse.receipt(&origin, &receipt, currency, true, used, now);
        let amount = purse.known(&origin).and_then(|known| known.pending.as_ref());
        let amount = amount.map(|pending| pending.amount);
        // Without a charge id, a key heard for the first time means that credits sufficed.
        let charged = receipt.charge_id.is_some() || !charging.fresh;
        purse.settle(&origin, charged, now);
        Ok(Step::Done {
            outcome: Outcome::Paid(Paid {
                hold: receipt.held(&origin, currency),
                credits_remaining: receipt.left,
                client_id: receipt.client_id,
                charged: amount.filter(|_| charged),
                charge_id: receipt.charge_id,
            }),
        })
    }

    /// What a refusal says of the charge that is pending, and of the budget it is counted in.
    ///
    /// A new [`Reason`] must be considered here. If its charge may still take effect, it needs an arm that
    /// keeps the charge pending, as `authentication_required` has. If it says that the charge under this
    /// key has ended, it needs an arm that settles it. Clients that do not know the reason settle only a charge
    /// that they just made. So a server must not send a new reason while a first charge may still take effect.
    /// A gateway that does not know the reason removes it, and `payment_failed` without a reason settles any
    /// charge. So a reason that says nothing of an earlier attempt needs another code.
    fn refused(
        &self,
        purse: &mut Purse,
        fresh: bool,
        refused: Refused,
        terms: &Terms,
        now: u64,
    ) -> Error {
        let origin = &self.request.origin;
        match (refused.code, refused.reason) {
            (_, Some(Reason::AuthenticationRequired)) => {
                let pending = purse.known_mut(origin).pending.as_mut();
                if let (Some(pending), Some(intent)) = (pending, &refused.payment_intent_id) {
                    pending.payment_intent = Some(intent.clone());
                    pending.waits_since = Some(now);
                }
            }
            (Code::CardDeclined, _) => purse.settle(origin, false, now),
            // Without a reason, the charge under this key has failed. A reason that we do not know may speak of
            // this attempt alone, as `frozen` does: what an earlier attempt charged stays counted.
            (Code::PaymentFailed, None) if !refused.has_unknown_reason => {
                purse.settle(origin, false, now);
            }
            // The key is of no use any more, and what it did before is not known.
            (_, Some(Reason::IdempotencyMismatch)) => purse.settle(origin, !fresh, now),
            _ if fresh => purse.settle(origin, false, now),
            _ => {}
        }
        let publishable_key = Some(terms.publishable_key.clone()).filter(|key| !key.is_empty());
        Error::Refused { refused: Box::new(Refused { publishable_key, ..refused }) }
    }

    /// A challenge in answer to a card.
    fn challenged_again(
        &mut self,
        purse: &mut Purse,
        fresh: bool,
        answer: &Answer,
        now: u64,
    ) -> Result<Step, Error> {
        let origin = self.request.origin.clone();
        match self.agree(purse, answer) {
            // A charge of an earlier call took effect, and its credit is spent: this call's own
            // charge is still to come.
            Ok(_) if !fresh && self.request.replayable && !self.used_own_key(purse) => {
                purse.settle(&origin, true, now);
                let card = self.card(purse)?.ok_or(Error::OutOfOrder)?;
                self.charge(purse, card, now)
            }
            Err(Error::PriceTooHigh { price, most, currency }) => {
                // Above `maxPrice` a server takes nothing.
                let guarded = self.known(purse).is_some_and(|known| known.knows_max_price);
                purse.settle(&origin, !(fresh && guarded), now);
                Err(Error::PriceTooHigh { price, most, currency })
            }
            Ok(_) => {
                purse.settle(&origin, true, now);
                Err(Error::PaymentLoop { card_sent: true })
            }
            Err(error) => {
                purse.settle(&origin, true, now);
                Err(error)
            }
        }
    }

    fn used_own_key(&self, purse: &Purse) -> bool {
        let open = self.known(purse).and_then(|known| known.pending.as_ref());
        open.is_some_and(|pending| pending.key == self.request.key)
    }
}

/// Whether sending this charge again would be the same top-up.
fn repeats(open: &Pending, card: &PaymentMethodId, terms: &Terms, now: u64) -> bool {
    terms.knows_idempotency_key
        && open.payment_method == *card
        && open.currency == terms.currency
        && open.amount >= terms.min_top_up
        && now.saturating_sub(open.at) < KEY_LIFE
}
