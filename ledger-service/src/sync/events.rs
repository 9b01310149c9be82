//! What Stripe tells of by itself: payments that ended, refunds, disputes.
//!
//! An event only says where to look. Events come late, twice and in any order; what is posted is
//! what Stripe says now, once per refund, and once per dispute and phase.

use stripe402_protocol::PaymentIntentId;

use super::StripeSync;
use crate::{
    accounting::{AccountKey, State},
    postings::Unavailable,
    stripe::{Failure, Intent, IntentStatus},
};

impl StripeSync {
    /// A PaymentIntent has ended, or failed.
    ///
    /// # Errors
    /// [`Unavailable`] if Stripe or the store cannot be asked: let Stripe tell again.
    pub async fn sync_intent(&self, id: &PaymentIntentId) -> Result<(), Unavailable> {
        let intent = match self.provider.intent(id).await {
            // Of another account, or of another product that is gone.
            Err(Failure::Invalid(_)) => return Ok(()),
            other => other?,
        };
        let found = self.topups.top_up_of(&intent).await?;
        let Some(top_up) = found else { return self.report_if_forgotten(&intent).await };
        // While it is charging its saga gets Stripe's answer itself; only what ended well is
        // worth being early. That counts even where the charge had been given up: the money was
        // taken.
        let settle = intent.status == IntentStatus::Succeeded
            || matches!(top_up.state, State::RequiresAction { .. });
        if settle {
            self.topups.settle(top_up.id, &intent).await?;
        }
        Ok(())
    }

    /// Something happened to a PaymentIntent's refunds.
    ///
    /// # Errors
    /// As [`StripeSync::sync_intent`].
    pub async fn sync_refunds(&self, id: &PaymentIntentId) -> Result<(), Unavailable> {
        let Some(key) = self.account_behind(id).await? else { return Ok(()) };
        self.refunds.post_refunds(key, id).await
    }

    /// Something happened to a dispute. While one is open the account is frozen: whoever disputes
    /// what was paid for should not go on spending it.
    ///
    /// # Errors
    /// As [`StripeSync::sync_intent`].
    pub async fn sync_dispute(&self, id: &str) -> Result<(), Unavailable> {
        let dispute = self.provider.dispute(id).await?;
        let Some(intent) = dispute.intent.as_deref().and_then(|id| id.parse().ok()) else {
            return Ok(());
        };
        let Some(key) = self.account_behind(&intent).await? else { return Ok(()) };
        self.post_dispute(key, &dispute).await
    }

    /// The account that a PaymentIntent is of. One whose top-up still waits for it is credited first:
    /// else what happens to it afterwards would have nothing to be about.
    pub(super) async fn account_behind(
        &self,
        id: &PaymentIntentId,
    ) -> Result<Option<AccountKey>, Unavailable> {
        if let Some(known) = self.store.payer(id.as_str()).await? {
            return Ok(Some(known));
        }
        let intent = match self.provider.intent(id).await {
            Err(Failure::Invalid(_)) => return Ok(None),
            other => other?,
        };
        let Some(top_up) = self.topups.top_up_of(&intent).await? else {
            self.report_if_forgotten(&intent).await?;
            return Ok(None);
        };
        if intent.status == IntentStatus::Succeeded {
            self.topups.settle(top_up.id, &intent).await?;
        }
        Ok(Some(top_up.account))
    }

    /// Money for a top-up of these books that is not in them any more: it ended without a charge more than
    /// 30 days ago, or the books come from a backup. Only an operator can tell what is right.
    async fn report_if_forgotten(&self, intent: &Intent) -> Result<(), Unavailable> {
        if intent.status == IntentStatus::Succeeded && self.may_be_lost(intent).await? {
            metrics::counter!("stripe402_top_ups_uncreditable_total").increment(1);
            tracing::error!(
                payment_intent = intent.id,
                "a card was charged for a top-up that the books have forgotten; run reconcile"
            );
        }
        Ok(())
    }
}
