//! Shared Payment Tokens: a right of the seller's, given by a buyer's account, to charge a card once.

use stripe402_ledger::stripe::{Failure, GrantedToken};
use stripe402_protocol::{GrantedTokenId, Instrument};

use super::{Bank, Method, State, missing};
use crate::plan;

/// A token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Of the card number.
    pub fingerprint: String,
    /// The buyer's account.
    pub agent: String,
    /// How the card's bank answers.
    pub bank: plan::Bank,
    /// Whether it was charged.
    pub consumed: bool,
}

impl Bank {
    /// A buyer's account gives the seller a token of a card number.
    pub fn grant(&self, agent: &str, fingerprint: &str, bank: plan::Bank) -> String {
        self.with(|state| {
            let id = state.name("spt");
            let (agent, fingerprint) = (agent.to_owned(), fingerprint.to_owned());
            let token = Token { fingerprint, agent, bank, consumed: false };
            state.tokens.insert(id.clone(), token);
            id
        })
    }

    pub(crate) fn granted_token(&self, id: &GrantedTokenId) -> Result<GrantedToken, Failure> {
        self.with(|state| {
            let token = state.tokens.get(id.as_str()).ok_or_else(missing)?;
            let (fingerprint, agent) = (token.fingerprint.clone(), token.agent.clone());
            Ok(GrantedToken {
                fingerprint: Some(fingerprint),
                shown: None,
                agent: Some(agent),
                deactivated: token.consumed,
                limits: None,
            })
        })
    }
}

impl State {
    /// The PaymentMethod that is charged: of a token one that is made for this charge.
    pub(super) fn charged_with(&mut self, instrument: &Instrument) -> Result<String, Failure> {
        let Instrument::Token(id) = instrument else { return Ok(instrument.as_str().to_owned()) };
        let token = self.tokens.get(id.as_str()).ok_or_else(missing)?.clone();
        if token.consumed {
            return Err(Failure::Invalid("without a code".to_owned()));
        }
        let made = self.name("pm");
        let method = Method { fingerprint: token.fingerprint, customer: None, bank: token.bank };
        self.methods.insert(made.clone(), method);
        Ok(made)
    }

    /// It is good for one charge.
    pub(super) fn consume(&mut self, id: &GrantedTokenId) {
        if let Some(token) = self.tokens.get_mut(id.as_str()) {
            token.consumed = true;
        }
    }
}
