//! A request that needs a top-up: it opens one, or waits for the one that is under way.

use std::sync::Arc;

use stripe402_protocol::{ClientId, Code, Units};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::{CardPayments, PaymentAttempt, amount, limits::Attempt};
use crate::{
    accounting::{NewTopUp, Opened, State, TopUp, TopUpId},
    observe::trace::TARGET,
    topups::{
        abort::{PaymentAbort, refuse},
        under_way::RunningTopUp,
    },
};

/// How a top-up ends that was opened for a request.
pub(super) enum End {
    /// The task that carries it out.
    Of(JoinHandle<Option<Result<State, PaymentAbort>>>),
    /// None was opened.
    Nothing,
}

impl End {
    pub(super) async fn wait(self) -> Result<State, PaymentAbort> {
        let ended = match self {
            Self::Of(task) => task.await.ok().flatten(),
            Self::Nothing => None,
        };
        ended.unwrap_or_else(|| Err(PaymentAbort::unavailable("the top-up's task was stopped")))
    }
}

impl CardPayments {
    /// Opens a top-up, marked as under way here before anybody else can see it, and carries it
    /// out. Both in one task, which outlives the request: one that was opened for a client that
    /// hung up at that very moment must not lie there, to be charged when it is swept up.
    pub(super) async fn open_top_up(
        self: &Arc<Self>,
        attempt: &PaymentAttempt<'_>,
    ) -> Result<(Opened, End), PaymentAbort> {
        let balance = self.store.account(attempt.account).await?.available;
        let amount = amount::top_up_amount(attempt.request, balance).map_err(refuse)?;
        let tried = Attempt::of(attempt);
        let buyer = self.unproven_buyer(attempt);
        if let Err(limited) = self.may_try(tried).await {
            // What was asked before has its answer, however much was tried since.
            let known = self.known_by_name(attempt, amount).await?;
            return known.map(|opened| (opened, End::Nothing)).ok_or(limited);
        }
        let anchor = self.anchor(&attempt.card);
        self.agree_on(anchor, attempt.account.client).await?;
        if self.postings.is_frozen_elsewhere(attempt.account).await? {
            return Ok((Opened::Frozen, End::Nothing));
        }
        let id = TopUpId(self.ids.make());
        let mark = RunningTopUp::mark(&self.topups, id);
        let wanted = NewTopUp {
            id,
            account: attempt.account,
            amount,
            needed: self.needed(attempt, balance),
            payment_method: attempt.card.id.clone(),
            card: attempt.card.shown.clone(),
            idempotency_key: attempt.request.idempotency_key.clone(),
            now_ms: self.clock.now_ms(),
        };
        let (tell, told) = tokio::sync::oneshot::channel();
        let this = Arc::clone(self);
        // The trace of the request that wanted it goes on in the task.
        let span = tracing::info_span!(target: TARGET, "top_up", top_up = %id);
        let carried_out = async move {
            let opened = this.store.open_top_up(wanted).await;
            let new = match &opened {
                Ok(Opened::New(top_up)) => Some(top_up.clone()),
                _ => None,
            };
            // Whoever asked may be gone.
            let _ = tell.send(opened);
            match new {
                Some(top_up) => Some(this.carry_out(top_up, mark, tried, anchor, buyer).await),
                None => None,
            }
        };
        let task = self.topups.tasks.spawn(carried_out.instrument(span));
        let stopped = || PaymentAbort::unavailable("the top-up's task was stopped");
        let opened = told.await.map_err(|_| stopped())??;
        Ok((opened, End::Of(task)))
    }

    /// The top-up that the request's idempotency key names, if there is one. Nothing is opened.
    pub(super) async fn known_by_name(
        &self,
        attempt: &PaymentAttempt<'_>,
        amount: Units,
    ) -> Result<Option<Opened>, PaymentAbort> {
        let Some(name) = &attempt.request.idempotency_key else { return Ok(None) };
        let wanted = NewTopUp {
            id: TopUpId(self.ids.make()),
            account: attempt.account,
            amount,
            // Nothing is short of nothing.
            needed: Units::ZERO,
            payment_method: attempt.card.id.clone(),
            card: attempt.card.shown.clone(),
            idempotency_key: Some(name.clone()),
            now_ms: self.clock.now_ms(),
        };
        let opened = self.store.open_top_up(wanted).await?;
        Ok(Some(opened).filter(|of| matches!(of, Opened::Repeated(_) | Opened::Mismatch)))
    }

    /// A top-up that was just opened: tried if the limits let it, and counted.
    async fn carry_out(
        self: Arc<Self>,
        top_up: TopUp,
        mark: Option<RunningTopUp>,
        tried: Attempt,
        anchor: Option<ClientId>,
        buyer: Option<ClientId>,
    ) -> Result<State, PaymentAbort> {
        // What was agreed on before it was opened may have been forgotten in between, with an earlier
        // top-up of the client. From now on it is not.
        if let Err(halt) = self.agree_on(anchor, top_up.account.client).await {
            self.topups.advance(top_up.id, Some(top_up.state.clone()), State::Lapsed).await?;
            return Err(halt);
        }
        // Another token of this buyer's was charged after we looked, and before this was opened: this one is
        // proven, and the credit may do. Where that cannot be read it is charged, as one that is not.
        if let Some(buyer) = buyer
            && self.topups.is_known(buyer, top_up.account.client).await.unwrap_or_default()
        {
            let to = State::Lapsed;
            let lapsed = self.topups.advance(top_up.id, Some(top_up.state.clone()), to).await?;
            if let Some(lapsed) = lapsed {
                return Ok(lapsed);
            }
        }
        if let Err(halt) = self.count_attempt(tried).await {
            // Stripe has not heard of it: others that look at this account need not wait.
            let PaymentAbort::Refuse { refusal, .. } = &halt else { return Err(halt) };
            let to = State::Refused { refusal: refusal.clone() };
            // Unless another ledger took it up because this one was slow.
            if self.topups.advance(top_up.id, Some(top_up.state.clone()), to).await?.is_some() {
                return Err(halt);
            }
        }
        crate::failpoint!("opened");
        let state = Arc::clone(&self.topups).until_known(top_up, mark).await;
        if matches!(&state, State::Refused { refusal } if refusal.error_code == Code::CardDeclined)
        {
            self.count_decline(tried).await;
        }
        Ok(state)
    }

    /// Another request is topping this account up: wait, and take its end for ours if it was the
    /// same card. A refusal of another card says nothing of this one.
    pub(super) async fn wait_for_other(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
        other: TopUp,
    ) -> Result<(), PaymentAbort> {
        let same_card = other.payment_method == attempt.card.id;
        match self.topups.end_of(other, same_card).await? {
            State::Refused { refusal } if same_card => Err(refuse(*refusal)),
            State::Credited { .. } if same_card => {
                attempt.proven = true;
                Ok(())
            }
            State::RequiresAction { payment_intent } => {
                Err(self.ask_cardholder(&payment_intent).await?)
            }
            State::Charging(_) => Err(PaymentAbort::unavailable("the other charge is open")),
            // Another card's end says nothing of this one, nor does a failure of Stripe's: look again. A token
            // may be proven by now.
            State::Credited { .. } | State::Refused { .. } | State::Lapsed => Ok(()),
        }
    }

    /// The client names a top-up that there has been: its end is the answer, without a charge.
    pub(super) async fn repeat(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
        named: TopUp,
    ) -> Result<(), PaymentAbort> {
        match self.topups.end_of(named, true).await? {
            State::Refused { refusal } => Err(refuse(*refusal)),
            State::Credited { .. } => {
                attempt.proven = true;
                Ok(())
            }
            State::RequiresAction { payment_intent } => {
                Err(self.ask_cardholder(&payment_intent).await?)
            }
            State::Lapsed => {
                Err(PaymentAbort::unavailable("Stripe failed, and took nothing: retry"))
            }
            State::Charging(_) => Err(PaymentAbort::unavailable("the charge is open")),
        }
    }
}
