//! A charge that turns up although it was given up, when another one had taken its place.
//!
//! It is credited all the same: what Stripe took is the client's. But the card paid twice for one
//! wish, and an operator should give one back.

use super::{Halt, Payments};
use crate::ledger::{Kind, TopUp};

impl Payments {
    /// Tells of it if this top-up, which was given up, is late and another has been credited since.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn report_if_charged_twice(
        &self,
        given_up: &TopUp,
        payment_intent: &str,
    ) -> Result<bool, Halt> {
        let movements = self.store.movements(given_up.account).await?;
        let twice = movements.iter().any(|movement| {
            movement.posting.kind == Kind::TopUp
                && movement.posting.reference != payment_intent
                && movement.at_ms >= given_up.created_ms
        });
        if twice {
            metrics::counter!("stripe402_charged_twice_total").increment(1);
            tracing::error!(
                top_up = %given_up.id,
                payment_intent,
                units = given_up.amount.get(),
                client = given_up.account.client.subject(),
                "a card was charged twice: a charge that was given up has succeeded; both are \
                 credited, refund one with stripe402-ledger client refund"
            );
        }
        Ok(twice)
    }
}
