//! The parts of the store that operators read.

use super::*;

#[async_trait]
impl Audit for Postgres {
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError> {
        look::record_action(self.pool().await?, &entry).await
    }

    async fn audit(&self, page: AuditPage) -> Result<Vec<AuditEntry>, StoreError> {
        look::audit(self.pool().await?, &page).await
    }
}

#[async_trait]
impl Reports for Postgres {
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError> {
        query::movements(self.pool().await?, &key).await
    }

    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        query::accounts(self.pool().await?, client, after, most).await
    }

    async fn open_holds(
        &self,
        client: Option<ClientId>,
        most: usize,
    ) -> Result<Vec<(DeductionId, OpenHold)>, StoreError> {
        holds::open(self.pool().await?, client, most).await.map_err(unavailable)
    }

    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        query::tallies(self.pool().await?, &key).await
    }

    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        query::deductions(self.pool().await?, &key, self.options.charge_memory, most).await
    }

    async fn recent_top_ups(&self, page: TopUpPage) -> Result<Vec<TopUp>, StoreError> {
        look::recent_top_ups(self.pool().await?, &page).await
    }

    async fn latest_movements(
        &self,
        kinds: &[Kind],
        page: MovementPage,
    ) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
        look::latest_movements(self.pool().await?, kinds, &page).await
    }

    async fn revenue(&self, since_hour: u64) -> Result<Vec<(Currency, Tally)>, StoreError> {
        look::revenue(self.pool().await?, since_hour).await
    }
}
