//! Refunds as Stripe tells of them, whoever ordered them.

use stripe402_protocol::{PaymentIntentId, Units};

use super::{
    Refunds,
    hold_name::HoldName,
    holds::{open_holds, waiting_hold},
};
use crate::{
    accounting::{AccountKey, Kind, Posted, Posting},
    postings::{Unavailable, captured_for, has, movement_of, units, without_leases},
};

impl Refunds {
    /// Posts what Stripe knows of a PaymentIntent's refunds to the account that it credited.
    pub(crate) async fn post_refunds(
        &self,
        key: AccountKey,
        id: &PaymentIntentId,
    ) -> Result<(), Unavailable> {
        let refunds = self.provider.refunds(id).await?;
        for refund in refunds {
            let amount = units(key, &refund.id, &refund.currency, refund.amount_minor);
            let Some(amount) = amount else { continue };
            let movements = self.postings.movements(key).await?;
            let named = refund.hold.as_deref().and_then(|hold| hold.parse::<HoldName>().ok());
            // What names another charge's hold was altered: it is no order of ours.
            let ordered = named.filter(|hold| hold.intent == *id);
            let held = match &ordered {
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
                    self.postings.post(key, Kind::RefundFailed, &refund.id, amount).await?;
                }
                (Held::Captured, false) => {}
                (Held::Unknown, false) => {
                    self.post_unheld(key, &refund.id, amount, ordered.is_some()).await?;
                }
                (Held::Unknown, true) => {
                    // What it took, which may be less than what it was about.
                    let taken = movement_of(&movements, Kind::Refund, &refund.id);
                    if let Some(taken) = taken.map(|movement| movement.posting.amount) {
                        self.postings.post(key, Kind::RefundFailed, &refund.id, taken).await?;
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
        let (kind, reference) = (Kind::Refund, refund.to_owned());
        if self.store.movement(key, kind, refund).await?.is_some() {
            return Ok(());
        }
        if ordered || self.options.refund_debt {
            return self.postings.post(key, kind, refund, amount).await;
        }
        // What is leased is there, too.
        without_leases(&*self.store, key, Some(amount)).await?;
        let note = Some(format!("at most, of {amount} units"));
        let posting = Posting { kind, reference, amount, note };
        match self.store.post_up_to(key, posting).await? {
            Posted::Done(_) => {
                tracing::info!(subject = key.client.subject(), ?kind, refund, "refund posted");
            }
            Posted::Repeated(_) => {}
            Posted::Refused(refusal) => {
                tracing::error!(
                    subject = key.client.subject(),
                    refund,
                    ?refusal,
                    "refund refused by the books; run reconcile"
                );
            }
        }
        Ok(())
    }

    /// Settles the hold of a refund that an operator asked for: captured if the money went, released
    /// if it did not. The capture's note names the refund: its metadata may be gone later, or be on
    /// another one.
    pub(crate) async fn settle_hold(
        &self,
        key: AccountKey,
        hold: &HoldName,
        amount: Units,
        went: bool,
        refund: &str,
    ) -> Result<Held, Unavailable> {
        let movements = self.postings.movements(key).await?;
        let open = open_holds(&movements).iter().any(|(name, of)| name == hold && *of == amount);
        if !open {
            let captured = captured_for(&movements, refund);
            return Ok(if captured { Held::Captured } else { Held::Unknown });
        }
        // It has been taken from the balance already, as a refund that nobody here had asked for: the
        // books come from a backup of before the order.
        let taken = has(&movements, Kind::Refund, refund);
        let kind = if went && !taken { Kind::Capture } else { Kind::Release };
        let note = Some(refund.to_owned());
        self.postings
            .post_noted(key, Posting { kind, reference: hold.to_string(), amount, note })
            .await?;
        Ok(Held::Settled)
    }
}

/// How the hold stands that a refund was to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It was open, and is settled now.
    Settled,
    /// It was captured before.
    Captured,
    /// There is none, or it was released: the refund takes from the balance like any other.
    Unknown,
}
