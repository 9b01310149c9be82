//! Scripts on one client's accounts, and the index of all.

use std::time::Duration;

use stripe402_protocol::{ClientId, Currency};

use super::{
    super::StoreError,
    Redis,
    keys::{self, ClientKeys},
    reply::{Reply, damaged, parse},
    script::{CUSTOMER, POST, POST_TOGETHER, READ, RECALL_LEASES, Source, WITHIN},
};
use crate::accounting::{Account, AccountKey, Kind, Limit, PostRefusal, Posted, Posting};

impl Redis {
    /// Calls a script over `lua/account.lua`. The client is put into the index of accounts first
    /// if the script says that it is not in there, so that no account is ever missing from it.
    pub(super) async fn on_accounts(
        &self,
        script: &Source,
        client: &ClientId,
        more_keys: &[String],
        arguments: &[Vec<u8>],
    ) -> Result<Reply, StoreError> {
        let mut keys = ClientKeys::of(client).accounts();
        keys.extend_from_slice(more_keys);
        for listed in ["0", "1"] {
            let arguments = [&[listed.into()], arguments].concat();
            let answer: Vec<String> = self.connection.call(script, &keys, &arguments).await?;
            let mut reply = Reply::new(answer);
            match reply.text()?.as_str() {
                "ok" => return Ok(reply),
                "damaged" => return Err(damaged(client, &reply.text()?)),
                _ => self.list(client).await?,
            }
        }
        Err(StoreError::Damaged("a script does not see the index of accounts".to_owned()))
    }

    pub(super) async fn list(&self, client: &ClientId) -> Result<(), StoreError> {
        let first = client.as_bytes().first().copied().unwrap_or_default();
        let mut command = redis::cmd("ZADD");
        command.arg(keys::accounts(first)).arg(0).arg(client.to_hex());
        self.connection.command::<u64>(&command).await.map(drop)
    }

    /// # Errors
    /// The store's.
    pub(super) async fn read_account(&self, key: AccountKey) -> Result<Account, StoreError> {
        let currency = key.currency.as_str().into();
        self.on_accounts(&READ, &key.client, &[], &[currency]).await?.account()
    }

    pub(super) async fn post_movement(
        &self,
        key: AccountKey,
        posting: Posting,
        up_to: bool,
        expires_ms: Option<u64>,
    ) -> Result<Posted, StoreError> {
        self.name_payers(key, core::slice::from_ref(&posting)).await?;
        let mut arguments: Vec<Vec<u8>> = vec![key.currency.as_str().into()];
        arguments.extend(fields(posting));
        arguments.push(if up_to { "1".into() } else { "0".into() });
        arguments.push(expires_ms.map(|ms| ms.to_string()).unwrap_or_default().into_bytes());
        let reply = self.on_accounts(&POST, &key.client, &[], &arguments).await?;
        posted(reply)
    }

    pub(super) async fn call_leases_back(&self, key: AccountKey) -> Result<Account, StoreError> {
        let currency = [key.currency.as_str().into()];
        self.on_accounts(&RECALL_LEASES, &key.client, &[], &currency).await?.account()
    }

    pub(super) async fn post_movements(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        self.name_payers(key, &postings).await?;
        let mut arguments: Vec<Vec<u8>> = vec![key.currency.as_str().into()];
        arguments.extend(postings.into_iter().flat_map(fields));
        let reply = self.on_accounts(&POST_TOGETHER, &key.client, &[], &arguments).await?;
        posted(reply)
    }

    async fn name_payers(&self, key: AccountKey, postings: &[Posting]) -> Result<(), StoreError> {
        for top_up in postings.iter().filter(|posting| posting.kind == Kind::TopUp) {
            self.write_payer(&top_up.reference, key).await?;
        }
        Ok(())
    }

    pub(super) async fn read_customer(
        &self,
        client: ClientId,
    ) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(ClientKeys::of(&client).record()).arg("stripeCustomerId");
        let customer: Option<String> = self.connection.command(&command).await?;
        Ok(customer.filter(|customer| !customer.is_empty()))
    }

    pub(super) async fn write_customer(
        &self,
        client: ClientId,
        customer: String,
    ) -> Result<String, StoreError> {
        self.replace_customer_of(client, "", customer).await
    }

    pub(super) async fn replace_customer_of(
        &self,
        client: ClientId,
        gone: &str,
        customer: String,
    ) -> Result<String, StoreError> {
        let arguments = [customer.into_bytes(), gone.into()];
        let customer = self.on_accounts(&CUSTOMER, &client, &[], &arguments).await?.text()?;
        // A charge names it. With another one in its place the key would not fit when it is repeated.
        self.customer_is_replicated(client).await?;
        Ok(customer)
    }

    pub(super) async fn within_limit(
        &self,
        limit: &Limit,
        count: bool,
    ) -> Result<Option<Duration>, StoreError> {
        let arguments = [
            limit.most.to_string().into_bytes(),
            limit.piece_ms().to_string().into_bytes(),
            if count { "1" } else { "0" }.into(),
        ];
        let key = [keys::counts(&limit.name)];
        let wait: u64 = self.connection.call(&WITHIN, &key, &arguments).await?;
        Ok((wait > 0).then(|| Duration::from_millis(wait)))
    }

    pub(super) async fn list_accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        let mut found = Vec::new();
        if let Some(client) = client {
            // Whoever asks may be the first to see a client of the middleware's.
            self.read_account(AccountKey { client, currency: Currency::USD }).await?;
            self.accounts_of(client, after, &mut found).await?;
            found.truncate(most);
            return Ok(found);
        }
        let first = after.and_then(|after| after.client.as_bytes().first().copied()).unwrap_or(0);
        for part in first..=u8::MAX {
            let mut from = after
                .filter(|_| part == first)
                .map_or_else(|| "-".to_owned(), |after| format!("[{}", after.client.to_hex()));
            loop {
                let mut command = redis::cmd("ZRANGEBYLEX");
                command.arg(keys::accounts(part)).arg(&from).arg("+").arg("LIMIT").arg(0).arg(100);
                let page: Vec<String> = self.connection.command(&command).await?;
                for name in &page {
                    self.accounts_of(parse(name, "a client id")?, after, &mut found).await?;
                    if found.len() >= most {
                        found.truncate(most);
                        return Ok(found);
                    }
                }
                let Some(last) = page.last() else { break };
                from = format!("({last}");
            }
        }
        Ok(found)
    }

    /// Appends a client's accounts after that one, by currency.
    async fn accounts_of(
        &self,
        client: ClientId,
        after: Option<AccountKey>,
        found: &mut Vec<AccountKey>,
    ) -> Result<(), StoreError> {
        let mut command = redis::cmd("HKEYS");
        command.arg(ClientKeys::of(&client).state());
        let fields: Vec<String> = self.connection.command(&command).await?;
        let mut own = Vec::new();
        for currency in fields.iter().filter_map(|field| field.strip_prefix("account:")) {
            own.push(AccountKey { client, currency: parse(currency, "a currency")? });
        }
        own.sort_unstable();
        found.extend(own.into_iter().filter(|key| after.is_none_or(|after| *key > after)));
        Ok(())
    }
}

/// A movement, as the scripts take it.
fn fields(posting: Posting) -> [Vec<u8>; 5] {
    [
        posting.kind.as_str().into(),
        class(posting.kind).into(),
        posting.reference.into_bytes(),
        posting.amount.to_string().into_bytes(),
        posting.note.map_or_else(|| "-".into(), |note| format!("+{note}").into_bytes()),
    ]
}

fn posted(mut reply: Reply) -> Result<Posted, StoreError> {
    match reply.text()?.as_str() {
        "done" => Ok(Posted::Done(reply.account()?)),
        "repeated" => Ok(Posted::Repeated(reply.account()?)),
        "conflict" => Ok(Posted::Refused(PostRefusal::Conflict)),
        "no_such_hold" => Ok(Posted::Refused(PostRefusal::NoSuchHold)),
        "insufficient" => Ok(Posted::Refused(PostRefusal::Insufficient)),
        "too_large" => Ok(Posted::Refused(PostRefusal::TooLarge)),
        "no_such_grant" => Ok(Posted::Refused(PostRefusal::NoSuchGrant)),
        "too_many_grants" => Ok(Posted::Refused(PostRefusal::TooManyGrants)),
        "expired" => Ok(Posted::Refused(PostRefusal::Expired)),
        _ => Err(StoreError::Damaged("an unknown answer to a movement".to_owned())),
    }
}

/// What movements of this kind do to an account: `effects` in `lua/movement.lua`.
const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::TopUp
        | Kind::RefundFailed
        | Kind::DisputeWon
        | Kind::AdjustmentUp
        | Kind::ExternalUp => "credit",
        Kind::Grant => "grant",
        Kind::GrantExpired => "expire",
        Kind::Refund | Kind::DisputeOpened => "forced",
        Kind::AdjustmentDown | Kind::ExternalDown => "debit",
        Kind::Hold => "hold",
        Kind::Capture => "capture",
        Kind::Release => "release",
        Kind::DisputeLost => "none",
        Kind::Freeze => "freeze",
        Kind::Unfreeze => "unfreeze",
    }
}
