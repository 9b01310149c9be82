//! The books against Stripe: every PaymentIntent, refund and dispute since some moment.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use stripe402_protocol::{ClientId, PaymentIntentId};

use super::{
    Payments, Unavailable,
    answer::unusable,
    compare::{Credit, Difference, Index, Problem},
    events::later,
};
use crate::{
    ledger::{AccountKey, Kind, Posted, Posting},
    stripe::{Failure, Intent, IntentStatus},
};

impl Payments {
    /// Every difference since then (Unix ms). `accounts` are all there are.
    ///
    /// # Errors
    /// [`Unavailable`] if Stripe or the store cannot be asked.
    pub async fn differences(
        &self,
        accounts: &[AccountKey],
        since_ms: u64,
    ) -> Result<Vec<Difference>, Unavailable> {
        // Stripe first: what happens meanwhile is then in the books, and no difference.
        let asked = |failure: Failure| later(unusable(failure));
        let intents = self.provider.intents_since(since_ms).await.map_err(asked)?;
        let refunds = self.provider.refunds_since(since_ms).await.map_err(asked)?;
        let disputes = self.provider.disputes_since(since_ms).await.map_err(asked)?;
        let mut index = Index::default();
        for key in accounts {
            let movements = self.store.movements(*key).await;
            index.add(*key, &movements.map_err(|error| Unavailable(error.to_string()))?);
        }
        let mut found = Vec::new();
        for intent in &intents {
            match index.intent(intent) {
                Some(Problem::NotCredited) if !self.is_ours(intent).await? => {}
                Some(problem) => found.push(index.about(problem, intent)),
                None => {}
            }
        }
        let listed: BTreeSet<&str> = intents.iter().map(|intent| intent.id.as_str()).collect();
        let unlisted = index
            .credits
            .iter()
            .filter(|(id, credit)| credit.at_ms >= since_ms && !listed.contains(id.as_str()));
        for (id, credit) in unlisted {
            let Ok(parsed) = id.parse::<PaymentIntentId>() else { continue };
            // Made before that moment, or not there at all.
            match self.provider.intent(&parsed).await {
                Ok(intent) => {
                    found
                        .extend(index.intent(&intent).map(|problem| index.about(problem, &intent)));
                }
                Err(Failure::Invalid(_)) => {
                    found.push(credit.difference(Problem::NotCharged, id, id, 0))
                }
                Err(other) => return Err(asked(other)),
            }
        }
        let ours = |intent: &Option<String>| {
            let intent = intent.as_deref()?;
            index.credits.get_key_value(intent).map(|(id, credit)| (id.as_str(), *credit))
        };
        for refund in &refunds {
            let Some((intent, credit)) = ours(&refund.intent) else { continue };
            found.extend(index.refund(refund).map(|problem| {
                credit.difference(problem, &refund.id, intent, refund.amount_minor)
            }));
        }
        for dispute in &disputes {
            let Some((intent, credit)) = ours(&dispute.intent) else { continue };
            found.extend(index.dispute(dispute).map(|problem| {
                credit.difference(problem, &dispute.id, intent, dispute.amount_minor)
            }));
        }
        for (key, hold, amount) in &index.holds {
            let credit = Credit { key: *key, amount: *amount, at_ms: 0 };
            found.push(credit.difference(Problem::RefundUnfinished, hold, hold, 0));
        }
        Ok(found)
    }

    /// Mends one difference by asking Stripe again and posting what it says, once. What cannot be
    /// mended here stays, and is found again.
    ///
    /// # Errors
    /// [`Unavailable`] if Stripe or the store cannot be asked.
    pub async fn repair(
        &self,
        difference: &Difference,
        accounts: &[AccountKey],
    ) -> Result<(), Unavailable> {
        let intent = difference.payment_intent.parse::<PaymentIntentId>();
        match (difference.problem, intent) {
            (Problem::NotCredited, Ok(intent)) => self.credit_again(&intent).await,
            (Problem::RefundNotPosted | Problem::FailedRefundNotPosted, Ok(intent)) => {
                match self.creditor(&intent, accounts).await? {
                    Some(key) => self.post_refunds(key, &intent).await,
                    None => Ok(()),
                }
            }
            (Problem::DisputeNotPosted, Ok(intent)) => {
                let Some(key) = self.creditor(&intent, accounts).await? else { return Ok(()) };
                let dispute = self.provider.dispute(&difference.reference).await;
                self.post_dispute(key, &dispute.map_err(|f| later(unusable(f)))?).await
            }
            (Problem::RefundUnfinished, _) => {
                for key in accounts {
                    self.finish_refunds(*key).await?;
                }
                Ok(())
            }
            // A credit is never taken back by a program: an operator decides.
            (Problem::WrongAmount | Problem::NotCharged, _) | (_, Err(_)) => Ok(()),
        }
    }

    /// Whether this ledger made it, and not another one on the same Stripe account: it knows the
    /// top-up, or derives the same subject from the card. Without a server secret all are listed.
    async fn is_ours(&self, intent: &Intent) -> Result<bool, Unavailable> {
        if self.secrets.is_empty() || self.record_of(intent).await?.is_some() {
            return Ok(true);
        }
        Ok(self.owner_by_card(intent).await?.is_some())
    }

    /// The client whose card it is, if that is who it was made for; and whether it has a customer.
    pub(super) async fn owner_by_card(
        &self,
        intent: &Intent,
    ) -> Result<Option<(ClientId, bool)>, Unavailable> {
        let Some(Ok(card)) = intent.card.as_deref().map(str::parse) else { return Ok(None) };
        let asked = |failure: Failure| later(unusable(failure));
        let card = self.provider.card(&card).await.map_err(asked)?;
        let ids = self
            .secrets
            .iter()
            .map(|secret| ClientId::derive(secret.expose_secret().as_bytes(), &card.fingerprint));
        let wanted = intent.subject.as_deref();
        let Some(client) = ids.into_iter().find(|id| Some(id.subject().as_str()) == wanted) else {
            return Ok(None);
        };
        let known = self.store.customer(client).await;
        Ok(Some((client, known.map_err(|error| Unavailable(error.to_string()))?.is_some())))
    }

    /// The account that a PaymentIntent was credited to.
    async fn creditor(
        &self,
        intent: &PaymentIntentId,
        accounts: &[AccountKey],
    ) -> Result<Option<AccountKey>, Unavailable> {
        for key in accounts {
            if self.has(*key, Kind::TopUp, intent.as_str()).await? {
                return Ok(Some(*key));
            }
        }
        Ok(None)
    }

    /// Credits what a card was charged: to its top-up's account; or, where the books have lost that
    /// (they come from a backup), to the client whose card it is.
    async fn credit_again(&self, id: &PaymentIntentId) -> Result<(), Unavailable> {
        let store = |error: crate::store::StoreError| Unavailable(error.to_string());
        let asked = |failure: Failure| later(unusable(failure));
        let intent = self.provider.intent(id).await.map_err(asked)?;
        if intent.status != IntentStatus::Succeeded {
            return Ok(());
        }
        if let Some(top_up) = self.record_of(&intent).await? {
            return self.settle(top_up.id, &intent).await.map(drop).map_err(later);
        }
        let Ok(currency) = intent.currency.parse() else { return Ok(()) };
        let Some((client, has_customer)) = self.owner_by_card(&intent).await? else {
            return Ok(());
        };
        if let (false, Some(customer)) = (has_customer, intent.customer) {
            self.store.remember_customer(client, customer).await.map_err(store)?;
        }
        let key = AccountKey { client, currency };
        let Some(amount) = currency.units(intent.received_minor) else { return Ok(()) };
        let note = Some("reconciled: the books had lost this top-up".to_owned());
        let posting = Posting { kind: Kind::TopUp, reference: intent.id, amount, note };
        match self.store.post(key, posting).await.map_err(store)? {
            Posted::Done(_) | Posted::Repeated(_) => Ok(()),
            Posted::Refused(refusal) => Err(Unavailable(format!("the books refuse: {refusal:?}"))),
        }
    }
}
