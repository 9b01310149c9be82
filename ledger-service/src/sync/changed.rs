//! What was made before the moment from which Stripe lists, and changed since.

use std::collections::BTreeSet;

use stripe402_protocol::PaymentIntentId;

use super::{StripeSync, compare::Index};
use crate::{
    postings::Unavailable,
    stripe::{Changed, Dispute, Failure, Intent, Refund, patiently},
};

impl StripeSync {
    /// Those that were listed, and those that succeeded since they were made.
    pub(super) async fn with_changed_intents(
        &self,
        mut listed: Vec<Intent>,
        changed: &Changed,
    ) -> Result<Vec<Intent>, Unavailable> {
        let known: BTreeSet<_> = listed.iter().map(|intent| intent.id.clone()).collect();
        for id in changed.intents.difference(&known) {
            let Ok(id) = id.parse::<PaymentIntentId>() else { continue };
            listed.extend(there(patiently(|| self.provider.intent(&id)).await)?);
        }
        Ok(listed)
    }

    /// Those that were listed, and those that failed or went another way since. One that was made after
    /// the list is left out: the books were read before it.
    pub(super) async fn with_changed_refunds(
        &self,
        mut listed: Vec<Refund>,
        changed: &Changed,
        index: &Index,
    ) -> Result<Vec<Refund>, Unavailable> {
        let known: BTreeSet<_> = listed.iter().map(|refund| refund.id.clone()).collect();
        for (intent, refunds) in &changed.refunds {
            if refunds.is_subset(&known) || !index.credits.contains_key(intent) {
                continue;
            }
            let Ok(intent) = intent.parse::<PaymentIntentId>() else { continue };
            let all =
                there(patiently(|| self.provider.refunds(&intent)).await)?.unwrap_or_default();
            listed.extend(
                all.into_iter()
                    .filter(|refund| refunds.contains(&refund.id) && !known.contains(&refund.id)),
            );
        }
        Ok(listed)
    }

    /// Those that were listed, and these.
    pub(super) async fn with_changed_disputes(
        &self,
        mut listed: Vec<Dispute>,
        others: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Dispute>, Unavailable> {
        let known: BTreeSet<_> = listed.iter().map(|dispute| dispute.id.clone()).collect();
        let others: BTreeSet<_> = others.into_iter().collect();
        for id in others.difference(&known) {
            listed.extend(there(patiently(|| self.provider.dispute(id)).await)?);
        }
        Ok(listed)
    }
}

/// Nothing where Stripe does not know it: it is of another account.
fn there<T>(found: Result<T, Failure>) -> Result<Option<T>, Unavailable> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Invalid(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}
