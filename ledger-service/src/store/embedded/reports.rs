//! Lists and sums, for operators.

use async_trait::async_trait;
use stripe402_protocol::{ClientId, Currency, DeductionId};

use super::{
    super::{MovementPage, Reports, StoreError, StoredDeduction, Tally, TopUpPage},
    Embedded,
};
use crate::accounting::{AccountKey, Kind, Movement, OpenHold, TopUp};

#[async_trait]
impl Reports for Embedded {
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError> {
        self.snapshot()?.movements(&key)
    }

    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        self.snapshot()?.accounts(client.as_ref(), after.as_ref(), most)
    }

    async fn open_holds(
        &self,
        client: Option<ClientId>,
        most: usize,
    ) -> Result<Vec<(DeductionId, OpenHold)>, StoreError> {
        self.snapshot()?.open_holds(client.as_ref(), most)
    }

    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        self.snapshot()?.tallies(&key)
    }

    async fn deductions(
        &self,
        key: AccountKey,
        most: usize,
    ) -> Result<Vec<StoredDeduction>, StoreError> {
        self.snapshot()?.deductions(&key, &self.window().first_remembered(), most)
    }

    async fn recent_top_ups(&self, page: TopUpPage) -> Result<Vec<TopUp>, StoreError> {
        self.snapshot()?.recent_top_ups(&page)
    }

    async fn latest_movements(
        &self,
        kinds: &[Kind],
        page: MovementPage,
    ) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
        self.snapshot()?.latest_movements(kinds, &page)
    }

    async fn revenue(&self, since_hour: u64) -> Result<Vec<(Currency, Tally)>, StoreError> {
        self.snapshot()?.revenue(since_hour)
    }
}
