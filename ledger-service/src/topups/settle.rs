//! A top-up and its PaymentIntent, brought in step.

use stripe402_protocol::{PaymentIntentId, Refusal};

use super::{
    PaymentAbort, TopUps,
    abort::{declined, given_up, unusable},
};
use crate::{
    accounting::{State, TopUpId},
    stripe::{Failure, Intent, IntentStatus},
};

impl TopUps {
    /// Brings a top-up in step with its PaymentIntent. One that was refused is cancelled first:
    /// whoever has its client secret could confirm it again, and pay for nothing.
    pub(crate) async fn settle(&self, id: TopUpId, intent: &Intent) -> Result<State, PaymentAbort> {
        match intent.status {
            IntentStatus::Succeeded => self.credit(id, intent).await,
            IntentStatus::RequiresAction => {
                Ok(State::RequiresAction { payment_intent: intent.id.clone() })
            }
            IntentStatus::RequiresPaymentMethod => {
                self.abandon(id, &intent.id, declined(None)).await
            }
            IntentStatus::Canceled => {
                let refusal = if intent.declined { declined(None) } else { given_up() };
                self.close(id, State::Refused { refusal: Box::new(refusal) }).await
            }
            IntentStatus::Open => Ok(State::opened()),
        }
    }

    /// Cancels a PaymentIntent and closes its top-up as refused; if it has succeeded meanwhile, credits
    /// it.
    pub(crate) async fn abandon(
        &self,
        id: TopUpId,
        intent: &str,
        refusal: Refusal,
    ) -> Result<State, PaymentAbort> {
        let Ok(intent_id) = intent.parse::<PaymentIntentId>() else {
            return Err(PaymentAbort::unavailable("Stripe gave a PaymentIntent without an id"));
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
                self.close(id, State::Refused { refusal: Box::new(refusal) }).await
            }
            _ => Err(PaymentAbort::unavailable(
                "the PaymentIntent can be neither settled nor cancelled",
            )),
        }
    }
}
