//! Driving a top-up to its end: one ledger at a time, under a claim.
//!
//! A ledger that asks Stripe holds the claim of the record, and takes it anew before each attempt:
//! so it reads the record before each attempt, and none of two ledgers repeats a charge that
//! the other has given up. Giving a charge up has two steps, both durable: first nobody sends its
//! key any more ([`crate::accounting::Claim::looking`]), then Stripe's list is looked through.

use std::{sync::Arc, time::Duration};

use stripe402_protocol::Reason;

use super::{
    PaymentAbort, TopUps,
    abort::declined,
    auto::wants_the_cardholder,
    saga::{KEY_LIFE, Next, next},
    under_way::RunningTopUp,
};
use crate::{
    accounting::{Claim, State, TopUp, TopUpId},
    stripe::{Failure, Intent, IntentStatus, jittered},
};

/// For so long a claim holds without being renewed: after a crash, others wait for so long.
const CLAIM: Duration = Duration::from_secs(4);
/// How often a claim is renewed while Stripe has not answered.
const RENEWAL: Duration = Duration::from_secs(1);
/// How often a ledger that waits looks whether the record has changed meanwhile.
const WATCH: Duration = Duration::from_millis(100);
/// While Stripe is away for long nobody waits, and it looks so many times in a pause.
const LOOKS: u32 = 20;

/// What one ledger knows of a top-up that it drives.
#[derive(Default)]
struct Drive {
    /// The claim that it holds, if it does.
    held: Option<Claim>,
    /// Stripe's log of the failure that came last.
    failed: Option<String>,
    /// Whether that came twice: a stored failure. Nothing that was sent with the key is in flight.
    replayed: bool,
    /// The record as it was read first: of use to a mutant only.
    #[cfg(debug_assertions)]
    first: Option<TopUp>,
}

/// What Stripe was asked, and said.
enum Asked {
    /// The charge, with the top-up's key.
    Answer(Result<Intent, Failure>),
    /// Its list.
    Found(Result<Option<Intent>, Failure>),
    /// Nothing: Stripe may have forgotten the key.
    KeyTooOld,
}

/// What came of one turn.
enum Turn {
    /// It is in this state, in which there is nothing to ask Stripe.
    Settled(State),
    /// Not known yet.
    Again(String),
    /// Another ledger drives it.
    Held,
}

impl TopUps {
    /// Drives a top-up, and waits where another ledger does, until it is settled.
    pub(crate) async fn until_known(
        self: Arc<Self>,
        top_up: TopUp,
        _mark: Option<RunningTopUp>,
    ) -> State {
        let (mut drive, mut pause) = (Drive::default(), self.options.retry_first);
        loop {
            match self.turn(top_up.id, &mut drive).await {
                Ok(Turn::Settled(state)) => return state,
                Ok(Turn::Held) => {}
                Ok(Turn::Again(cause)) => {
                    tracing::warn!(top_up = %top_up.id, cause, ?pause, "a top-up is not settled yet");
                }
                Err(cause) => {
                    tracing::warn!(top_up = %top_up.id, ?cause, ?pause, "a top-up is not settled yet");
                }
            }
            if let Some(state) = self.settled_within(top_up.id, pause).await {
                return state;
            }
            pause = pause.saturating_mul(2).min(self.options.retry_most);
        }
    }

    /// Drives a top-up that was cut off; leaves it to the ledger that does so already.
    pub(crate) async fn drive_while_held(&self, top_up: TopUp, _mark: RunningTopUp) {
        let (mut drive, mut pause) = (Drive::default(), self.options.retry_first);
        while !matches!(self.turn(top_up.id, &mut drive).await, Ok(Turn::Settled(_) | Turn::Held)) {
            if self.settled_within(top_up.id, pause).await.is_some() {
                return;
            }
            pause = pause.saturating_mul(2).min(self.options.retry_most);
        }
    }

    /// Waits, and answers early if somebody else settles the top-up: a webhook, for example.
    async fn settled_within(&self, id: TopUpId, pause: Duration) -> Option<State> {
        let pause = jittered(pause, self.ids.make());
        let watch = WATCH.max(pause.checked_div(LOOKS).unwrap_or(WATCH));
        let end = tokio::time::Instant::now().checked_add(pause)?;
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            tokio::time::sleep(left.min(watch)).await;
            match self.store.top_up(id).await {
                Ok(Some(TopUp { state: State::Charging(_), .. })) | Err(_) => {}
                Ok(Some(settled)) => return Some(settled.state),
                Ok(None) => {}
            }
            if left <= watch {
                return None;
            }
        }
    }

    async fn turn(&self, id: TopUpId, drive: &mut Drive) -> Result<Turn, PaymentAbort> {
        let gone = || PaymentAbort::unavailable("the top-up is gone");
        let top_up = self.store.top_up(id).await?.ok_or_else(gone)?;
        let State::Charging(claim) = top_up.state else { return Ok(Turn::Settled(top_up.state)) };
        #[cfg(debug_assertions)]
        if stripe402_mutant::mutant!("no_claim") {
            return self.turn_without_claim(top_up, drive).await;
        }
        let own = drive.held == Some(claim);
        if !own && claim.until_ms > self.clock.now_ms() {
            return Ok(Turn::Held);
        }
        let Some(mine) = self.take_claim(id, claim, claim.looking).await? else {
            return Ok(Turn::Held);
        };
        let looking = mine.looking;
        let (mine, answer) = self.renewing(id, mine, self.ask(&top_up, mine, own, drive)).await;
        drive.held = mine;
        let Some(mine) = mine else { return self.without_claim(id, answer).await };
        if looking {
            return self.conclude(&top_up, mine, answer).await;
        }
        match answer {
            // The key has ended: whoever sends it again hears the same.
            Asked::Answer(Err(Failure::Broken { cause, log })) => {
                let replayed = log.is_some() && log == drive.failed;
                drive.failed = log;
                let patience = match stripe402_mutant::mutant!("look_too_early") {
                    true => Duration::ZERO,
                    false => self.options.settle_after,
                };
                let stale = self.age(&top_up) > patience;
                if !replayed && !stale {
                    return Ok(Turn::Again(cause));
                }
                tracing::warn!(top_up = %id, cause, "a charge has no usable answer; looking for its PaymentIntent");
                drive.replayed = replayed;
                if stripe402_mutant::mutant!("give_up_unseen") {
                    return self.settle_claimed(id, mine, State::Lapsed).await;
                }
                self.begin_to_look(id, mine, drive).await
            }
            Asked::KeyTooOld => self.begin_to_look(id, mine, drive).await,
            // Of the very first attempt: nothing can be on its way from another one.
            Asked::Answer(Err(Failure::Account(cause))) if mine.epoch == 1 => {
                tracing::error!(
                    cause,
                    "Stripe refuses STRIPE_SECRET_KEY or its account: no card can be charged"
                );
                self.settle_claimed(id, mine, State::Lapsed).await
            }
            other => self.conclude(&top_up, mine, other).await,
        }
    }

    /// As it was before there were claims, for the simulation to find: each ledger goes by the record as
    /// it read it first, and closes it when it has looked.
    #[cfg(debug_assertions)]
    async fn turn_without_claim(
        &self,
        now: TopUp,
        drive: &mut Drive,
    ) -> Result<Turn, PaymentAbort> {
        let top_up = drive.first.get_or_insert(now).clone();
        let claim = Claim { epoch: 2, ..Claim::default() };
        let asked = self.ask(&top_up, claim, true, drive).await;
        let answer = match asked {
            Asked::Answer(Err(Failure::Broken { .. })) => self.look_for(&top_up).await.transpose(),
            Asked::Answer(answer) => Some(answer),
            _ => self.look_for(&top_up).await.transpose(),
        };
        let Some(answer) = answer else {
            return self.close(top_up.id, State::Lapsed).await.map(Turn::Settled);
        };
        match next(top_up.account.currency, answer, false) {
            Next::Become(state) => self.close(top_up.id, state).await.map(Turn::Settled),
            Next::Again(cause) => Ok(Turn::Again(cause)),
        }
    }

    /// One question to Stripe: the charge, or what its list says of it.
    async fn ask(&self, top_up: &TopUp, mine: Claim, own: bool, drive: &mut Drive) -> Asked {
        if mine.looking {
            if !own && !drive.replayed && !stripe402_mutant::mutant!("look_too_early") {
                // Whoever held the claim before may have sent the key just now.
                tokio::time::sleep(self.options.in_flight).await;
            }
            return Asked::Found(self.look_for(top_up).await);
        }
        if self.age(top_up) > KEY_LIFE {
            return Asked::KeyTooOld;
        }
        let answer = self.ask_stripe(top_up, mine.epoch).await;
        crate::failpoint!("charged");
        if let Err(Failure::Card(decline)) = &answer {
            tracing::info!(top_up = %top_up.id, %decline, "a card was declined");
        }
        Asked::Answer(answer)
    }

    /// From here on nobody sends the key.
    async fn begin_to_look(
        &self,
        id: TopUpId,
        mine: Claim,
        drive: &mut Drive,
    ) -> Result<Turn, PaymentAbort> {
        // The claim is not held any more: the next turn, here or elsewhere, waits for what may be in
        // flight, unless a stored failure has shown that nothing is.
        drive.held = None;
        let now_ms = self.clock.now_ms();
        let looking = Claim { looking: true, until_ms: now_ms, ..mine.next(now_ms) };
        let (from, to) = (State::Charging(mine), State::Charging(looking));
        self.advance(id, Some(from), to).await?;
        Ok(Turn::Again("its PaymentIntent is looked for".to_owned()))
    }

    /// What an answer makes of the top-up, written only while the claim is held.
    async fn conclude(
        &self,
        top_up: &TopUp,
        mine: Claim,
        asked: Asked,
    ) -> Result<Turn, PaymentAbort> {
        let answer = match asked {
            Asked::Answer(answer) => answer,
            Asked::Found(Ok(Some(intent))) => Ok(intent),
            Asked::Found(Ok(None)) => {
                tracing::warn!(top_up = %top_up.id, "a top-up is given up: Stripe made no PaymentIntent");
                return self.settle_claimed(top_up.id, mine, State::Lapsed).await;
            }
            Asked::Found(Err(failure)) => return Ok(Turn::Again(failure.to_string())),
            Asked::KeyTooOld => return Ok(Turn::Again("its key is too old".to_owned())),
        };
        if let Err(Failure::Card(decline)) = &answer
            && wants_the_cardholder(top_up, decline)
        {
            let refusal = declined(None).because(Reason::AuthenticationRequired);
            let state = State::Refused { refusal: Box::new(refusal) };
            return self.settle_claimed(top_up.id, mine, state).await;
        }
        let open = answer.as_ref().ok().filter(|intent| intent.status == IntentStatus::Open);
        let open = open.map(|intent| intent.id.clone());
        match next(top_up.account.currency, answer, self.options.decline_details) {
            Next::Become(state) => self.settle_claimed(top_up.id, mine, state).await,
            Next::Again(cause) => match open {
                Some(intent) if self.age(top_up) > self.options.settle_after => {
                    self.cancel_open(top_up, mine, &intent).await
                }
                _ => Ok(Turn::Again(cause)),
            },
        }
    }

    /// A PaymentIntent that is neither done nor dead after so long will not be: its account must not
    /// wait for it.
    async fn cancel_open(
        &self,
        top_up: &TopUp,
        mine: Claim,
        intent: &str,
    ) -> Result<Turn, PaymentAbort> {
        let again = |cause: &str| Ok(Turn::Again(cause.to_owned()));
        let Ok(id) = intent.parse() else { return again("a PaymentIntent without an id") };
        // A key for each attempt: a stored failure must not block the account for a day.
        let key = format!("stripe402-cancel-{}-{}", top_up.id, self.ids.make());
        match self.provider.cancel(&id, &key).await {
            Ok(found) if found.status == IntentStatus::Succeeded => {
                self.credit(top_up.id, &found).await.map(Turn::Settled)
            }
            Ok(found) if found.status == IntentStatus::Canceled => {
                tracing::warn!(top_up = %top_up.id, intent, "a PaymentIntent stayed open too long and is cancelled");
                self.settle_claimed(top_up.id, mine, State::Lapsed).await
            }
            Ok(_) => again("its PaymentIntent cannot be cancelled"),
            Err(failure) => again(&failure.to_string()),
        }
    }

    /// Takes the claim of the record, or renews it; `None` if another ledger was quicker.
    async fn take_claim(
        &self,
        id: TopUpId,
        from: Claim,
        looking: bool,
    ) -> Result<Option<Claim>, PaymentAbort> {
        let lease = u64::try_from(CLAIM.as_millis()).unwrap_or(u64::MAX);
        let mut mine = from.next(self.clock.now_ms().saturating_add(lease));
        mine.looking = looking;
        let (from, to) = (State::Charging(from), State::Charging(mine));
        let taken = self.advance(id, Some(from), to.clone()).await?;
        Ok(taken.filter(|state| *state == to).map(|_| mine))
    }

    /// Settles a top-up under the claim. What Stripe took is credited, whoever holds it.
    async fn settle_claimed(
        &self,
        id: TopUpId,
        mine: Claim,
        to: State,
    ) -> Result<Turn, PaymentAbort> {
        let from = match &to {
            State::Credited { .. } => None,
            _ => Some(State::Charging(mine)),
        };
        let settled = self.advance(id, from, to).await?;
        crate::failpoint!("credited");
        Ok(settled.map_or(Turn::Held, Turn::Settled))
    }

    /// Another ledger took the claim while Stripe was asked. Only money that was taken counts.
    async fn without_claim(&self, id: TopUpId, asked: Asked) -> Result<Turn, PaymentAbort> {
        if let Asked::Answer(Ok(intent)) | Asked::Found(Ok(Some(intent))) = asked
            && intent.status == IntentStatus::Succeeded
        {
            return self.credit(id, &intent).await.map(Turn::Settled);
        }
        Ok(Turn::Held)
    }

    /// Renews the claim while something goes on; `None` in its place if it was lost.
    async fn renewing<T>(
        &self,
        id: TopUpId,
        claim: Claim,
        work: impl Future<Output = T>,
    ) -> (Option<Claim>, T) {
        let mut work = std::pin::pin!(work);
        let mut held = Some(claim);
        loop {
            let Some(claim) = held else { return (None, work.await) };
            match tokio::time::timeout(RENEWAL, work.as_mut()).await {
                Ok(done) => return (held, done),
                Err(_elapsed) => match self.take_claim(id, claim, claim.looking).await {
                    Ok(renewed) => held = renewed,
                    // The store is away: it holds until it has expired.
                    Err(_) if claim.until_ms > self.clock.now_ms() => {}
                    Err(_) => held = None,
                },
            }
        }
    }
}
