//! A PaymentMethod proves nothing by existing.
//!
//! Anyone who knows a card number can make one, with a wrong CVC, and its fingerprint is the
//! owner's. So before a PaymentMethod that has never paid for this client may touch the client's
//! balance, Stripe verifies it: by the top-up's own charge where one is needed, else by a
//! confirmed SetupIntent. Either attaches it to the client's customer, which only we can do; an
//! attached one is proven for good.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use stripe402_protocol::{Instrument, PaymentMethodId};

use super::{CardPayments, PaymentAttempt, limits::Attempt, verifying::Verifying};
use crate::{
    stripe::{Failure, Verification, patiently},
    topups::abort::{PaymentAbort, declined, refuse, unconfirmed, unusable},
};

impl CardPayments {
    /// Verifies the card if the balance would pay without charging it.
    pub(super) async fn verify_card_if_balance_suffices(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
    ) -> Result<(), PaymentAbort> {
        if attempt.proven {
            return Ok(());
        }
        // Nothing but a charge verifies a token.
        if attempt.card.id.is_token()
            || self.store.account(attempt.account).await?.available < attempt.request.price
        {
            return Ok(());
        }
        self.prove(attempt).await
    }

    /// Verifies the card, unless it is proven or operators do not want that. A token stays as it is: only a
    /// charge could verify it.
    pub(super) async fn prove(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
    ) -> Result<(), PaymentAbort> {
        if attempt.proven {
            return Ok(());
        }
        if !self.options.verify_cards {
            attempt.proven = true;
            return Ok(());
        }
        let tried = Attempt::of(attempt);
        self.verify_at_stripe(attempt, tried).await
    }

    /// Verifies the card at Stripe, unless it has been meanwhile, and counts that as this.
    pub(super) async fn verify_at_stripe(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
        tried: Attempt,
    ) -> Result<(), PaymentAbort> {
        let Instrument::PaymentMethod(id) = attempt.card.id.clone() else { return Ok(()) };
        // Of many requests at once with one new card, one verifies it. The others looked at the card
        // before that, and look again now.
        let _turn = Verifying::turn(self, &id).await;
        let card = self.provider.card(&id).await.map_err(unusable)?;
        let customer = self.store.customer(attempt.account.client).await?;
        if card.customer.is_some() && card.customer == customer {
            attempt.proven = true;
            return Ok(());
        }
        self.may_try(tried).await?;
        self.count_attempt(tried).await?;
        let needed_for = attempt.request.deduction_id.to_string();
        let customer = self.topups.customer(attempt.account.client, &needed_for).await;
        let customer = customer.map_err(unusable_here)?;
        match self.verify(attempt, &id, &customer, &needed_for).await {
            Ok(Verification::Verified) => {
                attempt.proven = true;
                Ok(())
            }
            Ok(Verification::RequiresAction(secret)) => Err(refuse(unconfirmed(None, secret))),
            Ok(Verification::Failed) => {
                self.count_decline(tried).await;
                Err(refuse(declined(None)))
            }
            Err(Failure::Card(decline)) => {
                self.count_decline(tried).await;
                tracing::info!(%decline, "a card was declined");
                Err(refuse(declined(Some(&decline).filter(|_| self.options.decline_details))))
            }
            Err(other) => Err(unusable(other)),
        }
    }

    /// Verifies the card for this customer, or for another one if this one is gone at Stripe.
    async fn verify(
        &self,
        attempt: &PaymentAttempt<'_>,
        card: &PaymentMethodId,
        customer: &str,
        needed_for: &str,
    ) -> Result<Verification, Failure> {
        let key = format!("stripe402-verify-{needed_for}");
        match self.verify_patiently(customer, card, &key).await {
            Err(Failure::Invalid(code)) if code == "resource_missing" => {
                let client = attempt.account.client;
                match self.topups.replace_if_gone(client, customer, needed_for).await? {
                    Some(other) => {
                        self.provider.verify(&other, card, &format!("{key}-again")).await
                    }
                    None => Err(Failure::Invalid(code)),
                }
            }
            other => other,
        }
    }

    /// Repeats a verification that brought no answer, under its key; after a failure of Stripe's own,
    /// which may be stored under the key, under another one. Verifying twice does no harm.
    async fn verify_patiently(
        &self,
        customer: &str,
        card: &PaymentMethodId,
        key: &str,
    ) -> Result<Verification, Failure> {
        let failures = AtomicU32::new(0);
        let verify = || async {
            let key = match failures.load(Ordering::Relaxed) {
                0 => key.to_owned(),
                number => format!("{key}-{number}"),
            };
            let answer = self.provider.verify(customer, card, &key).await;
            if matches!(answer, Err(Failure::Broken { .. })) {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            answer
        };
        patiently(verify).await
    }
}

/// A customer that cannot be made is our trouble, not the card's.
fn unusable_here(failure: Failure) -> PaymentAbort {
    PaymentAbort::unavailable(failure.to_string())
}
