//! Who a client is at Stripe, and under which id the books know it.

use async_trait::async_trait;
use stripe402_protocol::ClientId;

use super::{
    super::{Customers, StoreError},
    Postgres, query, unavailable,
};
use crate::accounting::AccountKey;

#[async_trait]
impl Customers for Postgres {
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError> {
        query::customer(self.pool().await?, &client).await.map_err(unavailable)
    }

    async fn remember_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError> {
        let pool = self.pool().await?;
        sqlx::query("INSERT INTO customers VALUES ($1, $2) ON CONFLICT (client) DO NOTHING")
            .bind(client.as_bytes().as_slice())
            .bind(&customer)
            .execute(pool)
            .await
            .map_err(unavailable)?;
        let known = query::customer(pool, &client).await.map_err(unavailable)?;
        Ok(known.unwrap_or(customer))
    }

    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError> {
        let pool = self.pool().await?;
        sqlx::query(
            "INSERT INTO customers VALUES ($1, $3)
             ON CONFLICT (client) DO UPDATE SET customer = $3 WHERE customers.customer = $2",
        )
        .bind(client.as_bytes().as_slice())
        .bind(gone)
        .bind(&customer)
        .execute(pool)
        .await
        .map_err(unavailable)?;
        let known = query::customer(pool, &client).await.map_err(unavailable)?;
        Ok(known.unwrap_or(customer))
    }

    async fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError> {
        query::payer(self.pool().await?, payment_intent).await
    }

    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        query::agreed(self.pool().await?, anchor, wanted).await
    }
}
