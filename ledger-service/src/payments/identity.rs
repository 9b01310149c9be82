//! Who a card is: by its number, and where its bank has changed that, by the customer it is saved for.

use secrecy::{ExposeSecret, SecretString};
use stripe402_protocol::ClientId;

use super::{CardPayments, PaymentAttempt};
use crate::{accounting::name_of_customer, keys, stripe::Card, topups::PaymentAbort};

impl CardPayments {
    /// The card's client and its customer: under the first secret, unless it is known by another one, or
    /// another ledger has just met it by another one.
    pub(super) async fn identify(
        &self,
        card: &Card,
    ) -> Result<(ClientId, Option<String>), PaymentAbort> {
        let ids = self.ids_of(card);
        for client in &ids {
            if let Some(customer) = self.store.customer(*client).await? {
                return Ok((*client, Some(customer)));
            }
        }
        let (Some(own), Some(anchor)) = (ids.first(), ids.iter().min()) else {
            return Err(PaymentAbort::unavailable("no server secret"));
        };
        match self.store.agreed(*anchor, None).await? {
            Some(known) => Ok((known, self.store.customer(known).await?)),
            None => Ok((*own, None)),
        }
    }

    /// The id that the card's client spends with now: another one than its account's after a rotation.
    pub(super) async fn own_id(
        &self,
        attempt: &PaymentAttempt<'_>,
    ) -> Result<ClientId, PaymentAbort> {
        let rotation = self.store.account(attempt.account).await?.rotation;
        let card = (attempt.account.client, attempt.card.fingerprint.as_str());
        let now_ms = self.clock.now_ms();
        Ok(keys::own_id(&*self.store, &self.secrets, card, rotation, now_ms).await?)
    }

    /// A card's ids by each server secret.
    pub(super) fn ids_of(&self, card: &Card) -> Vec<ClientId> {
        let derive = |secret: &SecretString| {
            ClientId::derive(secret.expose_secret().as_bytes(), &card.fingerprint)
        };
        self.secrets.iter().map(derive).collect()
    }

    /// The least of a card's ids: the same for all ledgers that know the same secrets.
    pub(super) fn anchor(&self, card: &Card) -> Option<ClientId> {
        self.ids_of(card).into_iter().min()
    }

    /// Before a client is topped up for the first time: all ledgers that know the same secrets, in
    /// whatever order, know it by the same id. Else two would charge one card, for two clients, while a
    /// server secret is being replaced. One whose customer is known is found by that.
    pub(super) async fn agree_on(
        &self,
        anchor: Option<ClientId>,
        client: ClientId,
    ) -> Result<(), PaymentAbort> {
        if self.store.customer(client).await?.is_some() {
            return Ok(());
        }
        let Some(anchor) = anchor.filter(|_| !stripe402_mutant::mutant!("no_agreement")) else {
            return Ok(());
        };
        if self.store.agreed(anchor, Some(client)).await? == Some(client) {
            return Ok(());
        }
        Err(PaymentAbort::unavailable(
            "another ledger has just met this client, by another secret: retry",
        ))
    }

    /// The client that a PaymentMethod is saved for, if the books know its customer. Banks change the
    /// numbers of saved cards, and so their fingerprints (docs.stripe.com/saving-cards, "Automatic card
    /// updates"); only this ledger saves a card for a customer of ours. From now on the new number is
    /// the client's, too, unless it is another one's already.
    pub(super) async fn owner_by_customer(
        &self,
        card: &Card,
    ) -> Result<Option<ClientId>, PaymentAbort> {
        let Some(customer) = &card.customer else { return Ok(None) };
        let Some(owner) = self.store.agreed(name_of_customer(customer), None).await? else {
            return Ok(None);
        };
        if self.store.customer(owner).await?.as_ref() != Some(customer) {
            return Ok(None);
        }
        if let Some(anchor) = self.anchor(card) {
            let known = self.store.agreed(anchor, Some(owner)).await?;
            let subject = owner.subject();
            tracing::info!(
                subject,
                theirs = known == Some(owner),
                "the number of a saved card has changed"
            );
        }
        Ok(Some(owner))
    }
}
