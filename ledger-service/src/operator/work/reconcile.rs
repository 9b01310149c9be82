//! Whether the books agree with Stripe, and posting what they lack.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Actor, Operations, OperatorError,
    view::{self, Reconciled},
};
use crate::{
    accounting::{Order, OrderKind},
    sync::{Difference, StripeSync},
};

impl Operations {
    /// Compares the books with Stripe from so long ago until now; with `repair`, posts what Stripe has
    /// and the books lack, on record.
    ///
    /// # Errors
    /// [`OperatorError`] if Stripe or the store cannot be asked.
    pub async fn reconcile(
        &self,
        actor: &Actor,
        since: Duration,
        repair: bool,
    ) -> Result<Reconciled, OperatorError> {
        let parts = self.parts.as_ref().ok_or_else(|| {
            OperatorError::Invalid("reconcile needs Stripe's key: set STRIPE_SECRET_KEY".to_owned())
        })?;
        let sync = &parts.sync;
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let since_ms = self.clock.now_ms().saturating_sub(since);
        let accounts = self.all_accounts().await?;
        let mut found = sync.differences(&accounts, since_ms).await?;
        let (mut repaired, mut failures) = (Vec::new(), Vec::new());
        if repair && !found.is_empty() {
            let order = Order {
                kind: OrderKind::Repair,
                subject: None,
                currency: None,
                units: None,
                reference: None,
                reason: Some(format!("{} differences with Stripe", found.len())),
            };
            let work = self.repair(sync, found, since_ms);
            (found, repaired, failures) = self.recorded(actor, order, work).await?;
        }
        let shown = |of: Vec<Difference>| of.into_iter().map(view::Difference::from).collect();
        Ok(Reconciled {
            differences: shown(found),
            repaired: shown(repaired),
            failures,
            other_books: sync.other_books(since_ms).await?,
        })
    }

    /// Posts what is missing; answers what is left, what was repaired, and what could not be. One that
    /// cannot be repaired now keeps none of the others from it.
    async fn repair(
        &self,
        sync: &StripeSync,
        mut found: Vec<Difference>,
        since_ms: u64,
    ) -> Result<(Repaired, String), OperatorError> {
        let (mut repaired, mut failures) = (Vec::new(), Vec::new());
        // Credits first: refunds and disputes are about them.
        for _ in 0..2 {
            failures.clear();
            for difference in &found {
                if let Err(cause) = sync.repair(difference).await {
                    let (problem, of) = (difference.problem.as_str(), &difference.reference);
                    failures.push(format!("{problem} {of}: {cause}"));
                }
            }
            let accounts = self.all_accounts().await?;
            let left = sync.differences(&accounts, since_ms).await?;
            let open: BTreeSet<_> = left.iter().map(name).collect();
            repaired
                .extend(found.into_iter().filter(|difference| !open.contains(&name(difference))));
            found = left;
            if found.is_empty() {
                break;
            }
        }
        let detail = format!("{} repaired, {} left", repaired.len(), found.len());
        Ok(((found, repaired, failures), detail))
    }
}

fn name(difference: &Difference) -> (&'static str, &str) {
    (difference.problem.as_str(), &difference.reference)
}

/// What is left, what was repaired, and why something was not.
type Repaired = (Vec<Difference>, Vec<Difference>, Vec<String>);
