//! Trial credit: a card that never paid here is verified, not charged, and gets what the gateway offers. Once.
//!
//! Whoever has an account in the books, in any currency, has had something here: paid, been given, or had a
//! trial. So a trial is the first that the books have of a card. Several at once agree on one: by the
//! card's number, in which account it is; in that account, by the movement's reference.

use std::sync::Arc;

use stripe402_protocol::{
    ClientId, Reason, Units,
    message::{CardPayment, CardTrial},
};

use super::{CardPayments, PaymentAttempt, amount::top_up_amount, limits::Attempt};
use crate::{
    accounting::{AccountKey, Kind, NewTopUp, Opened, Posted, Posting, State, TopUpId},
    store::StoreError,
    topups::{abort::PaymentAbort, under_way::RunningTopUp},
};

/// The reference of the grant: an account has one of it.
const TRIAL: &str = "trial";
/// The latest moment at which a grant can expire, Unix milliseconds: a number of Lua's is not exact beyond.
const LAST_MS: u64 = (1 << 53) - 1;

impl CardPayments {
    /// The trial that this request can have if its card is new. Limits are looked at before anything is
    /// known of the card: else they would tell whether it has paid here.
    pub(super) async fn trial_for(
        &self,
        attempt: &PaymentAttempt<'_>,
    ) -> Result<Option<CardTrial>, PaymentAbort> {
        let request = attempt.request;
        let wanted = request.trial.filter(|trial| trial.units >= request.price);
        let Some(trial) = wanted.filter(|_| may_be_free(request)) else { return Ok(None) };
        if attempt.card.id.is_token() {
            return Ok(None);
        }
        if !attempt.proven {
            if self.is_named(attempt).await? {
                return Ok(None);
            }
            self.may_try(Attempt::of(attempt).for_trial()).await?;
        }
        Ok(Some(trial))
    }

    /// Gives the trial to a card that is new here. Answers whether the balance is to be looked at again.
    pub(super) async fn give_trial(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
        trial: CardTrial,
    ) -> Result<bool, PaymentAbort> {
        let again = stripe402_mutant::mutant!("trial_twice");
        if !again && (!self.is_new(attempt).await? || self.is_named(attempt).await?) {
            return Ok(false);
        }
        self.agree_on(self.anchor(&attempt.card), attempt.account.client).await?;
        if !attempt.proven {
            let tried = Attempt::of(attempt).for_trial();
            if let Err(halt) = self.verify_at_stripe(attempt, tried).await {
                self.note_unverified(attempt, &halt).await?;
                return Err(halt);
            }
            // That takes a second: others may have paid meanwhile.
            if !again && !self.is_new(attempt).await? {
                return Ok(true);
            }
        }
        // After the card is verified: else whoever knows its number could use its trial up.
        if self.is_for(attempt).await? || again {
            let reference =
                if again { attempt.request.deduction_id.to_string() } else { TRIAL.into() };
            self.grant_trial(attempt.account, reference, trial).await?;
        }
        Ok(true)
    }

    /// Whether the request names a top-up that there has been: then that is its answer.
    async fn is_named(&self, attempt: &PaymentAttempt<'_>) -> Result<bool, PaymentAbort> {
        // An amount that is refused is refused where it is needed.
        let amount = top_up_amount(attempt.request, attempt.request.price);
        let Ok(amount) = amount else { return Ok(true) };
        Ok(self.known_by_name(attempt, amount).await?.is_some())
    }

    /// Whether the books have no account of this card's, by any server secret and in any currency.
    async fn is_new(&self, attempt: &PaymentAttempt<'_>) -> Result<bool, StoreError> {
        let ids = self.ids_of(&attempt.card);
        for client in ids.into_iter().chain([attempt.account.client]) {
            if !self.store.accounts(Some(client), None, 1).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the trial of this card's number is for this account: for the first one that asks.
    async fn is_for(&self, attempt: &PaymentAttempt<'_>) -> Result<bool, StoreError> {
        let AccountKey { client, currency } = attempt.account;
        let card = ClientId::derive(b"stripe402 trial", &attempt.card.fingerprint);
        let account = format!("{} {currency}", client.to_hex());
        let account = ClientId::derive(b"stripe402 trial of", &account);
        Ok(self.store.agreed(card, Some(account)).await? == Some(account))
    }

    async fn grant_trial(
        &self,
        account: AccountKey,
        reference: String,
        trial: CardTrial,
    ) -> Result<(), StoreError> {
        let ends = |lasts_ms| self.clock.now_ms().saturating_add(lasts_ms).min(LAST_MS);
        let note = Some("trial credit".to_owned());
        let posting = Posting { kind: Kind::Grant, reference, amount: trial.units, note };
        let posted = self.store.grant(account, posting, trial.lasts_ms.map(ends)).await?;
        let subject = account.client.subject();
        match posted {
            Posted::Done(_) => {
                metrics::counter!("stripe402_trials_total").increment(1);
                tracing::info!(subject, units = %trial.units, "a new card got trial credit");
            }
            // Another request gave it, perhaps of a gateway that offers another amount.
            Posted::Repeated(_) => {}
            Posted::Refused(refusal) => tracing::info!(subject, ?refusal, "no trial credit"),
        }
        Ok(())
    }

    /// A card that was not verified leaves a top-up that ended without a charge: the request's name has its
    /// answer by that, and what the books know of the card goes with it.
    ///
    /// In a task that outlives the request: a record that is opened and not ended would be charged.
    async fn note_unverified(
        self: &Arc<Self>,
        attempt: &PaymentAttempt<'_>,
        halt: &PaymentAbort,
    ) -> Result<(), PaymentAbort> {
        let PaymentAbort::Refuse { refusal, .. } = halt else { return Ok(()) };
        let end = match refusal.reason {
            Some(Reason::RateLimited) => return Ok(()),
            // The cardholder confirms, and asks again under the same name.
            Some(Reason::AuthenticationRequired) => State::Lapsed,
            _ => State::Refused { refusal: refusal.clone() },
        };
        let Ok(amount) = top_up_amount(attempt.request, Units::ZERO) else { return Ok(()) };
        let wanted = NewTopUp {
            id: TopUpId(self.ids.make()),
            account: attempt.account,
            amount,
            needed: attempt.request.price,
            payment_method: attempt.card.id.clone(),
            card: attempt.card.shown.clone(),
            idempotency_key: attempt.request.idempotency_key.clone(),
            now_ms: self.clock.now_ms(),
        };
        let this = Arc::clone(self);
        let noted = self.topups.tasks.spawn(async move {
            let _mark = RunningTopUp::mark(&this.topups, wanted.id);
            if let Opened::New(top_up) = this.store.open_top_up(wanted).await? {
                this.topups.advance(top_up.id, Some(top_up.state), end).await?;
            }
            Ok::<_, PaymentAbort>(())
        });
        noted.await.unwrap_or_else(|_| Err(PaymentAbort::unavailable("the task was stopped")))
    }
}

/// Whether the client does not want to pay at once: by a larger top-up, or with a charge that it confirmed.
fn may_be_free(request: &CardPayment) -> bool {
    let least = request.min_top_up.get();
    request.payment_intent_id.is_none()
        && request.top_up_amount.is_none_or(|amount| amount <= least)
}
