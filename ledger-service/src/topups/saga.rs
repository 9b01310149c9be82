//! A top-up, from its record to its credit.
//!
//! The record is durable, in state `Charging`, before Stripe hears of it. Its id is the
//! idempotency key of the one PaymentIntent, so asking again can never charge again. The task
//! that carries it out outlives the request that wanted it; after a crash, the next request of
//! the client, or the start of the ledger, takes it up again.

use std::{sync::Arc, time::Duration};

use stripe402_protocol::Currency;

use super::{
    PaymentAbort, TopUps,
    abort::{declined, given_up, unaccepted, unusable},
    under_way::RunningTopUp,
};
use crate::{
    accounting::{Advance, State, TopUp, TopUpId},
    postings::Unavailable,
    stripe::{CardCharge, Failure, Intent, IntentStatus, patiently},
};

/// For so long a key is repeated. Stripe keeps keys for 24 hours at least
/// (docs.stripe.com/api/idempotent_requests); the rest is room for clocks that differ.
pub(crate) const KEY_LIFE: Duration = Duration::from_secs(23 * 3600);

/// For so long a top-up of another ledger is left to that ledger.
const BEING_CARRIED_OUT: Duration = Duration::from_secs(3);

/// What an answer of Stripe's means for a top-up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This is its state now.
    Become(State),
    /// Not known yet: ask again with the same key.
    Again(String),
}

/// The rule of the saga: what to make of Stripe's answer to the charge; with the bank's `details` of
/// a decline if clients are told.
pub(crate) fn next(currency: Currency, answer: Result<Intent, Failure>, details: bool) -> Next {
    let refused = |refusal| Next::Become(State::Refused { refusal: Box::new(refusal) });
    match answer {
        Ok(intent) => match intent.status {
            IntentStatus::Succeeded => match currency.units(intent.received_minor) {
                Some(amount) if intent.currency == currency.as_str() => {
                    Next::Become(State::Credited { payment_intent: intent.id, amount })
                }
                _ => Next::Again(format!("{} was paid in another currency", intent.id)),
            },
            IntentStatus::RequiresAction => {
                Next::Become(State::RequiresAction { payment_intent: intent.id })
            }
            IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled => refused(declined(None)),
            IntentStatus::Open => Next::Again(format!("{} is still open", intent.id)),
        },
        Err(Failure::Card(decline)) => refused(declined(Some(&decline).filter(|_| details))),
        Err(Failure::Invalid(_)) => refused(unaccepted()),
        Err(Failure::Unknown(cause) | Failure::Account(cause) | Failure::Broken { cause, .. }) => {
            Next::Again(cause)
        }
    }
}

impl TopUps {
    /// Takes up top-ups that were cut off: those of which Stripe's answer is not known and that
    /// have lain for `idle`, and those whose cardholder did not confirm in time.
    ///
    /// # Errors
    /// The store's, in words.
    pub async fn sweep(self: &Arc<Self>, idle: Duration) -> Result<usize, Unavailable> {
        let unfinished = self.store.unfinished_top_ups().await;
        let result = if unfinished.is_ok() { "ok" } else { "failed" };
        metrics::counter!("stripe402_sweeps_total", "result" => result).increment(1);
        let unfinished = unfinished?;
        self.show_open(&unfinished);
        let mut taken_up = 0_usize;
        for top_up in unfinished {
            let age = self.age(&top_up);
            match &top_up.state {
                State::Charging(_) if age >= idle => {
                    taken_up = taken_up.saturating_add(usize::from(self.take_up(top_up)));
                }
                State::RequiresAction { payment_intent } if age > self.options.confirmation => {
                    // Cancelled at Stripe, or credited if it was confirmed in silence.
                    if let Err(cause) = self.abandon(top_up.id, payment_intent, given_up()).await {
                        tracing::warn!(top_up = %top_up.id, ?cause, "a top-up that waits for its cardholder cannot be cancelled yet");
                    }
                }
                _ => {}
            }
        }
        Ok(taken_up)
    }

    /// Shows how many top-ups are open, and for how long.
    fn show_open(&self, unfinished: &[TopUp]) {
        for name in ["charging", "requires_action"] {
            let these = || unfinished.iter().filter(|top_up| state_name(&top_up.state) == name);
            let count = u32::try_from(these().count()).unwrap_or(u32::MAX);
            metrics::gauge!("stripe402_top_ups_open", "state" => name).set(count);
            let oldest = these().map(|top_up| self.age(top_up)).max().unwrap_or_default();
            metrics::gauge!("stripe402_top_up_oldest_seconds", "state" => name).set(oldest);
        }
    }

    pub(crate) fn age(&self, top_up: &TopUp) -> Duration {
        Duration::from_millis(self.clock.now_ms().saturating_sub(top_up.created_ms))
    }

    /// Starts to carry a top-up out unless this process does so already.
    fn take_up(self: &Arc<Self>, top_up: TopUp) -> bool {
        let Some(mark) = RunningTopUp::mark(self, top_up.id) else {
            return false;
        };
        let this = Arc::clone(self);
        self.tasks.spawn(async move { this.drive_while_held(top_up, mark).await });
        true
    }

    /// Has the card charged, with the top-up's own key. Attempts are counted over all ledgers, as their
    /// claims are, from 1.
    pub(crate) async fn ask_stripe(&self, top_up: &TopUp, attempt: u32) -> Result<Intent, Failure> {
        let id = top_up.id.to_string();
        // No failure of Stripe's to make a customer is one of the charge, which was not sent. Each
        // attempt has a key of its own: a failure that is stored under one stays with it.
        let needed_for = if attempt <= 1 { id.clone() } else { format!("{id}-{attempt}") };
        let customer = match self.customer(top_up.account.client, &needed_for).await {
            Err(Failure::Card(_) | Failure::Invalid(_)) => {
                return Err(Failure::Unknown("no customer can be made".to_owned()));
            }
            Err(Failure::Broken { cause, .. }) => return Err(Failure::Unknown(cause)),
            other => other?,
        };
        crate::failpoint!("customer");
        let currency = top_up.account.currency;
        let books = self.books().await?;
        let top_up_name = match stripe402_mutant::mutant!("key_of_the_attempt") {
            true => format!("{id}-{attempt}"),
            false => id,
        };
        let charge = CardCharge {
            books,
            top_up: top_up_name,
            subject: top_up.account.client.subject(),
            customer,
            card: top_up.payment_method.clone(),
            amount_minor: currency.minor_units(top_up.amount),
            currency,
            off_session: top_up.by_key().is_some(),
        };
        // Making the customer may have taken longer than the claim held: who looks for this charge now
        // waits for one call of Stripe's, and not for one that is still to come.
        if !self.may_be_sent(top_up.id).await? {
            return Err(Failure::Unknown("another ledger has taken it on".to_owned()));
        }
        match self.provider.charge(&charge).await {
            Err(Failure::Invalid(code)) if code == "resource_missing" => {
                // This one ends refused, since its key has been used; the client's next one will do.
                let client = top_up.account.client;
                let gone = self.replace_if_gone(client, &charge.customer, &charge.top_up).await;
                // The charge was refused for good, whatever becomes of the customer.
                if let Err(Failure::Broken { cause, .. }) = gone {
                    return Err(Failure::Unknown(cause));
                }
                gone?;
                Err(Failure::Invalid(code))
            }
            // Repeated, the key brings the same snapshot for a day: read how it is now.
            Ok(open) if open.status == IntentStatus::Open => match open.id.parse() {
                Ok(id) => self.provider.intent(&id).await.map_err(|failure| match failure {
                    // Of the reading, not of the charge.
                    Failure::Broken { cause, .. } => Failure::Unknown(cause),
                    other => other,
                }),
                Err(_) => Ok(open),
            },
            other => other,
        }
    }

    /// Whether the key of a top-up may still be sent: it is not settled, and nobody looks for its charge.
    async fn may_be_sent(&self, id: TopUpId) -> Result<bool, Failure> {
        if stripe402_mutant::mutant!("no_claim") {
            return Ok(true);
        }
        let now = self.store.top_up(id).await?;
        Ok(now.is_some_and(|top_up| matches!(top_up.state, State::Charging(of) if !of.looking)))
    }

    /// Credits what a PaymentIntent has received, once.
    pub(crate) async fn credit(&self, id: TopUpId, intent: &Intent) -> Result<State, PaymentAbort> {
        let top_up = self.store.top_up(id).await?;
        let currency = top_up.map(|top_up| top_up.account.currency);
        match currency.map(|currency| next(currency, Ok(intent.clone()), false)) {
            Some(Next::Become(state @ State::Credited { .. })) => self.close(id, state).await,
            _ => Err(PaymentAbort::unavailable("the PaymentIntent does not fit its top-up")),
        }
    }

    /// Writes how a top-up stands; if it is finished already, that stays, and is the answer.
    pub(crate) async fn close(&self, id: TopUpId, to: State) -> Result<State, PaymentAbort> {
        let advance = self.advance(id, None, to).await?;
        advance.ok_or_else(|| PaymentAbort::unavailable("the top-up is another ledger's"))
    }

    /// Moves a top-up on, if it is still in the state `from` where one is given; `None` if it is not.
    pub(crate) async fn advance(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Option<State>, PaymentAbort> {
        let before = match &to {
            State::Credited { .. } => self.store.top_up(id).await?,
            _ => None,
        };
        if let Some(top_up) = &before {
            self.remember_buyer(top_up).await?;
        }
        let given_up = before.filter(|top_up| top_up.state.is_without_charge());
        match self.store.advance_top_up(id, from, to.clone()).await? {
            Advance::Done(top_up) => {
                if !matches!(top_up.state, State::Charging(_)) {
                    count_end(&top_up);
                }
                if let State::Credited { .. } = &to
                    && let Err(cause) = self.postings.freeze_like_others(top_up.account).await
                {
                    tracing::error!(top_up = %id, ?cause, "an account of a frozen client is not frozen yet; run reconcile");
                }
                if let (Some(given_up), State::Credited { payment_intent, .. }) = (given_up, &to)
                    && let Err(cause) =
                        self.give_back_if_charged_twice(&given_up, payment_intent).await
                {
                    tracing::error!(payment_intent, ?cause, "reconcile: it is not refunded yet");
                }
                Ok(Some(top_up.state))
            }
            // This very step, whose answer was lost.
            Advance::Moved(top_up) if top_up.state == to => Ok(Some(top_up.state)),
            Advance::Moved(_) => Ok(None),
            Advance::Finished(top_up) => Ok(Some(top_up.state)),
            Advance::Unknown | Advance::TooLarge | Advance::Conflict => {
                metrics::counter!("stripe402_top_ups_uncreditable_total").increment(1);
                tracing::error!(top_up = %id, "a top-up cannot be credited: reconcile by hand");
                Err(PaymentAbort::unavailable("the top-up cannot be credited"))
            }
        }
    }

    /// Waits until a top-up, perhaps another process's, is finished or needs the cardholder. One
    /// that waits for a cardholder too long, or stands in the way of another card, is abandoned.
    pub(crate) async fn end_of(
        self: &Arc<Self>,
        mut top_up: TopUp,
        same_card: bool,
    ) -> Result<State, PaymentAbort> {
        loop {
            match &top_up.state {
                // One that is younger is being carried out where it was opened, or being refused there
                // because there are too many.
                State::Charging(_) if self.age(&top_up) < BEING_CARRIED_OUT => {}
                State::Charging(_) => {
                    self.take_up(top_up.clone());
                }
                State::RequiresAction { payment_intent } => {
                    let age = self.clock.now_ms().saturating_sub(top_up.created_ms);
                    if !same_card || Duration::from_millis(age) > self.options.confirmation {
                        return self.abandon(top_up.id, payment_intent, given_up()).await;
                    }
                    let id = payment_intent.parse();
                    let id =
                        id.map_err(|_| PaymentAbort::unavailable("a PaymentIntent without an id"))?;
                    let intent = patiently(|| self.provider.intent(&id)).await;
                    let intent = intent.map_err(unusable)?;
                    return self.settle(top_up.id, &intent).await;
                }
                finished => return Ok(finished.clone()),
            }
            tokio::time::sleep(self.options.poll).await;
            let gone = || PaymentAbort::unavailable("the top-up is gone");
            top_up = self.store.top_up(top_up.id).await?.ok_or_else(gone)?;
        }
    }
}

fn count_end(top_up: &TopUp) {
    let state = state_name(&top_up.state);
    metrics::counter!("stripe402_top_ups_total", "state" => state).increment(1);
    if let State::Credited { amount, .. } = &top_up.state {
        let currency = top_up.account.currency.as_str().to_owned();
        let units = u64::try_from(amount.get()).unwrap_or_default();
        metrics::counter!("stripe402_credited_units_total", "currency" => currency)
            .increment(units);
    }
    tracing::info!(top_up = %top_up.id, state, "a top-up ended, or waits for its cardholder");
}

pub(crate) fn state_name(state: &State) -> &'static str {
    match state {
        State::Charging(_) => "charging",
        State::Lapsed => "lapsed",
        State::RequiresAction { .. } => "requires_action",
        State::Credited { .. } => "credited",
        State::Refused { .. } => "refused",
    }
}

#[cfg(test)]
mod tests {
    use stripe402_protocol::Units;

    use super::*;
    use crate::stripe::Decline;

    fn intent(status: IntentStatus, currency: &str) -> Intent {
        Intent {
            id: "pi_1".into(),
            status,
            amount_minor: 500,
            received_minor: 500,
            books: None,
            currency: currency.into(),
            card: None,
            client_secret: None,
            top_up: None,
            customer: None,
            subject: None,
            declined: false,
        }
    }

    fn name(next: &Next) -> &'static str {
        match next {
            Next::Become(state) => state_name(state),
            Next::Again(_) => "again",
        }
    }

    #[test]
    fn what_stripe_answers_and_what_becomes_of_the_top_up() {
        let decline = Decline { code: "card_declined".into(), decline_code: None };
        let cases: [(Result<Intent, Failure>, &str); 10] = [
            (Ok(intent(IntentStatus::Succeeded, "usd")), "credited"),
            (Ok(intent(IntentStatus::Succeeded, "eur")), "again"),
            (Ok(intent(IntentStatus::RequiresAction, "usd")), "requires_action"),
            (Ok(intent(IntentStatus::RequiresPaymentMethod, "usd")), "refused"),
            (Ok(intent(IntentStatus::Canceled, "usd")), "refused"),
            (Ok(intent(IntentStatus::Open, "usd")), "again"),
            (Err(Failure::Card(decline)), "refused"),
            (Err(Failure::Invalid("amount_too_small".into())), "refused"),
            (Err(Failure::Unknown("reset".into())), "again"),
            (Err(Failure::Account("status 401".into())), "again"),
        ];
        for (answer, becomes) in cases {
            let shown = format!("{answer:?}");
            assert_eq!(name(&next(Currency::USD, answer, false)), becomes, "{shown}");
        }
    }

    #[test]
    fn what_stripe_received_is_credited_not_what_was_asked() {
        let Next::Become(State::Credited { amount, .. }) =
            next(Currency::USD, Ok(intent(IntentStatus::Succeeded, "usd")), false)
        else {
            panic!()
        };
        assert_eq!(amount, Units::from_u32(50_000));
    }
}
