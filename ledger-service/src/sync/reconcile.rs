//! The books against Stripe: every PaymentIntent, refund and dispute since some moment.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::ExposeSecret;
use stripe402_protocol::{ClientId, PaymentIntentId};

use super::{
    StripeSync,
    compare::{Credit, Difference, DifferenceKind, Index},
};
use crate::{
    accounting::{AccountKey, Kind, Posted, Posting},
    postings::Unavailable,
    stripe::{Failure, Intent, IntentStatus},
};

impl StripeSync {
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
        let intents = self.provider.intents_since(since_ms).await?;
        let refunds = self.provider.refunds_since(since_ms).await?;
        let disputes = self.provider.disputes_since(since_ms).await?;
        let changed = self.provider.changed_since(since_ms).await?;
        let intents = self.with_changed_intents(intents, &changed).await?;
        let mut index = Index::default();
        for key in accounts {
            let movements = self.store.movements(*key).await;
            index.add(*key, &movements?);
        }
        let refunds = self.with_changed_refunds(refunds, &changed, &index).await?;
        let known = index.disputes().into_iter().map(|(id, _)| id);
        let disputes = self.with_changed_disputes(disputes, known.chain(changed.disputes)).await?;
        let mut found = Vec::new();
        for intent in &intents {
            match index.intent(intent) {
                Some(DifferenceKind::NotCredited) if !self.is_ours(intent).await? => {}
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
                    found.push(credit.difference(DifferenceKind::NotCharged, id, id, 0))
                }
                Err(other) => return Err(other.into()),
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
            found.extend(index.dispute(credit.key, dispute).map(|problem| {
                credit.difference(problem, &dispute.id, intent, dispute.amount_minor)
            }));
        }
        for (key, hold, amount) in &index.holds {
            let credit = Credit { key: *key, amount: *amount, at_ms: 0 };
            let name = hold.to_string();
            found.push(credit.difference(DifferenceKind::RefundUnfinished, &name, &name, 0));
        }
        Ok(found)
    }

    /// Mends one difference by asking Stripe again and posting what it says, once. What cannot be
    /// mended here stays, and is found again.
    ///
    /// # Errors
    /// [`Unavailable`] if Stripe or the store cannot be asked.
    pub async fn repair(&self, difference: &Difference) -> Result<(), Unavailable> {
        let intent = difference.payment_intent.parse::<PaymentIntentId>();
        match (difference.problem, difference.account, intent) {
            (DifferenceKind::NotCredited, _, Ok(intent)) => self.credit_again(&intent).await,
            (
                DifferenceKind::RefundNotPosted | DifferenceKind::FailedRefundNotPosted,
                Some(key),
                Ok(intent),
            ) => self.refunds.post_refunds(key, &intent).await,
            (DifferenceKind::DisputeNotPosted, Some(key), _) => {
                let dispute = self.provider.dispute(&difference.reference).await;
                self.post_dispute(key, &dispute?).await
            }
            (DifferenceKind::RefundUnfinished, Some(key), _) => {
                self.refunds.finish_refunds(key).await
            }
            // A credit is never taken back by a program: an operator decides.
            _ => Ok(()),
        }
    }

    /// How many charges since then (Unix ms) are of cards whose clients are ours by the server secret,
    /// and name other books: another ledger's with the same secret, or books that were lost.
    ///
    /// # Errors
    /// As [`StripeSync::differences`].
    pub async fn other_books(&self, since_ms: u64) -> Result<BTreeMap<String, u64>, Unavailable> {
        let own = self.topups.books().await?;
        let lost = self.options.lost_books.map(|lost| lost.to_string());
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        let intents = self.provider.intents_since(since_ms).await;
        for intent in intents? {
            let Some(books) = intent.books.as_ref() else { continue };
            if self.store.payer(&intent.id).await?.is_some() {
                continue;
            }
            if *books == own || Some(books) == lost.as_ref() {
                continue;
            }
            if self.owner_by_card(&intent).await?.is_some() {
                let count = found.entry(books.clone()).or_default();
                *count = count.saturating_add(1);
            }
        }
        Ok(found)
    }

    /// Whether these books made it, and not others on the same Stripe account: it is a top-up of theirs,
    /// or one that they have lost or forgotten. Whose it is, only crediting it has to know.
    async fn is_ours(&self, intent: &Intent) -> Result<bool, Unavailable> {
        if self.topups.top_up_of(intent).await?.is_some()
            || self.topups.account_named(intent).await?.is_some()
        {
            return Ok(true);
        }
        self.may_be_lost(intent).await
    }

    /// Whether it names these books, and a top-up that is not in them: they come from a backup.
    pub(super) async fn may_be_lost(&self, intent: &Intent) -> Result<bool, Unavailable> {
        let Some(Ok(id)) = intent.top_up.as_deref().map(str::parse) else { return Ok(false) };
        let own = self.topups.books().await?;
        let named = intent.books.as_deref();
        let ours = named == Some(own.as_str())
            || self.options.lost_books.is_some_and(|lost| named == Some(lost.to_string().as_str()));
        Ok(ours && self.store.top_up(id).await?.is_none())
    }

    /// The client whose card it is, if that is who it was made for; and whether it has a customer.
    pub(super) async fn owner_by_card(
        &self,
        intent: &Intent,
    ) -> Result<Option<(ClientId, bool)>, Unavailable> {
        let Some(Ok(card)) = intent.card.as_deref().map(str::parse) else { return Ok(None) };
        let card = match self.provider.card(&card).await {
            Err(Failure::Invalid(_)) => return Ok(None),
            other => other?,
        };
        let ids = self
            .secrets
            .iter()
            .map(|secret| ClientId::derive(secret.expose_secret().as_bytes(), &card.fingerprint));
        let wanted = intent.subject.as_deref();
        let Some(client) = ids.into_iter().find(|id| Some(id.subject().as_str()) == wanted) else {
            return Ok(None);
        };
        let known = self.store.customer(client).await;
        Ok(Some((client, known?.is_some())))
    }

    /// Credits what a card was charged: to its top-up's account; or, where the books have lost that
    /// (they come from a backup), to the client whose card it is.
    async fn credit_again(&self, id: &PaymentIntentId) -> Result<(), Unavailable> {
        let intent = self.provider.intent(id).await?;
        if intent.status != IntentStatus::Succeeded {
            return Ok(());
        }
        if let Some(top_up) = self.topups.top_up_of(&intent).await? {
            self.topups.settle(top_up.id, &intent).await?;
            return Ok(());
        }
        if let Some(key) = self.topups.account_named(&intent).await? {
            // Its top-up was credited by another one. What was taken is the client's all the same.
            return self.credit_restored(key, intent).await;
        }
        if !self.may_be_lost(&intent).await? {
            return Ok(());
        }
        let Ok(currency) = intent.currency.parse() else { return Ok(()) };
        let Some((client, has_customer)) = self.owner_by_card(&intent).await? else {
            return Ok(());
        };
        if let (false, Some(customer)) = (has_customer, intent.customer.clone()) {
            self.topups.name_customer(client, &customer).await?;
            self.store.remember_customer(client, customer).await?;
        }
        let key = AccountKey { client, currency };
        self.credit_restored(key, intent).await
    }

    async fn credit_restored(&self, key: AccountKey, intent: Intent) -> Result<(), Unavailable> {
        let Some(amount) = key.currency.units(intent.received_minor) else { return Ok(()) };
        let note = Some("reconciled: the books did not have this charge".to_owned());
        let posting = Posting { kind: Kind::TopUp, reference: intent.id, amount, note };
        let posted = self.store.post(key, posting).await;
        match posted? {
            Posted::Done(_) | Posted::Repeated(_) => Ok(()),
            Posted::Refused(refusal) => {
                Err(Unavailable::Other(format!("the books refuse: {refusal:?}")))
            }
        }
    }
}
