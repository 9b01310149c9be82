//! What cards leave that were never charged.
//!
//! The record of a top-up expires by itself. Its client's customer lies in the record that the Express
//! middleware writes, too, so a time on it could take credits with it: a script looks first. What is due
//! is in a list, which is written before a top-up ends: what a crash leaves between is an entry too many.

use futures_util::future::try_join_all;
use stripe402_protocol::{ClientId, Currency};

use super::{
    super::StoreError,
    Redis,
    keys::{self, ClientKeys, UNCHARGED},
    reply::{damaged, parse},
    script::{FORGET_NAME, FORGET_TOP_UP},
};
use crate::accounting::{AccountKey, TopUp, TopUpId, name_of_customer};

/// How many are looked at at once.
const AT_ONCE: usize = 64;
/// How many times an upkeep does that. By default 5,000 cards may be tried in ten minutes.
const ROUNDS: usize = 16;
/// For so long a client's id stays agreed on after all else of it is gone, if that is not longer than top-ups
/// are kept: whoever has just found it agreed on opens a top-up, and agrees again.
const AGREED_MS: u64 = 24 * 3_600_000;

impl Redis {
    pub(super) fn uncharged_kept_ms(&self) -> u64 {
        u64::try_from(self.uncharged_kept.as_millis()).unwrap_or(u64::MAX)
    }

    /// Lists a top-up that is about to end without a charge.
    pub(super) async fn list_uncharged(&self, top_up: &TopUp) -> Result<(), StoreError> {
        let due = self.clock.now_ms().saturating_add(self.uncharged_kept_ms());
        let AccountKey { client, currency } = top_up.account;
        let waited = top_up.state.payment_intent().unwrap_or_default();
        let entry = format!("{}:{}:{currency}:{waited}", client.to_hex(), top_up.id);
        let mut list = redis::cmd("ZADD");
        list.arg(UNCHARGED).arg("NX").arg(due).arg(entry);
        self.connection.command::<u64>(&list).await.map(drop)
    }

    /// Forgets some of those that are due by this ledger's clock and by the server's.
    pub(super) async fn forget_uncharged(&self, now_ms: u64) -> Result<(), StoreError> {
        for _ in 0..ROUNDS {
            let mut due = redis::cmd("ZRANGEBYSCORE");
            due.arg(UNCHARGED).arg("-inf").arg(now_ms).arg("LIMIT").arg(0).arg(AT_ONCE);
            let entries: Vec<String> = self.connection.command(&due).await?;
            let forgotten = try_join_all(entries.iter().map(|entry| self.forget_entry(entry)));
            if !forgotten.await?.contains(&true) {
                break;
            }
        }
        Ok(())
    }

    /// Whether the entry is done with.
    async fn forget_entry(&self, entry: &str) -> Result<bool, StoreError> {
        match self.forget_named(entry).await {
            Ok(true) => {}
            // Left for people: it must not keep others from being forgotten.
            Err(StoreError::Damaged(why)) => {
                tracing::error!(why, "a top-up without a charge cannot be read, and stays");
            }
            not_yet => return not_yet,
        }
        let mut done = redis::cmd("ZREM");
        self.connection.command::<u64>(done.arg(UNCHARGED).arg(entry)).await?;
        Ok(true)
    }

    async fn forget_named(&self, entry: &str) -> Result<bool, StoreError> {
        let mut parts = entry.splitn(4, ':');
        let mut part = || parts.next().unwrap_or_default();
        let client: ClientId = parse(part(), "a client id")?;
        let id: TopUpId = parse(part(), "a top-up's id")?;
        let currency: Currency = parse(part(), "a top-up's currency")?;
        self.forget_top_up(AccountKey { client, currency }, id, part()).await
    }

    async fn forget_top_up(
        &self,
        account: AccountKey,
        id: TopUpId,
        waited: &str,
    ) -> Result<bool, StoreError> {
        let (client, currency) = (account.client, account.currency);
        let own = ClientKeys::of(&client);
        let arguments = [id.to_string().into_bytes(), currency.as_str().into(), waited.into()];
        let more_keys = [own.top_ups(), own.dated_top_ups()];
        let mut reply = self.on_accounts(&FORGET_TOP_UP, &client, &more_keys, &arguments).await?;
        match reply.text()?.as_str() {
            "gone" => {}
            "stays" => return Ok(true),
            "early" => return Ok(false),
            _ => return Err(damaged(&client, "an unknown answer to forgetting")),
        }
        let (credited, left, customer) = (reply.text()?, reply.text()?, reply.text()?);
        let mut index = redis::cmd("DEL");
        self.connection.command::<u64>(index.arg(keys::top_up(&id))).await?;
        self.unlist_by_time(&client, &id).await?;
        if credited == "0" && !waited.is_empty() {
            let payer = format!("{}:{currency}", client.to_hex());
            self.forget_name(keys::payer(waited), &payer, 0).await?;
        }
        if left == "0" {
            if !customer.is_empty() {
                let name = keys::agreed(&name_of_customer(&customer));
                self.forget_name(name, &client.to_hex(), 0).await?;
            }
            let after_ms = self.uncharged_kept_ms().min(AGREED_MS);
            self.forget_name(keys::agreed(&client), &client.to_hex(), after_ms).await?;
        }
        Ok(true)
    }

    async fn forget_name(&self, key: String, of: &str, after_ms: u64) -> Result<(), StoreError> {
        let arguments = [of.into(), after_ms.to_string().into_bytes()];
        self.connection.call::<u64>(&FORGET_NAME, &[key], &arguments).await.map(drop)
    }
}
