//! Reading outside of write transactions: a snapshot of what is committed.

use std::time::Duration;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};
use stripe402_protocol::{ChargeId, ClientId};

use super::{
    super::{KeptCharge, StoreError, Tally},
    schema::{
        self, ACCOUNTS, AGREED, CHARGES, COUNTS, CUSTOMERS, MOVEMENTS, PAYERS, REFERENCES, TALLIES,
        TOP_UPS, UNFINISHED, account_bytes, from_json, from_postcard, unavailable,
    },
};
use crate::ledger::{Account, AccountKey, ChargeRecord, Kind, Limit, Movement, TopUp, TopUpId};

/// A snapshot.
pub(super) struct Snapshot(pub(super) ReadTransaction);

impl Snapshot {
    pub(super) const fn new(transaction: ReadTransaction) -> Self {
        Self(transaction)
    }

    pub(super) fn account(&self, key: &AccountKey) -> Result<Account, StoreError> {
        schema::account(&self.0.open_table(ACCOUNTS).map_err(unavailable)?, key)
    }

    pub(super) fn movements(&self, key: &AccountKey) -> Result<Vec<Movement>, StoreError> {
        schema::movements(&self.0.open_table(MOVEMENTS).map_err(unavailable)?, key)
    }

    pub(super) fn movement(
        &self,
        key: &AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        let references = self.0.open_table(REFERENCES).map_err(unavailable)?;
        let movements = self.0.open_table(MOVEMENTS).map_err(unavailable)?;
        schema::movement(&references, &movements, key, kind, reference)
    }

    pub(super) fn customer(&self, client: &ClientId) -> Result<Option<String>, StoreError> {
        let customers = self.0.open_table(CUSTOMERS).map_err(unavailable)?;
        let customer = customers.get(client.as_bytes()).map_err(unavailable)?;
        Ok(customer.map(|customer| customer.value().to_owned()))
    }

    pub(super) fn agreed(&self, anchor: &ClientId) -> Result<Option<ClientId>, StoreError> {
        let agreed = self.0.open_table(AGREED).map_err(unavailable)?;
        let known = agreed.get(anchor.as_bytes()).map_err(unavailable)?;
        Ok(known.map(|id| ClientId::from_bytes(*id.value())))
    }

    pub(super) fn payer(&self, payment_intent: &str) -> Result<Option<AccountKey>, StoreError> {
        let payers = self.0.open_table(PAYERS).map_err(unavailable)?;
        let payer = payers.get(payment_intent).map_err(unavailable)?;
        payer.map(|bytes| schema::account_key(bytes.value())).transpose()
    }

    pub(super) fn within(
        &self,
        limit: &Limit,
        now_ms: u64,
    ) -> Result<Option<Duration>, StoreError> {
        let counts = self.0.open_table(COUNTS).map_err(unavailable)?;
        Ok(limit.wait(&schema::counts(&counts, limit, now_ms)?, now_ms))
    }

    pub(super) fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, StoreError> {
        schema::top_up(&self.0.open_table(TOP_UPS).map_err(unavailable)?, id)
    }

    pub(super) fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        let top_ups = self.0.open_table(TOP_UPS).map_err(unavailable)?;
        let unfinished = self.0.open_table(UNFINISHED).map_err(unavailable)?;
        let mut found = Vec::new();
        for row in unfinished.iter().map_err(unavailable)? {
            let (_, id) = row.map_err(unavailable)?;
            let record = top_ups.get(id.value()).map_err(unavailable)?;
            found.extend(record.map(|record| from_json(record.value())).transpose()?);
        }
        Ok(found)
    }

    pub(super) fn accounts(
        &self,
        client: Option<&ClientId>,
        after: Option<&AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        let accounts = self.0.open_table(ACCOUNTS).map_err(unavailable)?;
        let from = client.map(|client| client.as_bytes().to_vec()).unwrap_or_default();
        // Keys have one length: one byte more comes right after a key.
        let from = after.map_or(from, |key| [account_bytes(key), vec![0]].concat());
        let mut found = Vec::new();
        for row in accounts.range(from.as_slice()..).map_err(unavailable)?.take(most) {
            let (key, _) = row.map_err(unavailable)?;
            let key = account_key(key.value())?;
            if client.is_some_and(|client| *client != key.client) {
                break;
            }
            found.push(key);
        }
        Ok(found)
    }

    pub(super) fn tallies(&self, key: &AccountKey) -> Result<Vec<Tally>, StoreError> {
        let tallies: ReadOnlyTable<&[u8], (i64, i64)> =
            self.0.open_table(TALLIES).map_err(unavailable)?;
        let account = account_bytes(key);
        let mut found = Vec::new();
        for row in tallies.range(account.as_slice()..).map_err(unavailable)? {
            let (bytes, sums) = row.map_err(unavailable)?;
            let Some(rest) = bytes.value().strip_prefix(account.as_slice()) else { break };
            let (hour, route) = rest.split_first_chunk::<8>().ok_or_else(damaged_key)?;
            let (count, amount) = sums.value();
            found.push(Tally {
                route: String::from_utf8_lossy(route).into_owned(),
                hour: u64::from_be_bytes(*hour),
                count,
                amount,
            });
        }
        Ok(found)
    }

    /// Looks through all that is kept, newest first: for operators, not for requests.
    pub(super) fn charges(
        &self,
        key: &AccountKey,
        most: usize,
    ) -> Result<Vec<KeptCharge>, StoreError> {
        let charges = self.0.open_table(CHARGES).map_err(unavailable)?;
        let mut found = Vec::new();
        for row in charges.iter().map_err(unavailable)?.rev() {
            if found.len() == most {
                break;
            }
            let (id, record) = row.map_err(unavailable)?;
            let record: ChargeRecord = from_postcard(record.value())?;
            if let ChargeRecord::Deducted { account, amount, route, .. } = record
                && account == *key
            {
                found.push(KeptCharge { id: ChargeId::from_bytes(*id.value()), route, amount });
            }
        }
        Ok(found)
    }
}

pub(super) fn account_key(bytes: &[u8]) -> Result<AccountKey, StoreError> {
    let (client, currency) = bytes.split_first_chunk::<32>().ok_or_else(damaged_key)?;
    let currency = std::str::from_utf8(currency).ok().and_then(|code| code.parse().ok());
    let currency = currency.ok_or_else(damaged_key)?;
    Ok(AccountKey { client: ClientId::from_bytes(*client), currency })
}

pub(super) fn damaged_key() -> StoreError {
    StoreError::Damaged("a key of another form".to_owned())
}
