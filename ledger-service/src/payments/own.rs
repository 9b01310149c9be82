//! Whose card it is, of somebody who wants to do something with the account and buys nothing.

use std::sync::Arc;

use stripe402_protocol::{
    ClientId, Currency, PaymentMethodId, Units,
    message::{self, CardPayment, KeyRequest},
};

use super::{CardPayments, limits::Attempt};
use crate::{
    stripe::Card,
    topups::abort::{PaymentAbort, refuse, unaccepted},
};

/// What a top-up would be, so that the request is one; there is none.
const LEAST: Units = Units::from_u32(50_000);

impl CardPayments {
    /// The client of this card, and the card. It is verified for the client whatever the operator wants of payments: whoever
    /// merely knows the card's number must not manage its owner's keys. Counts as a card payment does.
    ///
    /// # Errors
    /// [`PaymentAbort`] if the card is no card, is declined, must be confirmed, or has no answer in time.
    pub(crate) async fn owner(
        self: &Arc<Self>,
        asked: &KeyRequest,
        card: PaymentMethodId,
    ) -> Result<(ClientId, Card), PaymentAbort> {
        let request = CardPayment {
            version: message::VERSION,
            deduction_id: asked.id,
            instrument: card.into(),
            price: Units::ZERO,
            currency: Currency::USD,
            min_top_up: LEAST,
            max_top_up: Units::MAX,
            route: String::new(),
            top_up_amount: None,
            payment_intent_id: None,
            idempotency_key: None,
            source: asked.source.clone(),
            live: asked.live,
            hold: None,
            trial: None,
        };
        let found = async {
            self.check_mode(&request)?;
            let mut attempt = self.receive(&request).await?;
            if !attempt.proven {
                let tried = Attempt::of(&attempt);
                self.verify_at_stripe(&mut attempt, tried).await?;
            }
            match attempt.proven {
                true => Ok((attempt.account.client, attempt.card)),
                false => Err(refuse(unaccepted())),
            }
        };
        let in_time = tokio::time::timeout(self.options.deadline, found).await;
        in_time.unwrap_or_else(|_| Err(PaymentAbort::unavailable("the deadline passed")))
    }
}
