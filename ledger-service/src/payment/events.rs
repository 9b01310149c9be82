//! What Stripe tells of by itself: payments that ended, refunds, disputes.
//!
//! An event only says where to look. Events come late, twice and in any order; what is posted is
//! what Stripe says now, once per refund, and once per dispute and phase.

use stripe402_protocol::{PaymentIntentId, Units};

use super::{Halt, Payments, Unavailable, answer::unusable};
use crate::{
    ledger::{AccountKey, Kind, Movement, Posted, Posting, State, TopUp, TopUpId},
    stripe::{Dispute, DisputePhase, Intent, IntentStatus},
};

impl Payments {
    /// A PaymentIntent has ended, or failed.
    ///
    /// # Errors
    /// [`Unavailable`] if Stripe or the store cannot be asked: let Stripe tell again.
    pub async fn look_at_intent(&self, id: &PaymentIntentId) -> Result<(), Unavailable> {
        let Some((top_up, intent)) = self.top_up_behind(id).await? else { return Ok(()) };
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
            let Some(amount) = key.currency.units(refund.amount_minor) else { continue };
            let held = match &refund.hold {
                Some(hold) => self.settle_hold(key, hold, amount, !refund.failed).await?,
                None => Held::Unknown,
            };
            match (held, refund.failed) {
                (Held::Settled, _) => {}
                // It was taken from the balance by its hold: what failed is credited.
                (Held::Captured, true) => {
                    self.post(key, Kind::RefundFailed, &refund.id, amount).await?;
                }
                (Held::Captured, false) => {}
                (Held::Unknown, false) => self.post(key, Kind::Refund, &refund.id, amount).await?,
                (Held::Unknown, true) => {
                    if self.has(key, Kind::Refund, &refund.id).await? {
                        self.post(key, Kind::RefundFailed, &refund.id, amount).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Settles the hold of a refund that an operator asked for: captured if the money went, released
    /// if it did not.
    pub(super) async fn settle_hold(
        &self,
        key: AccountKey,
        hold: &str,
        amount: Units,
        went: bool,
    ) -> Result<Held, Unavailable> {
        if self.has(key, Kind::Capture, hold).await? {
            return Ok(Held::Captured);
        }
        if self.has(key, Kind::Release, hold).await? || !self.has(key, Kind::Hold, hold).await? {
            return Ok(Held::Unknown);
        }
        let kind = if went { Kind::Capture } else { Kind::Release };
        self.post(key, kind, hold, amount).await?;
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

    pub(super) async fn post_dispute(
        &self,
        key: AccountKey,
        dispute: &Dispute,
    ) -> Result<(), Unavailable> {
        if dispute.phase == DisputePhase::Inquiry {
            return Ok(());
        }
        let Some(amount) = key.currency.units(dispute.amount_minor) else { return Ok(()) };
        self.post(key, Kind::DisputeOpened, &dispute.id, amount).await?;
        match dispute.phase {
            DisputePhase::Won => self.post(key, Kind::DisputeWon, &dispute.id, amount).await?,
            DisputePhase::Lost => {
                self.post(key, Kind::DisputeLost, &dispute.id, Units::ZERO).await?;
            }
            DisputePhase::Open => {
                return self.post(key, Kind::Freeze, &dispute.id, Units::ZERO).await;
            }
            DisputePhase::Inquiry => {}
        }
        let movements = self.store.movements(key).await.map_err(|e| Unavailable(e.to_string()))?;
        if may_thaw(&movements, &dispute.id) {
            self.post(key, Kind::Unfreeze, &dispute.id, Units::ZERO).await?;
        }
        Ok(())
    }

    /// The top-up that a PaymentIntent was made for, if it is one of ours.
    async fn top_up_behind(
        &self,
        id: &PaymentIntentId,
    ) -> Result<Option<(TopUp, Intent)>, Unavailable> {
        let intent = self.provider.intent(id).await.map_err(|f| later(unusable(f)))?;
        Ok(self.record_of(&intent).await?.map(|top_up| (top_up, intent)))
    }

    /// The account that a PaymentIntent was credited to: its top-up's; or, where that record was lost
    /// and the credit restored from Stripe, the card's.
    async fn account_behind(
        &self,
        id: &PaymentIntentId,
    ) -> Result<Option<AccountKey>, Unavailable> {
        let intent = self.provider.intent(id).await.map_err(|f| later(unusable(f)))?;
        if let Some(top_up) = self.record_of(&intent).await? {
            return Ok(Some(top_up.account));
        }
        let Ok(currency) = intent.currency.parse() else { return Ok(None) };
        if intent.top_up.is_none() {
            return Ok(None);
        }
        let owner = self.owner_by_card(&intent).await?;
        let Some(key) = owner.map(|(client, _)| AccountKey { client, currency }) else {
            return Ok(None);
        };
        Ok(self.has(key, Kind::TopUp, id.as_str()).await?.then_some(key))
    }

    pub(super) async fn record_of(&self, intent: &Intent) -> Result<Option<TopUp>, Unavailable> {
        let Some(Ok(id)) = intent.top_up.as_deref().map(str::parse::<TopUpId>) else {
            return Ok(None);
        };
        self.store.top_up(id).await.map_err(|error| Unavailable(error.to_string()))
    }

    pub(super) async fn post(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
        amount: Units,
    ) -> Result<(), Unavailable> {
        let posting = Posting { kind, reference: reference.to_owned(), amount, note: None };
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

    pub(super) async fn has(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<bool, Unavailable> {
        let movements = self.store.movements(key).await.map_err(|e| Unavailable(e.to_string()))?;
        Ok(movements.iter().any(|m| m.posting.kind == kind && m.posting.reference == reference))
    }
}

/// Whether the end of this dispute ends the freeze: it began one, no other dispute is open, and no
/// operator has frozen the account.
fn may_thaw(movements: &[Movement], dispute: &str) -> bool {
    let all = |kind: Kind| {
        movements
            .iter()
            .filter(move |movement| movement.posting.kind == kind)
            .map(|movement| movement.posting.reference.as_str())
    };
    let closed =
        |id: &str| all(Kind::DisputeWon).chain(all(Kind::DisputeLost)).any(|closed| closed == id);
    let began = all(Kind::Freeze).any(|id| id == dispute);
    let others = all(Kind::DisputeOpened).any(|id| !closed(id));
    let operators = |movement: &&Movement| movement.posting.reference.starts_with("operator-");
    let last_word =
        movements.iter().rev().filter(operators).find_map(|movement| match movement.posting.kind {
            Kind::Freeze => Some(true),
            Kind::Unfreeze => Some(false),
            _ => None,
        });
    began && !others && last_word != Some(true)
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
