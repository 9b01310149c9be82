//! A PaymentMethod proves nothing by existing.
//!
//! Anyone who knows a card number can make one, with a wrong CVC, and its fingerprint is the
//! owner's. So before a PaymentMethod that has never paid for this client may touch the client's
//! balance, Stripe verifies it: by the top-up's own charge where one is needed, else by a
//! confirmed SetupIntent. Either attaches it to the client's customer, which only we can do; an
//! attached one is proven for good.

use super::{
    Halt, Payments, Visit,
    answer::{declined, refuse, unconfirmed, unusable},
};
use crate::stripe::{Failure, Verification};

impl Payments {
    /// Verifies the card if the balance would pay without charging it.
    pub(super) async fn prove_if_rich(&self, visit: &mut Visit<'_>) -> Result<(), Halt> {
        if visit.proven {
            return Ok(());
        }
        if self.store.account(visit.account).await?.available < visit.request.price {
            return Ok(());
        }
        let needed_for = visit.request.charge_id.to_string();
        let customer = self.customer(visit.account.client, &needed_for).await;
        let customer = customer.map_err(unusable_here)?;
        let key = format!("stripe402-verify-{}", visit.request.charge_id);
        match self.provider.verify(&customer, &visit.card.id, &key).await.map_err(unusable)? {
            Verification::Verified => {
                visit.proven = true;
                Ok(())
            }
            Verification::RequiresAction(secret) => Err(refuse(unconfirmed(None, secret))),
            Verification::Failed => Err(refuse(declined())),
        }
    }
}

/// A customer that cannot be made is our trouble, not the card's.
fn unusable_here(failure: Failure) -> Halt {
    Halt::unavailable(failure.to_string())
}
