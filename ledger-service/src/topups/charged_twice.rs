//! A charge that turns up although it was given up, when another one had taken its place.
//!
//! The card paid twice for one wish. What Stripe took is the client's, so it is credited; and it goes
//! back to the card at once, by the way of every refund: held first, so that it goes once.

use stripe402_protocol::PaymentIntentId;

use super::{PaymentAbort, TopUps};
use crate::{
    accounting::{Kind, Posted, Posting, TopUp},
    refunds::hold_name::HoldName,
};

/// The name of such a refund: none that an operator can give.
const NAME: &str = "charged~twice";

impl TopUps {
    /// Gives a late charge of a top-up back that was given up, if another has been credited since;
    /// answers whether it was such a one. Where its credits are spent already, an operator hears of it.
    ///
    /// # Errors
    /// The store's, and Stripe's: then its amount stays held, and reconciling finishes it.
    pub(crate) async fn give_back_if_charged_twice(
        &self,
        given_up: &TopUp,
        payment_intent: &str,
    ) -> Result<bool, PaymentAbort> {
        let movements = self.store.movements(given_up.account).await?;
        let credit = |of: &&Posting| of.kind == Kind::TopUp && of.reference == payment_intent;
        let postings = movements.iter().map(|movement| &movement.posting);
        let Some(amount) = postings.clone().find(credit).map(|credit| credit.amount) else {
            return Ok(false);
        };
        let twice = movements.iter().any(|movement| {
            movement.posting.kind == Kind::TopUp
                && movement.posting.reference != payment_intent
                && movement.at_ms >= given_up.created_ms
        });
        if !twice {
            return Ok(false);
        }
        let subject = given_up.account.client.subject();
        metrics::counter!("stripe402_charged_twice_total").increment(1);
        tracing::error!(
            top_up = %given_up.id,
            payment_intent,
            units = amount.get(),
            client = subject,
            "a card was charged twice: a charge that was given up has succeeded; it is refunded"
        );
        let Ok(intent) = payment_intent.parse::<PaymentIntentId>() else { return Ok(true) };
        let hold = HoldName::new(intent, NAME);
        let reference = hold.to_string();
        let posting = Posting { kind: Kind::Hold, reference, amount, note: None };
        match self.store.post(given_up.account, posting).await? {
            Posted::Done(_) | Posted::Repeated(_) => {
                self.refunds.pay_back(given_up.account, &hold, amount).await?;
            }
            Posted::Refused(refusal) => {
                tracing::error!(
                    payment_intent,
                    ?refusal,
                    client = subject,
                    "its credits are spent"
                );
            }
        }
        Ok(true)
    }
}
