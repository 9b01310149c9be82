//! Whose a PaymentIntent is.
//!
//! Everybody with a right to write at Stripe can copy, change and remove metadata. So our own books
//! decide: they know each PaymentIntent that was credited, or that waits for its cardholder. One that
//! they do not know is a top-up's only if nobody else could have made it like this: with the client's
//! own customer, for the same amount, in the same currency.

use super::TopUps;
use crate::{
    accounting::{AccountKey, Kind, TopUp, TopUpId},
    postings::has,
    store::StoreError,
    stripe::{Failure, Intent},
};

impl TopUps {
    /// The name of these books, in the metadata of what is charged for them.
    pub(crate) async fn books(&self) -> Result<String, StoreError> {
        let name = || self.store.identity(self.ids.make());
        Ok(self.books.get_or_try_init(name).await?.to_string())
    }

    /// The top-up that a PaymentIntent was made for, if it is one of ours.
    pub(crate) async fn top_up_of(&self, intent: &Intent) -> Result<Option<TopUp>, StoreError> {
        let named = intent.top_up.as_deref().map(str::parse::<TopUpId>);
        if let Some(Ok(id)) = named {
            let top_up = self.store.top_up(id).await?;
            return match top_up {
                Some(top_up) if self.is_of(&top_up, intent).await? => Ok(Some(top_up)),
                _ => Ok(None),
            };
        }
        if intent.customer.is_none() || stripe402_mutant::mutant!("only_metadata") {
            return Ok(None);
        }
        // Somebody has removed its name: it may be that of a top-up that waits for its cardholder. One
        // that nobody knows is nobody's, as long as the ledger that charges has not looked for it.
        for top_up in self.store.unfinished_top_ups().await? {
            if top_up.state.payment_intent() == Some(intent.id.as_str()) {
                return Ok(Some(top_up));
            }
        }
        Ok(None)
    }

    /// The account of a top-up of these books, if this PaymentIntent names it and was made with its
    /// client's own customer: even if the top-up has been credited by another one.
    pub(crate) async fn account_named(
        &self,
        intent: &Intent,
    ) -> Result<Option<AccountKey>, StoreError> {
        let Some(Ok(id)) = intent.top_up.as_deref().map(str::parse::<TopUpId>) else {
            return Ok(None);
        };
        let own = self.books().await?;
        let Some(top_up) = self.store.top_up(id).await? else { return Ok(None) };
        let customer = self.store.customer(top_up.account.client).await?;
        let ours = intent.books.as_deref() == Some(own.as_str())
            && intent.customer.is_some()
            && intent.customer == customer
            && intent.currency == top_up.account.currency.as_str();
        Ok(ours.then_some(top_up.account))
    }

    /// Whether a PaymentIntent, of whatever metadata, is this top-up's.
    pub(crate) async fn is_of(&self, top_up: &TopUp, intent: &Intent) -> Result<bool, StoreError> {
        if stripe402_mutant::mutant!("trust_metadata") {
            return Ok(true);
        }
        if let Some(known) = top_up.state.payment_intent() {
            return Ok(known == intent.id);
        }
        let currency = top_up.account.currency;
        let customer = self.store.customer(top_up.account.client).await?;
        let made_like_it = intent.customer.is_some()
            && intent.customer == customer
            && intent.currency == currency.as_str()
            && intent.amount_minor == currency.minor_units(top_up.amount);
        if !made_like_it {
            return Ok(false);
        }
        // One that the books know is another top-up's, unless its own metadata says that it is this one's.
        let payer = self.store.payer(&intent.id).await?;
        let Some(payer) = payer else { return Ok(true) };
        let named = intent.top_up.as_deref() == Some(top_up.id.to_string().as_str());
        if !named || payer != top_up.account {
            return Ok(false);
        }
        // Nor does one that was credited settle another top-up, whatever was copied onto it.
        let movements = self.store.movements(payer).await?;
        Ok(!has(&movements, Kind::TopUp, &intent.id))
    }

    /// The PaymentIntent of a top-up, by Stripe's list; `None` if none was made.
    pub(crate) async fn look_for(&self, top_up: &TopUp) -> Result<Option<Intent>, Failure> {
        // A customer is remembered before its first PaymentIntent is made.
        let customer = self.store.customer(top_up.account.client).await?;
        let Some(customer) = customer else { return Ok(None) };
        let all = self.provider.intents_of(&customer, top_up.created_ms).await?;
        let name = top_up.id.to_string();
        let named = all.iter().find(|intent| intent.top_up.as_deref() == Some(name.as_str()));
        if let Some(intent) = named {
            return Ok(Some(intent.clone()));
        }
        let unnamed = |intent: &Intent| {
            intent.top_up.is_none() && !stripe402_mutant::mutant!("only_metadata")
        };
        for intent in all.into_iter().filter(unnamed) {
            if self.is_of(top_up, &intent).await? {
                return Ok(Some(intent));
            }
        }
        Ok(None)
    }
}
