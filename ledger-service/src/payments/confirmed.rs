//! 3D Secure: a PaymentIntent that the cardholder has confirmed, or has not.

use stripe402_protocol::{Code, PaymentIntentId, Refusal};

use super::{CardPayments, PaymentAttempt};
use crate::{
    accounting::State,
    stripe::{Failure, patiently},
    topups::abort::{PaymentAbort, refuse, unconfirmed, unusable},
};

impl CardPayments {
    /// The client says that the cardholder has confirmed this PaymentIntent. If it was made here,
    /// for a top-up of this client, its outcome is settled, once. Answers whether it proves the
    /// card that is offered: it does if it was paid with that very PaymentMethod.
    ///
    /// Every receipt shows a PaymentIntent's id, so the id alone must serve, deduct and reveal
    /// nothing; all that is not ours gets one and the same answer.
    pub(super) async fn settle_confirmed(
        &self,
        attempt: &PaymentAttempt<'_>,
        id: &PaymentIntentId,
    ) -> Result<bool, PaymentAbort> {
        let intent = match self.look_up_intent(attempt.request, id).await? {
            Err(Failure::Invalid(_)) => return Err(refuse(foreign())),
            other => other.map_err(unusable)?,
        };
        let top_up = self.topups.top_up_of(&intent).await?;
        let top_up = top_up.filter(|top_up| top_up.account == attempt.account);
        let Some(top_up) = top_up else {
            return Err(refuse(foreign()));
        };
        let same_card = intent.card.as_deref() == Some(attempt.card.id.as_str());
        match self.topups.settle(top_up.id, &intent).await? {
            State::Credited { .. } => Ok(same_card),
            State::RequiresAction { .. } if same_card => {
                Err(refuse(unconfirmed(Some(intent.id), intent.client_secret)))
            }
            State::RequiresAction { .. } => Err(refuse(foreign())),
            State::Refused { refusal } => Err(refuse(*refusal)),
            State::Lapsed | State::Charging(_) => {
                Err(PaymentAbort::unavailable("the PaymentIntent is open"))
            }
        }
    }

    /// What the cardholder must confirm, as the client hears it.
    pub(super) async fn ask_cardholder(&self, intent: &str) -> Result<PaymentAbort, PaymentAbort> {
        let id = intent
            .parse()
            .map_err(|_| PaymentAbort::unavailable("a PaymentIntent without an id"))?;
        let intent = patiently(|| self.provider.intent(&id)).await.map_err(unusable)?;
        Ok(refuse(unconfirmed(Some(intent.id), intent.client_secret)))
    }
}

fn foreign() -> Refusal {
    let text = "this PaymentIntent is not a top-up of this card; nothing was charged: send the \
                paymentIntentId of the refusal together with the same card";
    Refusal::new(Code::PaymentFailed, text)
}
