//! Shared Payment Tokens: who pays with one, and what proves it.
//!
//! A token is made by a buyer's Stripe account, and charged once. It shows the card's fingerprint, which
//! proves as little as a PaymentMethod's does: see [`super::prove`]. It cannot be verified without a charge.
//! So it is proven by the account that made it: once a token of that account was charged for this card,
//! the account's other tokens of this card may spend the client's balance. Any other token is charged the
//! least top-up, whatever the balance is.

use stripe402_protocol::{ClientId, Code, GrantedTokenId, Instrument, Reason, Refusal, Units};

use super::{CardPayments, PaymentAttempt};
use crate::{
    accounting::name_of_buyer,
    options::WithoutIdentity,
    stripe::{Card, Failure},
    topups::abort::{PaymentAbort, refuse},
};

impl CardPayments {
    /// What Stripe shows of the card behind an instrument.
    pub(super) async fn read(&self, instrument: &Instrument) -> Result<Card, Failure> {
        match instrument {
            Instrument::PaymentMethod(id) => self.provider.card(id).await,
            Instrument::Token(id) => self.read_token(id).await,
        }
    }

    async fn read_token(&self, id: &GrantedTokenId) -> Result<Card, Failure> {
        let token = self.provider.granted_token(id).await?;
        // The id of a token is no fingerprint of any card's: it has an underscore.
        let fingerprint = token.fingerprint.unwrap_or_else(|| id.as_str().to_owned());
        Ok(Card { id: id.clone().into(), fingerprint, customer: None, agent: token.agent })
    }

    /// Refuses a token that does not show whose it is, unless the operator wants such a token to be a client
    /// of its own: its credits are spent by the client id of the receipt alone.
    pub(super) fn check_identity(&self, card: &Card) -> Result<(), PaymentAbort> {
        let hidden = card.id.is_token() && card.fingerprint == card.id.as_str();
        if hidden && self.options.without_identity == WithoutIdentity::Refuse {
            let text = "this Shared Payment Token does not show a card, so its credits would have no \
                        owner; nothing was charged: pay with a card";
            return Err(refuse(Refusal::new(Code::InvalidPayment, text)));
        }
        Ok(())
    }

    /// Whether a token is proven by now: what others charged since it was read counts.
    pub(super) async fn prove_by_buyer(
        &self,
        attempt: &mut PaymentAttempt<'_>,
    ) -> Result<(), PaymentAbort> {
        if attempt.proven || !attempt.card.id.is_token() {
            return Ok(());
        }
        if !self.options.verify_cards {
            attempt.proven = true;
            return Ok(());
        }
        if stripe402_mutant::mutant!("token_is_proof") {
            attempt.proven = true;
        }
        if let Some(buyer) = self.unproven_buyer(attempt) {
            attempt.proven = self.topups.is_known(buyer, attempt.account.client).await?;
        }
        Ok(())
    }

    /// The name of the account that made a token which is not proven.
    pub(super) fn unproven_buyer(&self, attempt: &PaymentAttempt<'_>) -> Option<ClientId> {
        let card = &attempt.card;
        let agent = card.agent.as_ref().filter(|_| card.id.is_token() && !attempt.proven)?;
        Some(name_of_buyer(agent, &card.fingerprint))
    }

    /// How much has to be there for a request not to charge. A token that is not proven is charged.
    pub(super) fn needed(&self, attempt: &PaymentAttempt<'_>, available: Units) -> Units {
        let price = attempt.request.price;
        let charged_anyway = attempt.card.id.is_token() && !attempt.proven && available >= price;
        if charged_anyway { Units::MAX } else { price }
    }
}

/// What an account owes is its owner's business: a token that is not proven hears no amount.
pub(super) fn in_debt() -> Refusal {
    let text = "this account owes more than this top-up would settle; nothing was charged: pay with \
                a stripe402 payment header and a larger topUpAmount";
    Refusal::new(Code::TopUpBelowMinimum, text).because(Reason::Debt)
}
