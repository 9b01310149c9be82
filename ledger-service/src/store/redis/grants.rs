//! Grants, and the list of all that expire by when somebody has to look.
//!
//! The list lies in a slot of its own. A grant is listed before it is posted, and a script refuses one that has
//! expired: so once a client's expired grants were taken back, no other can come under the same entry.

use stripe402_protocol::{ClientId, Currency};

use super::{
    super::StoreError,
    Redis,
    keys::GRANTS,
    reply::parse,
    script::{BALANCE, EXPIRE_GRANTS},
};
use crate::accounting::{
    AccountKey, Balance, Expired, Grants, Kind, LOOK_AGAIN_MS, Lot, Posted, Posting,
};

impl Redis {
    pub(super) async fn post_grant(
        &self,
        key: AccountKey,
        posting: Posting,
        expires_ms: Option<u64>,
    ) -> Result<Posted, StoreError> {
        if let Some(expires_ms) = expires_ms.filter(|_| posting.kind == Kind::Grant) {
            self.list_grant(&entry(&key, expires_ms), expires_ms).await?;
        }
        self.post_movement(key, posting, false, expires_ms).await
    }

    async fn list_grant(&self, entry: &str, look_ms: u64) -> Result<(), StoreError> {
        let mut list = redis::cmd("ZADD");
        list.arg(GRANTS).arg(look_ms).arg(entry);
        self.connection.command::<u64>(&list).await.map(drop)
    }

    pub(super) async fn read_balance(&self, key: AccountKey) -> Result<Balance, StoreError> {
        let currency = [key.currency.as_str().into()];
        let mut reply = self.on_accounts(&BALANCE, &key.client, &[], &currency).await?;
        let mut lots = Vec::new();
        for _ in 0..reply.parse::<usize>("a number of grants")? {
            let (reference, granted, left) = (reply.text()?, reply.units()?, reply.units()?);
            let expires = Some(reply.text()?).filter(|text| !text.is_empty());
            let expires_ms = expires.map(|text| parse(&text, "a grant's end")).transpose()?;
            lots.push(Lot { reference, granted, left, expires_ms, spent_ms: None });
        }
        let account = reply.account()?;
        Ok(Balance { account, grants: Grants::of(lots, &account) })
    }

    /// What is due by this ledger's clock, and over by the server's.
    pub(super) async fn expire_due(&self, most: usize) -> Result<Vec<Expired>, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut due = redis::cmd("ZRANGEBYSCORE");
        due.arg(GRANTS).arg("-inf").arg(now_ms).arg("LIMIT").arg(0).arg(most);
        let entries: Vec<String> = self.connection.command(&due).await?;
        let mut expired = Vec::new();
        for entry in entries {
            let (key, expires_ms) = read_entry(&entry)?;
            match self.expire_of(key, expires_ms, &entry).await {
                // Left for people: it must not keep others' from expiring.
                Err(StoreError::Damaged(why)) => {
                    tracing::error!(why, "a client's grants cannot expire");
                    self.list_grant(&entry, now_ms.saturating_add(LOOK_AGAIN_MS)).await?;
                }
                own => expired.extend(own?),
            }
        }
        Ok(expired)
    }

    async fn expire_of(
        &self,
        account: AccountKey,
        expires_ms: u64,
        entry: &str,
    ) -> Result<Vec<Expired>, StoreError> {
        let arguments = [account.currency.as_str().into(), expires_ms.to_string().into_bytes()];
        let mut reply = self.on_accounts(&EXPIRE_GRANTS, &account.client, &[], &arguments).await?;
        let look = Some(reply.text()?).filter(|text| !text.is_empty());
        let mut expired = Vec::new();
        while let Ok(reference) = reply.text() {
            expired.push(Expired { account, reference, amount: reply.units()? });
        }
        if let Some(look) = look {
            self.list_grant(entry, parse(&look, "when to look again")?).await?;
        } else {
            let mut done = redis::cmd("ZREM");
            self.connection.command::<u64>(done.arg(GRANTS).arg(entry)).await?;
        }
        Ok(expired)
    }
}

fn entry(key: &AccountKey, expires_ms: u64) -> String {
    format!("{}:{}:{expires_ms}", key.client.to_hex(), key.currency)
}

fn read_entry(entry: &str) -> Result<(AccountKey, u64), StoreError> {
    let mut parts = entry.splitn(3, ':');
    let wrong = || StoreError::Damaged("an entry of the list of grants".to_owned());
    let mut part = || parts.next().ok_or_else(wrong);
    let client: ClientId = parse(part()?, "a client id")?;
    let currency: Currency = parse(part()?, "a currency")?;
    Ok((AccountKey { client, currency }, parse(part()?, "a grant's end")?))
}
