//! Shared Payment Tokens: who pays with one, and what proves it.
//!
//! A token is made by a buyer's Stripe account, and charged once. It shows the card's fingerprint, which
//! proves as little as a PaymentMethod's does: see [`super::prove`]. It cannot be verified without a charge.
//! So it is proven by the account that made it: once a token of that account was charged for this card,
//! the account's other tokens of this card may spend the client's balance. Any other token is charged the
//! least top-up, whatever the balance is.

use std::sync::Arc;

use stripe402_protocol::{
    ClientId, Code, GrantedTokenId, Instrument, Reason, Refusal, Units,
    message::{CardAnswer, CardPayment},
};

use super::{CardPayments, PaymentAttempt, amount::top_up_amount, reads::source};
use crate::{
    accounting::{Opened, name_of_buyer},
    options::WithoutIdentity,
    stripe::{Card, Failure, GrantedToken},
    topups::abort::{PaymentAbort, refuse, unaccepted},
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
        let fingerprint = token.fingerprint.clone().unwrap_or_else(|| id.as_str().to_owned());
        Ok(Card {
            id: id.clone().into(),
            fingerprint,
            customer: None,
            shown: token.shown.clone(),
            token: Some(token),
        })
    }

    /// Refuses a token that does not show whose it is, unless the operator wants such a token to be a client
    /// of its own: its credits are spent by the client id of the receipt alone.
    pub(super) fn check_identity(&self, card: &Card) -> Result<(), PaymentAbort> {
        if is_hidden(card) && self.options.without_identity == WithoutIdentity::Refuse {
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
        let agent = card.token.as_ref().filter(|_| !attempt.proven)?.agent.as_ref()?;
        Some(name_of_buyer(agent, &card.fingerprint))
    }

    /// Whether a token cannot be charged what this request would charge it: it was used, revoked, has expired,
    /// or is for less, or for another currency. Such a token is no right to anything, whoever made it.
    pub(super) fn is_dead(&self, request: &CardPayment, card: &Card) -> bool {
        let now = i64::try_from(self.clock.now_ms() / 1_000).unwrap_or(i64::MAX);
        let amount = request.currency.minor_units(request.min_top_up);
        let covers = |token: &GrantedToken| token.covers(amount, request.currency, now);
        !card.token.as_ref().is_none_or(covers) && !stripe402_mutant::mutant!("dead_token_pays")
    }

    /// A token that cannot be charged spends what it was charged for itself, where the request names that
    /// top-up: a repetition. One that hides its card names it by itself.
    pub(super) async fn pay_by_own_top_up(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
    ) -> Result<CardAnswer, PaymentAbort> {
        let request = attempt.request;
        let amount = top_up_amount(request, request.price).map_err(refuse)?;
        match self.known_by_name(attempt, amount).await? {
            Some(Opened::Repeated(named)) => self.repeat(attempt, named).await?,
            Some(_) => return Err(refuse(mismatch(&attempt.card))),
            None if is_hidden(&attempt.card) => {}
            None => {
                self.count_unknown(source(request)).await;
                return Err(refuse(unaccepted()));
            }
        }
        let answer = self.deduct(attempt, None).await?;
        let deduction_id = request.deduction_id;
        Ok(answer.unwrap_or(CardAnswer::Insufficient { deduction_id }))
    }

    /// How much has to be there for a request not to charge. A token that is not proven is charged.
    pub(super) fn needed(&self, attempt: &PaymentAttempt<'_>, available: Units) -> Units {
        let price = attempt.request.price;
        let charged_anyway = attempt.card.id.is_token() && !attempt.proven && available >= price;
        if charged_anyway { Units::MAX } else { price }
    }
}

/// Whether a token does not show whose it is.
fn is_hidden(card: &Card) -> bool {
    card.id.is_token() && card.fingerprint == card.id.as_str()
}

/// The name of a top-up was used with something else. A client of MPP's knows it as the challenge.
pub(super) fn mismatch(card: &Card) -> Refusal {
    let text = if card.id.is_token() {
        "this challenge was paid with another token or amount; ask for a new challenge"
    } else {
        "this idempotencyKey was used with another card or amount"
    };
    Refusal::new(Code::InvalidPayment, text).because(Reason::IdempotencyMismatch)
}

/// What an account owes is its owner's business: a token that is not proven hears no amount.
pub(super) fn in_debt() -> Refusal {
    let text = "this account owes more than this top-up would settle; nothing was charged: pay with \
                a stripe402 payment header and a larger topUpAmount";
    Refusal::new(Code::TopUpBelowMinimum, text).because(Reason::Debt)
}
