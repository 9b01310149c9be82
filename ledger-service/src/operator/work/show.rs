//! Looking: clients, movements, revenue, card charges, the audit record.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use stripe402_protocol::Currency;

use super::{
    Operations, OperatorError,
    find::UNKNOWN,
    sums::Sum,
    view::{
        Account, AccountDetails, Client, ClientDetails, Movement, Movements, Revenue, RevenueLine,
        SumBy,
    },
};
use crate::accounting::{AccountKey, HOUR_MS};

/// How many deductions are shown one by one.
const RECENT: usize = 20;
/// How many of a client's holds.
const HELD: usize = 100;

/// What one line of revenue is about: an hour, a route, and a currency.
type Line = (Option<u64>, Option<String>, Currency);

impl Operations {
    /// A client with what its accounts hold.
    pub(super) async fn shown(&self, keys: &[AccountKey]) -> Result<Client, OperatorError> {
        let subject = keys.first().map(|key| key.client.subject()).unwrap_or_default();
        let mut accounts = Vec::new();
        for key in keys {
            accounts.push(Account::of(key, &self.store.account(*key).await?));
        }
        Ok(Client { subject, accounts })
    }

    /// A client in full, named by its id or by its subject.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client, or the store cannot be read.
    pub async fn client_details(&self, name: &str) -> Result<ClientDetails, OperatorError> {
        let keys = self.accounts_of(name).await?;
        let client = keys.first().ok_or(UNKNOWN)?.client;
        let customer = self.store.customer(client).await?;
        let accounts = try_join_all(keys.iter().map(|key| self.account_details(*key))).await?;
        let holds = self.open_holds(Some(client), None, HELD).await?.holds;
        Ok(ClientDetails { subject: client.subject(), customer, accounts, holds })
    }

    async fn account_details(&self, key: AccountKey) -> Result<AccountDetails, OperatorError> {
        let balance = self.store.balance(key).await?;
        let (account, paid) =
            (Account::of(&key, &balance.account), balance.grants.paid(&balance.account));
        let grants = balance.grants.lots().iter().map(Into::into).collect();
        let used = Sum::of(&self.store.tallies(key).await?)?;
        let recent = self.store.deductions(key, RECENT).await?.into_iter().map(Into::into);
        let (requests, spent) = (used.requests, used.units);
        Ok(AccountDetails { account, requests, spent, paid, grants, recent: recent.collect() })
    }

    /// The movements of one account of a client, newest first: the first account's if no currency is
    /// given. `before`: only so many of the oldest are looked at, as `next` of an answer says.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client or account, or the store cannot be read.
    pub async fn movements_of(
        &self,
        name: &str,
        currency: Option<Currency>,
        before: Option<usize>,
        most: usize,
    ) -> Result<Movements, OperatorError> {
        let keys = self.accounts_of(name).await?;
        let key = keys.into_iter().find(|key| currency.is_none_or(|of| key.currency == of));
        let key =
            key.ok_or(OperatorError::NotFound("the client has no account in this currency"))?;
        let mut movements = self.store.movements(key).await?;
        // Movements are only ever appended: how many are older is a place that stays.
        movements.truncate(before.unwrap_or(usize::MAX));
        let older = movements.len().saturating_sub(most);
        let shown = movements.split_off(older).into_iter().rev();
        let movements = shown.map(|movement| Movement::of(&key, movement)).collect();
        Ok(Movements { movements, next: (older > 0).then(|| older.to_string()) })
    }

    /// Every movement, of one client or of all, newest first.
    ///
    /// # Errors
    /// [`OperatorError`] if there is no such client, or the store cannot be read.
    pub async fn all_movements(&self, client: Option<&str>) -> Result<Movements, OperatorError> {
        let keys = match client {
            Some(client) => self.accounts_of(client).await?,
            None => self.all_accounts().await?,
        };
        let mut movements = Vec::new();
        for key in keys {
            let own = self.store.movements(key).await?.into_iter().rev();
            movements.extend(own.map(|movement| Movement::of(&key, movement)));
        }
        movements.sort_by_key(|movement| std::cmp::Reverse(movement.at_ms));
        Ok(Movements { movements, next: None })
    }

    /// What deductions brought, less voids: of the last so many days, or of all time.
    ///
    /// # Errors
    /// [`OperatorError`] if the store cannot be read.
    pub async fn revenue(&self, by: SumBy, days: Option<u64>) -> Result<Revenue, OperatorError> {
        let now = self.clock.now_ms() / HOUR_MS;
        let since = days.map_or(0, |days| now.saturating_sub(days.saturating_mul(24)));
        let mut sums: BTreeMap<Line, Sum> = BTreeMap::new();
        for (currency, tally) in self.store.revenue(since).await? {
            let line = match by {
                SumBy::Route => (None, Some(tally.route.clone()), currency),
                SumBy::Day => (Some((tally.hour / 24).saturating_mul(24)), None, currency),
                SumBy::Hour => (Some(tally.hour), None, currency),
            };
            sums.entry(line).or_default().add(&tally)?;
        }
        let lines = sums.into_iter().map(|((hour, route, currency), sum)| {
            let from_ms = hour.map(|hour| hour.saturating_mul(HOUR_MS));
            RevenueLine { from_ms, route, currency, requests: sum.requests, units: sum.units }
        });
        Ok(Revenue { lines: lines.collect() })
    }
}
