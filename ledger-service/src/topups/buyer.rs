//! What a Shared Payment Token that was charged proves of its buyer's other tokens.
//!
//! See [`crate::payments`]: a token that is not proven is charged, whatever the balance is.

use stripe402_protocol::{ClientId, Instrument};

use super::{PaymentAbort, TopUps};
use crate::{
    accounting::{State, TopUp, name_of_buyer},
    stripe::patiently,
};

impl TopUps {
    /// A token was charged: from now on its account's tokens of this card are proven. Written down before
    /// the credit can be seen, so that whoever finds the credit finds this, too.
    ///
    /// Where Stripe does not say whose token it was, nothing is proven: the next one is charged, too.
    pub(super) async fn remember_buyer(&self, top_up: &TopUp) -> Result<(), PaymentAbort> {
        let Instrument::Token(id) = &top_up.payment_method else { return Ok(()) };
        if matches!(top_up.state, State::Credited { .. })
            || stripe402_mutant::mutant!("buyer_forgotten")
        {
            return Ok(());
        }
        match patiently(|| self.provider.granted_token(id)).await {
            Ok(token) => {
                if let (Some(agent), Some(fingerprint)) = (token.agent, token.fingerprint) {
                    let name = name_of_buyer(&agent, &fingerprint);
                    self.store.agreed(name, Some(top_up.account.client)).await?;
                }
            }
            Err(failure) => {
                tracing::warn!(top_up = %top_up.id, %failure, "whose token was charged is not known: the buyer's next one is charged, too");
            }
        }
        Ok(())
    }

    /// Whether a buyer's account has paid for this client with this card.
    pub(crate) async fn is_known(
        &self,
        buyer: ClientId,
        client: ClientId,
    ) -> Result<bool, PaymentAbort> {
        Ok(self.store.agreed(buyer, None).await? == Some(client))
    }
}
