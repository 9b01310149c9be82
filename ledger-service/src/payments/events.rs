//! What Stripe tells of by itself: payments that ended, refunds, disputes.
//!
//! An event only says where to look. Events come late, twice and in any order; what is posted is
//! what Stripe says now, once per refund, and once per dispute and phase.

use stripe402_protocol::{PaymentIntentId, Units};

use super::{
    Halt, Payments, Unavailable,
    answer::unusable,
    refunds::{is_about, open_holds},
};
use crate::{
    accounting::{AccountKey, Kind, Movement, Posted, Posting, State},
    stripe::{Failure, IntentStatus},
};

impl Payments {
    /// A PaymentIntent has ended, or failed.
    ///
    /// # Errors
    /// [`Unavailable`] if Stripe or the store cannot be asked: let Stripe tell again.
    pub async fn look_at_intent(&self, id: &PaymentIntentId) -> Result<(), Unavailable> {
        let intent = match self.provider.intent(id).await {
            // Of another account, or of another product that is gone.
            Err(Failure::Invalid(_)) => return Ok(()),
            other => other.map_err(|failure| later(unusable(failure)))?,
        };
        let found =
            self.top_up_of(&intent).await.map_err(|error| Unavailable(error.to_string()))?;
        let Some(top_up) = found else { return Ok(()) };
        // While it is charging its saga gets Stripe's answer itself; only what ended well is
        // worth being early. That counts even where the charge had been given up: the money was
        // taken.
        let settle = intent.status == IntentStatus::Succeeded
            || matches!(top_up.state, State::RequiresAction { .. });
        if settle {
            self.settle(top_up.id, &intent).await.map_err(later)?;
        }
        Ok(())
    }

    /// Something happened to a PaymentIntent's refunds.
    ///
    /// # Errors
    /// As [`Payments::look_at_intent`].
    pub async fn look_at_refunds(&self, id: &PaymentIntentId) -> Result<(), Unavailable> {
        let Some(key) = self.account_behind(id).await? else { return Ok(()) };
        self.post_refunds(key, id).await
    }

    /// Posts what Stripe knows of a PaymentIntent's refunds to the account that it credited.
    pub(super) async fn post_refunds(
        &self,
        key: AccountKey,
        id: &PaymentIntentId,
    ) -> Result<(), Unavailable> {
        let refunds = self.provider.refunds(id).await.map_err(|f| later(unusable(f)))?;
        for refund in refunds {
            let amount = units(key, &refund.id, &refund.currency, refund.amount_minor);
            let Some(amount) = amount else { continue };
            let movements = self.movements(key).await?;
            let held = match refund.hold.as_deref().filter(|hold| is_about(hold, id)) {
                _ if captured_for(&movements, &refund.id) => Held::Captured,
                _ if has(&movements, Kind::Refund, &refund.id) => Held::Unknown,
                Some(hold) => {
                    self.settle_hold(key, hold, amount, !refund.failed, &refund.id).await?
                }
                // Its metadata are gone, or never were: a hold that waits for just this is its own.
                None => match waiting_hold(&movements, id, amount).filter(|_| !refund.failed) {
                    Some(hold) => self.settle_hold(key, &hold, amount, true, &refund.id).await?,
                    None => Held::Unknown,
                },
            };
            match (held, refund.failed) {
                (Held::Settled, _) => {}
                // It was taken from the balance by its hold: what failed is credited.
                (Held::Captured, true) if stripe402_mutant::mutant!("failed_refund") => {}
                (Held::Captured, true) => {
                    self.post(key, Kind::RefundFailed, &refund.id, amount).await?;
                }
                (Held::Captured, false) => {}
                (Held::Unknown, false) => {
                    let ordered = refund.hold.as_deref().is_some_and(|hold| is_about(hold, id));
                    self.post_unheld(key, &refund.id, amount, ordered).await?;
                }
                (Held::Unknown, true) => {
                    // What it took, which may be less than what it was about.
                    let taken = movement_of(&movements, Kind::Refund, &refund.id);
                    if let Some(taken) = taken.map(|movement| movement.posting.amount) {
                        self.post(key, Kind::RefundFailed, &refund.id, taken).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A refund without a hold takes from the balance. One that was ordered here makes a debt of what
    /// is missing; any other is goodwill, unless the operator wants it otherwise.
    async fn post_unheld(
        &self,
        key: AccountKey,
        refund: &str,
        amount: Units,
        ordered: bool,
    ) -> Result<(), Unavailable> {
        let store = |error: crate::store::StoreError| Unavailable(error.to_string());
        let (kind, reference) = (Kind::Refund, refund.to_owned());
        if self.store.movement(key, kind, refund).await.map_err(store)?.is_some() {
            return Ok(());
        }
        if ordered || self.options.refund_debt {
            return self.post(key, kind, refund, amount).await;
        }
        let note = Some(format!("at most, of {amount} units"));
        let posting = Posting { kind, reference, amount, note };
        match self.store.post_up_to(key, posting).await.map_err(store)? {
            Posted::Done(_) => {
                tracing::info!(subject = key.client.subject(), ?kind, refund, "posted");
            }
            Posted::Repeated(_) => {}
            Posted::Refused(refusal) => {
                tracing::error!(subject = key.client.subject(), refund, ?refusal, "refused");
            }
        }
        Ok(())
    }

    /// Settles the hold of a refund that an operator asked for: captured if the money went, released
    /// if it did not. The capture's note names the refund: its metadata may be gone later, or be on
    /// another one.
    pub(super) async fn settle_hold(
        &self,
        key: AccountKey,
        hold: &str,
        amount: Units,
        went: bool,
        refund: &str,
    ) -> Result<Held, Unavailable> {
        let movements = self.movements(key).await?;
        let open =
            open_holds(&movements).into_iter().any(|(name, of)| name == hold && of == amount);
        if !open {
            let captured = captured_for(&movements, refund);
            return Ok(if captured { Held::Captured } else { Held::Unknown });
        }
        // It has been taken from the balance already, as a refund that nobody here had asked for: the
        // books come from a backup of before the order.
        let taken = has(&movements, Kind::Refund, refund);
        let kind = if went && !taken { Kind::Capture } else { Kind::Release };
        let note = Some(refund.to_owned());
        self.post_noted(key, Posting { kind, reference: hold.to_owned(), amount, note }).await?;
        Ok(Held::Settled)
    }

    /// Something happened to a dispute. While one is open the account is frozen: whoever disputes
    /// what was paid for should not go on spending it.
    ///
    /// # Errors
    /// As [`Payments::look_at_intent`].
    pub async fn look_at_dispute(&self, id: &str) -> Result<(), Unavailable> {
        let dispute = self.provider.dispute(id).await.map_err(|f| later(unusable(f)))?;
        let Some(intent) = dispute.intent.as_deref().and_then(|id| id.parse().ok()) else {
            return Ok(());
        };
        let Some(key) = self.account_behind(&intent).await? else { return Ok(()) };
        self.post_dispute(key, &dispute).await
    }

    pub(super) async fn post(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
        amount: Units,
    ) -> Result<(), Unavailable> {
        let posting = Posting { kind, reference: reference.to_owned(), amount, note: None };
        self.post_noted(key, posting).await
    }

    pub(super) async fn post_noted(
        &self,
        key: AccountKey,
        posting: Posting,
    ) -> Result<(), Unavailable> {
        let (kind, reference) = (posting.kind, posting.reference.clone());
        let posted = self.store.post(key, posting).await;
        match posted.map_err(|error| Unavailable(error.to_string()))? {
            Posted::Done(_) => {
                tracing::info!(subject = key.client.subject(), ?kind, reference, "posted");
            }
            Posted::Repeated(_) => {}
            Posted::Refused(refusal) => {
                // Nothing that telling again would mend: reconcile by hand.
                tracing::error!(
                    subject = key.client.subject(),
                    ?kind,
                    reference,
                    ?refusal,
                    "refused"
                );
            }
        }
        Ok(())
    }

    pub(super) async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, Unavailable> {
        self.store.movements(key).await.map_err(|error| Unavailable(error.to_string()))
    }
}

/// An amount of Stripe's in units of this account. One of another currency is never posted: it stays a
/// difference, for an operator to decide.
pub(super) fn units(key: AccountKey, of: &str, currency: &str, minor: i64) -> Option<Units> {
    if currency != key.currency.as_str() {
        let subject = key.client.subject();
        tracing::error!(of, currency, account = %key.currency, subject, "another currency: not posted");
        return None;
    }
    key.currency.units(minor)
}

pub(super) fn has(movements: &[Movement], kind: Kind, reference: &str) -> bool {
    movement_of(movements, kind, reference).is_some()
}

fn movement_of<'m>(movements: &'m [Movement], kind: Kind, reference: &str) -> Option<&'m Movement> {
    movements.iter().find(|m| m.posting.kind == kind && m.posting.reference == reference)
}

/// A hold of a refund of this PaymentIntent and amount that is open.
fn waiting_hold(movements: &[Movement], intent: &PaymentIntentId, amount: Units) -> Option<String> {
    let open = open_holds(movements).into_iter();
    open.filter(|(hold, of)| is_about(hold, intent) && *of == amount).map(|(hold, _)| hold).next()
}

/// Whether a hold was captured for this very refund.
pub(super) fn captured_for(movements: &[Movement], refund: &str) -> bool {
    movements
        .iter()
        .any(|m| m.posting.kind == Kind::Capture && m.posting.note.as_deref() == Some(refund))
}

/// How the hold stands that a refund was to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It was open, and is settled now.
    Settled,
    /// It was captured before.
    Captured,
    /// There is none, or it was released: the refund takes from the balance like any other.
    Unknown,
}

/// Stripe or the store cannot be asked now; a definite refusal will not get better.
pub(super) fn later(halt: Halt) -> Unavailable {
    match halt {
        Halt::Unavailable(cause) => cause,
        Halt::Refuse { refusal, .. } => Unavailable(refusal.error),
    }
}
