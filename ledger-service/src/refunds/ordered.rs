//! Refunds of unused credits to the cards that paid for them.
//!
//! An amount is held first, and durably; then Stripe is asked, with a key made of the hold's name;
//! then the hold is captured. Whatever is cut off in between is finished by the next refund of the
//! account, by Stripe's own events, or by reconciling: each looks at the same hold and uses the
//! same key, so the card gets the money once, and the balance pays for it once.

use std::{collections::BTreeSet, time::Duration};

use stripe402_protocol::{PaymentIntentId, Units};

use super::{
    RefundError, Refunded, Refunds,
    hold_name::HoldName,
    holds::{captured, open_holds, planned, refunds_in},
    plan::Plan,
};
use crate::{
    accounting::{Account, AccountKey, Kind, Movement, PostRefusal, Posted, Posting},
    postings::{Unavailable, is_disputed, operators_word, without_leases},
    stripe::{Failure, NewRefund, Refund, jittered},
};

/// How often Stripe is asked before the hold is left for later.
const ATTEMPTS: u32 = 6;

impl Refunds {
    /// Refunds `amount`, or all that was paid for and is not spent, newest card charge first. What is below the
    /// smallest amount that Stripe refunds stays, and so does what no card charge can take.
    ///
    /// `name` names this refund. What is refunded to which charge is decided once, in one transaction, before
    /// Stripe hears of it; asked for again, the same plan is carried out to its end, and nothing else.
    /// Answers all that was refunded under this name.
    ///
    /// With `agreed`, as [`Self::preview`] said it, these parts are refunded or none.
    ///
    /// # Errors
    /// [`RefundError`].
    pub async fn refund(
        &self,
        key: AccountKey,
        amount: Option<Units>,
        name: &str,
        agreed: Option<&[Refunded]>,
    ) -> Result<Vec<Refunded>, RefundError> {
        let movements = self.postings.movements(key).await?;
        let plan = match planned(&movements, name) {
            Some(_) => Ok(()),
            None => self.plan_refund(key, amount, name, agreed, &movements).await,
        };
        // Whatever came of it: somebody else may have planned it at the same time.
        let movements = self.postings.movements(key).await?;
        if !is_planned(&movements, key, amount, name)? {
            plan?;
        }
        let open = open_holds(&movements).into_iter();
        for (hold, part) in open.filter(|(hold, _)| hold.refund == name) {
            self.pay_back(key, &hold, part).await?;
        }
        Ok(captured(&self.postings.movements(key).await?, name))
    }

    /// What such a refund would give back, to which card charges; what it gives back, if it was planned before.
    /// Nothing is held, and Stripe is not asked for anything.
    ///
    /// # Errors
    /// [`RefundError`].
    pub async fn preview(
        &self,
        key: AccountKey,
        amount: Option<Units>,
        name: &str,
    ) -> Result<Vec<Refunded>, RefundError> {
        let movements = self.postings.movements(key).await?;
        if !is_planned(&movements, key, amount, name)? {
            return self.parts(key, amount, &movements).await;
        }
        let open = open_holds(&movements).into_iter().filter(|(hold, _)| hold.refund == name);
        let open = open.map(|(hold, amount)| Refunded::to(&hold.intent, amount));
        Ok(captured(&movements, name).into_iter().chain(open).collect())
    }

    /// Holds what is to be refunded to each card charge, all of it or nothing.
    async fn plan_refund(
        &self,
        key: AccountKey,
        amount: Option<Units>,
        name: &str,
        agreed: Option<&[Refunded]>,
        movements: &[Movement],
    ) -> Result<(), RefundError> {
        let parts = self.parts(key, amount, movements).await?;
        if agreed.is_some_and(|agreed| agreed != parts) {
            return Err(RefundError::Changed);
        }
        let mut postings = vec![Plan { refund: name.to_owned(), asked: amount }.posting()];
        for Refunded { payment_intent, amount } in parts {
            let Ok(intent) = payment_intent.parse() else { continue };
            let reference = HoldName::new(intent, name).to_string();
            postings.push(Posting { kind: Kind::Hold, reference, amount, note: None });
        }
        match self.store.post_together(key, postings).await? {
            // Planned, here or elsewhere at the same time.
            Posted::Done(_) | Posted::Repeated(_) => Ok(()),
            // Spent meanwhile.
            Posted::Refused(PostRefusal::Insufficient) => {
                let account = self.store.account(key).await?;
                Err(RefundError::Insufficient(self.paid(key, account).await?))
            }
            Posted::Refused(_) => Err(Unavailable::Other(
                "the books refuse to hold the amount of this refund".to_owned(),
            )
            .into()),
        }
    }

    /// How much of a refund each card charge takes, newest first.
    async fn parts(
        &self,
        key: AccountKey,
        amount: Option<Units>,
        movements: &[Movement],
    ) -> Result<Vec<Refunded>, RefundError> {
        let mut account = self.store.account(key).await?;
        if account.frozen {
            return Err(frozen_by(movements));
        }
        // What is granted stays: so much must be there besides.
        let granted = self.store.balance(key).await?.grants.total();
        let needed = amount.map(|amount| amount.checked_add(granted).unwrap_or(Units::MAX));
        if needed.is_none_or(|needed| needed <= account.with_leases()) {
            account = without_leases(&*self.store, key, needed).await?;
        }
        let paid = self.paid(key, account).await?;
        let wanted = amount.unwrap_or(paid);
        if wanted > paid {
            return Err(RefundError::Insufficient(paid));
        }
        let (mut parts, mut left) = (Vec::new(), wanted);
        let top_ups = movements.iter().rev().filter(|of| of.posting.kind == Kind::TopUp);
        for top_up in top_ups {
            let Ok(intent) = top_up.posting.reference.parse::<PaymentIntentId>() else { continue };
            let most = key.currency.refundable_minor_units(left);
            if most == 0 {
                break;
            }
            let held = open_holds(movements).into_iter().filter(|(hold, _)| hold.intent == intent);
            let held = total(held.map(|(_, part)| key.currency.refundable_minor_units(part)))?;
            let left_there = less(self.refundable(&intent).await?, held)?;
            let minor = left_there.min(most);
            let Some(part) = key.currency.units(minor).filter(|part| !part.is_zero()) else {
                continue;
            };
            parts.push(Refunded::to(&intent, part));
            left = left.checked_sub(part).unwrap_or(Units::ZERO);
        }
        if parts.is_empty() { Err(RefundError::Nothing) } else { Ok(parts) }
    }

    /// How much of what is available was paid for: what was granted is not paid out.
    async fn paid(&self, key: AccountKey, account: Account) -> Result<Units, RefundError> {
        if stripe402_mutant::mutant!("grant_paid_out") {
            return Ok(account.available);
        }
        let balance = self.store.balance(key).await?;
        Ok(balance.grants.paid(&balance.account))
    }

    /// Finishes refunds of the account that were cut off, whatever their names.
    pub(crate) async fn finish_refunds(&self, key: AccountKey) -> Result<(), Unavailable> {
        let movements = self.postings.movements(key).await?;
        for (hold, amount) in open_holds(&movements) {
            self.pay_back(key, &hold, amount).await?;
        }
        Ok(())
    }

    /// What Stripe could still refund of a PaymentIntent, in minor units.
    async fn refundable(&self, intent: &PaymentIntentId) -> Result<i64, RefundError> {
        let found = self.provider.intent(intent).await.map_err(Unavailable::from)?;
        let refunds = self.provider.refunds(intent).await.map_err(Unavailable::from)?;
        let refunds = refunds.iter().filter(|refund| !refund.failed);
        let back = total(refunds.map(|refund| refund.amount_minor))?;
        Ok(less(found.received_minor, back)?.max(0))
    }

    /// Settles one hold with Stripe: `None` if the money could not go there.
    pub(crate) async fn pay_back(
        &self,
        key: AccountKey,
        hold: &HoldName,
        amount: Units,
    ) -> Result<Option<Refunded>, Unavailable> {
        let reference = hold.to_string();
        let wanted = NewRefund {
            intent: hold.intent.clone(),
            amount_minor: key.currency.refundable_minor_units(amount),
            hold: reference.clone(),
            subject: key.client.subject(),
            attempt: 0,
        };
        // Forgotten, this hold would be planned again: for another card charge perhaps, as Stripe says
        // that this one has been refunded.
        self.store.outlives_failover(key, Kind::Hold, &reference).await?;
        let in_books = refunds_in(&self.postings.movements(key).await?);
        let refund = self.ask_for_refund(wanted, &in_books).await?;
        crate::failpoint!("refunded");
        let went = refund.as_ref().is_some_and(|refund| !refund.failed);
        let id = refund.map(|refund| refund.id).unwrap_or_default();
        self.settle_hold(key, hold, amount, went, &id).await?;
        Ok(went.then(|| Refunded::to(&hold.intent, amount)))
    }

    /// The refund; `None` if Stripe refuses it. After a day the key is forgotten, so what there is
    /// already counts.
    async fn ask_for_refund(
        &self,
        mut wanted: NewRefund,
        known: &BTreeSet<String>,
    ) -> Result<Option<Refund>, Unavailable> {
        let mut pause = self.options.retry_first;
        let mut failed: Option<String> = None;
        for attempt in 1..=ATTEMPTS {
            let cause = match self.refund_once(&wanted, known).await {
                Ok(refund) => return Ok(Some(refund)),
                Err(Failure::Card(_) | Failure::Invalid(_)) => {
                    tracing::warn!(
                        hold = wanted.hold,
                        "Stripe refused a refund; its hold is released"
                    );
                    return Ok(None);
                }
                Err(Failure::Broken { cause, log }) => {
                    // The same failure again is stored under the key: nothing that was sent with it is
                    // under way any more, and no refund was found. The next key is as good.
                    if log.is_some() && log == failed {
                        wanted.attempt = wanted.attempt.saturating_add(1);
                    }
                    failed = log;
                    cause
                }
                Err(Failure::Unknown(cause) | Failure::Account(cause)) => cause,
            };
            let hold = &wanted.hold;
            tracing::warn!(hold, cause, attempt, "Stripe has not answered a refund yet");
            if attempt == ATTEMPTS {
                return Err(Unavailable::Other(cause));
            }
            tokio::time::sleep(jittered(pause, self.ids.make())).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(5));
        }
        Err(Unavailable::Other("Stripe gave no answer".to_owned()))
    }

    /// `in_books`: refunds that the books have.
    async fn refund_once(
        &self,
        wanted: &NewRefund,
        in_books: &BTreeSet<String>,
    ) -> Result<Refund, Failure> {
        // Only the refund itself can be refused for good. A key of another account does not find the
        // PaymentIntent either; that must not set free what has been paid.
        let known = self.provider.refunds(&wanted.intent).await;
        let known = known.map_err(|failure| Failure::Unknown(failure.to_string()))?;
        // One without metadata, of this amount, that the books do not have: somebody removed its name.
        let ours = |refund: &Refund| match &refund.hold {
            Some(hold) => *hold == wanted.hold,
            None => refund.amount_minor == wanted.amount_minor && !in_books.contains(&refund.id),
        };
        let again = stripe402_mutant::mutant!("refund_unseen");
        if let Some(refund) = known.into_iter().find(|refund| !again && ours(refund)) {
            return Ok(refund);
        }
        self.provider.refund(wanted).await
    }
}

/// Whether a refund of this name was planned.
///
/// # Errors
/// [`RefundError::Conflict`] if it was of another amount.
fn is_planned(
    movements: &[Movement],
    key: AccountKey,
    amount: Option<Units>,
    name: &str,
) -> Result<bool, RefundError> {
    match planned(movements, name) {
        Some(Plan { refund: name, asked }) if asked != amount => {
            Err(RefundError::Conflict { name, asked, currency: key.currency })
        }
        known => Ok(known.is_some()),
    }
}

/// The sum of amounts in minor units. What cannot be added up is not refunded.
fn total(mut amounts: impl Iterator<Item = i64>) -> Result<i64, RefundError> {
    amounts.try_fold(0_i64, i64::checked_add).ok_or(RefundError::TooLarge)
}

/// One amount in minor units less another.
fn less(amount: i64, other: i64) -> Result<i64, RefundError> {
    amount.checked_sub(other).ok_or(RefundError::TooLarge)
}

/// Who has frozen the account. A dispute freezes every account of its client, so it need not be among
/// this one's movements: what no operator has frozen, a dispute has.
fn frozen_by(movements: &[Movement]) -> RefundError {
    match operators_word(movements) {
        Some(true) if !is_disputed(movements) => RefundError::Frozen,
        _ => RefundError::Disputed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_added_exactly_or_not_at_all() {
        assert_eq!(total([500, 700].into_iter()).unwrap(), 1_200);
        assert_eq!(less(500, 700).unwrap(), -200);
        // Definite: the next try would have the same amounts.
        assert!(matches!(total([i64::MAX, 1].into_iter()), Err(RefundError::TooLarge)));
        assert!(matches!(less(i64::MIN, 1), Err(RefundError::TooLarge)));
    }
}
