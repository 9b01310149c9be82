//! 3D Secure: a PaymentIntent that the cardholder has confirmed, or has not.

use stripe402_protocol::{Code, PaymentIntentId, Refusal};

use super::{
    Halt, Payments, Visit,
    answer::{declined, refuse, unconfirmed, unusable},
    reads::patiently,
};
use crate::{
    accounting::{State, TopUpId},
    stripe::{Failure, Intent, IntentStatus},
};

impl Payments {
    /// The client says that the cardholder has confirmed this PaymentIntent. If it was made here,
    /// for a top-up of this client, its outcome is settled, once. Answers whether it proves the
    /// card that is offered: it does if it was paid with that very PaymentMethod.
    ///
    /// Every receipt shows a PaymentIntent's id, so the id alone must serve, deduct and reveal
    /// nothing; all that is not ours gets one and the same answer.
    pub(super) async fn settle_confirmed(
        &self,
        visit: &Visit<'_>,
        id: &PaymentIntentId,
    ) -> Result<bool, Halt> {
        let intent = match self.look_up_intent(visit.request, id).await? {
            Err(Failure::Invalid(_)) => return Err(refuse(foreign())),
            other => other.map_err(unusable)?,
        };
        let top_up = self.top_up_named(&intent).await?;
        let top_up = top_up.filter(|top_up| top_up.account == visit.account);
        let Some(top_up) = top_up else {
            return Err(refuse(foreign()));
        };
        let same_card = intent.card.as_deref() == Some(visit.card.id.as_str());
        match self.settle(top_up.id, &intent).await? {
            State::Credited { .. } => Ok(same_card),
            State::RequiresAction { .. } if same_card => {
                Err(refuse(unconfirmed(Some(intent.id), intent.client_secret)))
            }
            State::RequiresAction { .. } => Err(refuse(foreign())),
            State::Refused { refusal } => Err(refuse(*refusal)),
            State::Lapsed | State::Charging(_) => {
                Err(Halt::unavailable("the PaymentIntent is open"))
            }
        }
    }

    /// Brings a top-up in step with its PaymentIntent. One that was refused is cancelled first:
    /// whoever has its client secret could confirm it again, and pay for nothing.
    pub(super) async fn settle(&self, id: TopUpId, intent: &Intent) -> Result<State, Halt> {
        match intent.status {
            IntentStatus::Succeeded => self.credit(id, intent).await,
            IntentStatus::RequiresAction => {
                Ok(State::RequiresAction { payment_intent: intent.id.clone() })
            }
            IntentStatus::RequiresPaymentMethod => self.abandon(id, &intent.id).await,
            IntentStatus::Canceled => {
                self.close(id, State::Refused { refusal: Box::new(declined(None)) }).await
            }
            IntentStatus::Open => Ok(State::opened()),
        }
    }

    /// Cancels a PaymentIntent and closes its top-up; if it has succeeded meanwhile, credits it.
    pub(super) async fn abandon(&self, id: TopUpId, intent: &str) -> Result<State, Halt> {
        let Ok(intent_id) = intent.parse::<PaymentIntentId>() else {
            return Err(Halt::unavailable("Stripe gave a PaymentIntent without an id"));
        };
        // Cancelling twice does no harm, and a failure stored under a key of the top-up would
        // block its account for a day: a key for each attempt.
        let key = format!("stripe402-cancel-{id}-{}", self.ids.make());
        let found = match self.provider.cancel(&intent_id, &key).await {
            // It is past cancelling: what has become of it?
            Err(Failure::Invalid(_)) => self.provider.intent(&intent_id).await,
            other => other,
        };
        let found = found.map_err(unusable)?;
        match found.status {
            IntentStatus::Succeeded => self.credit(id, &found).await,
            IntentStatus::Canceled => {
                self.close(id, State::Refused { refusal: Box::new(declined(None)) }).await
            }
            _ => Err(Halt::unavailable("the PaymentIntent can be neither settled nor cancelled")),
        }
    }

    /// What the cardholder must confirm, as the client hears it.
    pub(super) async fn ask_cardholder(&self, intent: &str) -> Result<Halt, Halt> {
        let id = intent.parse().map_err(|_| Halt::unavailable("a PaymentIntent without an id"))?;
        let intent = patiently(|| self.provider.intent(&id)).await.map_err(unusable)?;
        Ok(refuse(unconfirmed(Some(intent.id), intent.client_secret)))
    }
}

fn foreign() -> Refusal {
    Refusal::new(Code::PaymentFailed, "this PaymentIntent is not a top-up of this card")
}
