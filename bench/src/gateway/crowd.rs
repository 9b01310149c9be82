//! Many clients of one gateway, each with credit of its own.

use std::sync::Arc;

use futures_util::future::try_join_all;
use stripe402_ledger::{accounting::AccountKey, store::Store};

use crate::{Result, accounts};

/// How many accounts are credited, or looked at, at once.
const AT_ONCE: u32 = 500;

/// Clients 0 to n − 1, credited at the store.
pub(super) struct Crowd {
    store: Arc<dyn Store>,
    clients: u32,
    /// What they had spent before, through another gateway on the same store.
    before: i64,
    /// Requests of theirs that were answered.
    pub(super) served: u64,
    /// The most that can have been paid and not answered, where a load ended.
    pub(super) cut_off: u64,
}

/// The n-th client. The load writes such ids itself (`load/wrk.rs`): 56 zeros, six digits, two zeros.
fn client(number: u32) -> AccountKey {
    accounts::client(u64::from(number) << 8)
}

impl Crowd {
    /// Credits so many clients.
    pub(super) async fn gather(url: &str, clients: u32) -> Result<Self> {
        let store = accounts::open(url)?;
        let mut crowd = Self { store, clients, before: 0, served: 0, cut_off: 0 };
        crowd
            .each(async |key| {
                accounts::credit(crowd.store.as_ref(), key).await?;
                Ok(0)
            })
            .await?;
        crowd.before = crowd.spent().await?;
        Ok(crowd)
    }

    pub(super) const fn clients(&self) -> u32 {
        self.clients
    }

    /// Whether they have spent what they were served.
    pub(super) async fn check(&self) -> Result<()> {
        let spent = u64::try_from(self.spent().await? - self.before)?;
        if (self.served..=self.served + self.cut_off).contains(&spent) {
            return Ok(());
        }
        Err(format!("{} served to many clients, {spent} units spent", self.served).into())
    }

    async fn spent(&self) -> Result<i64> {
        self.each(async |key| accounts::taken(self.store.as_ref(), key).await).await
    }

    /// The sum of what is said of each.
    async fn each(&self, act: impl AsyncFn(AccountKey) -> Result<i64>) -> Result<i64> {
        let mut sum = 0;
        for first in (0..self.clients).step_by(AT_ONCE.try_into()?) {
            let numbers = first..self.clients.min(first + AT_ONCE);
            sum +=
                try_join_all(numbers.map(|number| act(client(number)))).await?.iter().sum::<i64>();
        }
        Ok(sum)
    }
}
