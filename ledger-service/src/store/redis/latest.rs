//! All top-ups by time, for operators: whose there is one, also of clients without an account.
//!
//! An entry is written before its top-up, and goes after it: what a crash leaves is an entry too many, which
//! is passed over.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use stripe402_protocol::ClientId;

use super::{
    super::{StoreError, TopUpPage, scan},
    Redis,
    keys::{LATEST, LISTED},
    reply::parse,
    top_ups::entry,
};
use crate::accounting::{TopUp, TopUpId};

/// How many accounts or records are looked at at once.
const AT_ONCE: usize = 64;

impl Redis {
    /// Lists a top-up that is about to be opened.
    pub(super) async fn list_by_time(&self, top_up: &TopUp) -> Result<(), StoreError> {
        let mut list = redis::cmd("ZADD");
        list.arg(LATEST).arg(top_up.created_ms).arg(entry(&top_up.account.client, &top_up.id));
        self.connection.command::<u64>(&list).await.map(drop)
    }

    /// Takes one off that is gone, or was never opened.
    pub(super) async fn unlist_by_time(
        &self,
        client: &ClientId,
        id: &TopUpId,
    ) -> Result<(), StoreError> {
        let mut list = redis::cmd("ZREM");
        list.arg(LATEST).arg(entry(client, id));
        self.connection.command::<u64>(&list).await.map(drop)
    }

    /// # Errors
    /// The store's.
    pub(super) async fn list_recent(&self, page: &TopUpPage) -> Result<Vec<TopUp>, StoreError> {
        self.list_what_was_there().await?;
        let place_ms = page.before.as_ref().map_or(u64::MAX, |place| place.created_ms);
        let mut found = Vec::new();
        let Some(mut last_ms) = page.until_ms.checked_sub(1).map(|last| last.min(place_ms)) else {
            return Ok(found);
        };
        let most = page.most.max(AT_ONCE);
        loop {
            let mut list = redis::cmd("ZREVRANGEBYSCORE");
            list.arg(LATEST).arg(last_ms).arg(page.from_ms).arg("WITHSCORES");
            list.arg("LIMIT").arg(0).arg(most);
            let entries: Vec<(String, u64)> = self.connection.command(&list).await?;
            let lowest_ms = entries.last().map(|(_, ms)| *ms);
            let is_last = entries.len() < most;
            let mut names: BTreeSet<String> = entries.into_iter().map(|(name, _)| name).collect();
            if let Some(lowest_ms) = lowest_ms.filter(|_| !is_last) {
                // The list is in another order within a millisecond than the page: all of it.
                let mut list = redis::cmd("ZRANGEBYSCORE");
                list.arg(LATEST).arg(lowest_ms).arg(lowest_ms);
                names.extend(self.connection.command::<Vec<String>>(&list).await?);
            }
            let records = stream::iter(names).map(|name| self.listed(name)).buffered(AT_ONCE);
            let records: Vec<_> = records.try_collect().await?;
            found.extend(records.into_iter().flatten());
            found = scan::top_ups(found.into_iter(), page);
            let before = lowest_ms.and_then(|lowest| lowest.checked_sub(1));
            match before {
                Some(before) if !is_last && found.len() < page.most => last_ms = before,
                _ => return Ok(found),
            }
        }
    }

    async fn listed(&self, name: String) -> Result<Option<TopUp>, StoreError> {
        let (client, id) = name.split_once(':').unwrap_or_default();
        self.top_up_of(parse(client, "a client id")?, parse(id, "a top-up's id")?).await
    }

    /// Books of an earlier version have no such list: it is made of what lies with the accounts, once.
    async fn list_what_was_there(&self) -> Result<(), StoreError> {
        let mut is_listed = redis::cmd("EXISTS");
        if self.connection.command::<bool>(is_listed.arg(LISTED)).await? {
            return Ok(());
        }
        let mut after = None;
        loop {
            let accounts = self.list_accounts(None, after, AT_ONCE).await?;
            let Some(last) = accounts.last() else { break };
            after = Some(*last);
            let clients: BTreeSet<_> = accounts.iter().map(|key| key.client).collect();
            let own = try_join_all(clients.into_iter().map(|client| self.top_ups_of(client)));
            let own: Vec<_> = own.await?.into_iter().flatten().collect();
            try_join_all(own.iter().map(|top_up| self.list_by_time(top_up))).await?;
        }
        let mut listed = redis::cmd("SET");
        self.connection.command::<()>(listed.arg(LISTED).arg(1)).await
    }
}
