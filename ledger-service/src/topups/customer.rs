//! A client's customer at Stripe.

use stripe402_protocol::ClientId;

use super::TopUps;
use crate::{accounting::name_of_customer, store::StoreError, stripe::Failure};

impl TopUps {
    /// A customer that was deleted at Stripe must not lock its client out: if it is gone, another one
    /// is remembered, and answered.
    pub(crate) async fn replace_if_gone(
        &self,
        client: ClientId,
        customer: &str,
        needed_for: &str,
    ) -> Result<Option<String>, Failure> {
        if self.provider.has_customer(customer).await? {
            return Ok(None);
        }
        let key = format!("stripe402-customer-{}-{needed_for}-again", client.subject());
        let made = self.provider.create_customer(&client.subject(), &key).await?;
        self.name_customer(client, &made).await?;
        let known = self.store.replace_customer(client, customer, made).await?;
        tracing::warn!(gone = customer, known, "a customer is gone at Stripe, and replaced");
        Ok(Some(known))
    }

    /// The client's customer; made when it first pays, never looked up by search. The key is that
    /// of what it is needed for: a failure that Stripe has stored under it must not keep the client
    /// out for a day. A spare customer is harmless; the first that is remembered stays.
    pub(crate) async fn customer(
        &self,
        client: ClientId,
        needed_for: &str,
    ) -> Result<String, Failure> {
        if let Some(customer) = self.store.customer(client).await? {
            return Ok(customer);
        }
        let subject = client.subject();
        let key = format!("stripe402-customer-{subject}-{needed_for}");
        let made = self.provider.create_customer(&subject, &key).await?;
        self.name_customer(client, &made).await?;
        Ok(self.store.remember_customer(client, made).await?)
    }

    /// Writes down whose customer this is, before it is remembered as theirs.
    pub(crate) async fn name_customer(
        &self,
        client: ClientId,
        customer: &str,
    ) -> Result<(), StoreError> {
        self.store.agreed(name_of_customer(customer), Some(client)).await.map(drop)
    }
}
