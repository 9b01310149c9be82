//! Keys that top up by themselves: what a card has agreed to is begun once for each time that its owner runs low.
//!
//! The key says what is begun, and under which id, before anything else is done: whoever finds it begun, here or in
//! another ledger, opens the same top-up, and one is charged. It is counted in the month by the same step.

use std::{collections::BTreeMap, sync::Arc};

use stripe402_protocol::message::AutoTopUpOff;

use super::{PaymentAbort, TopUps, abort::given_up, under_way::RunningTopUp};
use crate::{
    accounting::{
        Account, AccountKey, AutoTopUp, Key, KeyHash, Kind, Opened, State, TopUp, TopUpId,
    },
    keys::{RunsLow, edited},
    stripe::Decline,
};

/// So many keys are seen to at once, by one ledger. What does not fit is begun after the next deduction.
const MOST_AT_ONCE: usize = 64;

/// So many top-ups of one key follow each other at once; after them the next deduction begins one.
const MOST_IN_A_ROW: usize = 8;

/// Marks a key as seen to here, for as long as it lives.
struct SeenTo {
    topups: Arc<TopUps>,
    key: KeyHash,
}

impl SeenTo {
    /// `None` if the key is seen to already: then it is looked at once more, before that ends.
    fn mark(topups: &Arc<TopUps>, key: KeyHash) -> Option<Self> {
        let new = |seen: &mut BTreeMap<_, _>| match seen.get_mut(&key) {
            Some(again) => {
                *again = true;
                false
            }
            None => seen.len() < MOST_AT_ONCE && seen.insert(key, false).is_none(),
        };
        let new = topups.running_low.lock().is_ok_and(|mut seen| new(&mut seen));
        new.then(|| Self { topups: Arc::clone(topups), key })
    }

    /// Whether to look once more. If not, the mark is gone.
    fn again(&self) -> bool {
        let mut seen = match self.topups.running_low.lock() {
            Ok(seen) => seen,
            Err(_) => return false,
        };
        let again = seen.get_mut(&self.key).is_some_and(std::mem::take);
        if !again {
            seen.remove(&self.key);
        }
        again
    }
}

impl Drop for SeenTo {
    fn drop(&mut self) {
        if let Ok(mut seen) = self.topups.running_low.lock() {
            seen.remove(&self.key);
        }
    }
}

impl RunsLow for TopUps {
    fn runs_low(self: Arc<Self>, key: KeyHash) {
        // A ledger that stops begins nothing: another one does.
        if self.tasks.is_closed() {
            return;
        }
        let Some(mark) = SeenTo::mark(&self, key) else { return };
        let this = Arc::clone(&self);
        self.tasks.spawn(async move {
            loop {
                if let Err(cause) = this.see_to(key).await {
                    tracing::warn!(key = key.id(), ?cause, "a key could not top up");
                }
                if !mark.again() {
                    break;
                }
            }
        });
    }
}

impl TopUps {
    /// Tops up, if the key may, until its owner is short no more: requests that came while a card was charged
    /// may have spent what that brought. The end of the one before may not be written yet, where a ledger was killed.
    async fn see_to(self: &Arc<Self>, hash: KeyHash) -> Result<(), PaymentAbort> {
        for _ in 0..MOST_IN_A_ROW {
            if !self.top_up_by(hash).await? {
                break;
            }
        }
        Ok(())
    }

    /// Whether to look again: a card was charged, or all that it did was to write the end of an earlier top-up.
    async fn top_up_by(self: &Arc<Self>, hash: KeyHash) -> Result<bool, PaymentAbort> {
        let Some(key) = self.store.key(hash).await? else { return Ok(false) };
        let Some(auto) = key.auto_top_up.as_ref() else { return Ok(false) };
        if key.tops_up_below(self.clock.now_ms()).is_none() {
            return Ok(false);
        }
        let of = AccountKey { client: key.owner, currency: key.currency };
        let account = self.store.account(of).await?;
        if self.was_frozen(of, &account, auto).await? {
            self.switch_off(hash, AutoTopUpOff::Frozen).await?;
            return Ok(false);
        }
        let again = stripe402_mutant::mutant!("auto_twice");
        let is_short = account.with_leases() < auto.below && account.debt.is_zero();
        if !is_short && !again {
            return Ok(false);
        }
        let Some((id, key)) = self.begin(hash).await? else { return Ok(false) };
        crate::failpoint!("auto_begun");
        let mark = RunningTopUp::mark(self, id);
        let now_ms = self.clock.now_ms();
        let Some(mut wanted) = key.wanted(hash, id, now_ms) else { return Ok(false) };
        if again {
            wanted.needed = stripe402_protocol::Units::MAX;
        }
        // What does not open it now leaves it begun: whoever sees the owner short next goes on with it.
        let Opened::New(top_up) = self.store.open_top_up(wanted).await? else { return Ok(false) };
        let ended_before = top_up.state.is_finished();
        crate::failpoint!("opened");
        let (state, asked) = self.carried_out(top_up, mark).await?;
        self.note_end(hash, id, &state, asked).await?;
        Ok(ended_before || matches!(state, State::Credited { .. }))
    }

    /// Whether the client is, or was frozen since the card has agreed.
    async fn was_frozen(
        &self,
        of: AccountKey,
        account: &Account,
        auto: &AutoTopUp,
    ) -> Result<bool, PaymentAbort> {
        if account.frozen || self.postings.is_frozen_elsewhere(of).await? {
            return Ok(true);
        }
        let movements = self.store.movements(of).await?;
        let freezes = movements.iter().filter(|movement| movement.posting.kind == Kind::Freeze);
        Ok(freezes.into_iter().any(|freeze| freeze.at_ms >= auto.since_ms))
    }

    /// Writes on the key which top-up is begun; the one that is already, if there is one.
    async fn begin(&self, hash: KeyHash) -> Result<Option<(TopUpId, Key)>, PaymentAbort> {
        let (fresh, now_ms) = (TopUpId(self.ids.make()), self.clock.now_ms());
        if stripe402_mutant::mutant!("auto_twice") {
            return Ok(self.store.key(hash).await?.map(|key| (fresh, key)));
        }
        let begun = |key: &Key| key.begun_as(fresh, now_ms);
        let key = edited(&*self.store, hash, |key| begun(&key).map_or(key, |(_, after)| after));
        let key = key.await?;
        let id = key.auto_top_up.as_ref().and_then(|auto| auto.begun);
        // It may have been revoked, or switched off, while it was begun.
        Ok(id.filter(|_| begun(&key).is_some()).map(|id| (id, key)))
    }

    /// How it ended, and whether its cardholder was asked for: nobody is there, so it is given up then.
    async fn carried_out(
        self: &Arc<Self>,
        top_up: TopUp,
        mark: Option<RunningTopUp>,
    ) -> Result<(State, bool), PaymentAbort> {
        let id = top_up.id;
        match Arc::clone(self).until_known(top_up, mark).await {
            State::RequiresAction { payment_intent } => {
                Ok((self.abandon(id, &payment_intent, given_up()).await?, true))
            }
            state => {
                let asked = matches!(&state, State::Refused { refusal }
                    if refusal.reason == Some(stripe402_protocol::Reason::AuthenticationRequired));
                Ok((state, asked))
            }
        }
    }

    async fn note_end(
        &self,
        hash: KeyHash,
        id: TopUpId,
        state: &State,
        asked: bool,
    ) -> Result<(), PaymentAbort> {
        let now_ms = self.clock.now_ms();
        let charged = matches!(state, State::Credited { .. });
        let off = match (state, asked) {
            (State::Refused { .. }, true) => Some(AutoTopUpOff::AuthenticationRequired),
            (State::Refused { .. }, false) => Some(AutoTopUpOff::Declined),
            _ => None,
        };
        let result = off.map_or(if charged { "charged" } else { "failed" }, |_| "declined");
        metrics::counter!("stripe402_auto_top_ups_total", "result" => result).increment(1);
        let after = |key: Key| {
            // Of another agreement than this one's nothing is switched off.
            let own = key.auto_top_up.as_ref().is_some_and(|auto| auto.begun == Some(id));
            let key = key.topped_up(id, charged);
            match off.filter(|_| own) {
                Some(reason) => key.tops_up_no_more(reason, now_ms),
                None => key,
            }
        };
        edited(&*self.store, hash, after).await?;
        Ok(())
    }

    async fn switch_off(&self, hash: KeyHash, reason: AutoTopUpOff) -> Result<(), PaymentAbort> {
        let now_ms = self.clock.now_ms();
        edited(&*self.store, hash, |key| key.tops_up_no_more(reason, now_ms)).await?;
        tracing::info!(key = hash.id(), ?reason, "a key tops up no more");
        Ok(())
    }
}

/// Whether a bank wants the cardholder: as a decline, since Stripe is told that nobody is there.
pub(super) fn wants_the_cardholder(top_up: &TopUp, decline: &Decline) -> bool {
    top_up.by_key().is_some() && decline.code == "authentication_required"
}
