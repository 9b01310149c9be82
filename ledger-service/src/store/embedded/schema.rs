//! The tables, and reading them.
//!
//! Charges, of which there are many, are postcard; everything else is JSON, to be read by people
//! in need.

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction,
};
use serde::{Serialize, de::DeserializeOwned};
use stripe402_protocol::{ClientId, Units};

use super::super::StoreError;
use crate::ledger::{AccountKey, TopUp, TopUpId};

/// Account → what can be spent.
pub(super) const BALANCES: TableDefinition<'_, &[u8], i64> = TableDefinition::new("balances");
/// Charge id → what became of it. Ids begin with their time: the oldest are a range.
pub(super) const CHARGES: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("charges");
/// Account, hour, route → how many, how much.
pub(super) const TALLIES: TableDefinition<'_, &[u8], (i64, i64)> = TableDefinition::new("tallies");
/// Account, sequence → movement.
pub(super) const MOVEMENTS: TableDefinition<'_, (&[u8], u64), &[u8]> =
    TableDefinition::new("movements");
/// Top-up id → record.
pub(super) const TOP_UPS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("top_ups");
/// Account → its one unfinished top-up.
pub(super) const UNFINISHED: TableDefinition<'_, &[u8], &[u8; 16]> =
    TableDefinition::new("unfinished_top_ups");
/// Account and idempotency key → the latest top-up of that name.
pub(super) const NAMED: TableDefinition<'_, &[u8], &[u8; 16]> =
    TableDefinition::new("named_top_ups");
/// Client → Stripe customer.
pub(super) const CUSTOMERS: TableDefinition<'_, &[u8; 32], &str> =
    TableDefinition::new("customers");
/// What this file is.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("stripe402");

/// The layout above.
const LAYOUT: u64 = 1;

/// Makes the tables of a new file; refuses a file of another layout.
pub(super) fn prepare(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_write().map_err(unavailable)?;
    let found = {
        let mut meta = transaction.open_table(META).map_err(unavailable)?;
        let found = meta.get("layout").map_err(unavailable)?.map(|layout| layout.value());
        if found.is_none() {
            meta.insert("layout", LAYOUT).map_err(unavailable)?;
        }
        found
    };
    if let Some(other) = found.filter(|layout| *layout != LAYOUT) {
        return Err(StoreError::Damaged(format!(
            "the file has layout {other}; this version reads layout {LAYOUT}"
        )));
    }
    open_all(&transaction)?;
    transaction.commit().map_err(unavailable)
}

fn open_all(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(BALANCES).map_err(unavailable)?;
    transaction.open_table(CHARGES).map_err(unavailable)?;
    transaction.open_table(TALLIES).map_err(unavailable)?;
    transaction.open_table(MOVEMENTS).map_err(unavailable)?;
    transaction.open_table(TOP_UPS).map_err(unavailable)?;
    transaction.open_table(UNFINISHED).map_err(unavailable)?;
    transaction.open_table(NAMED).map_err(unavailable)?;
    transaction.open_table(CUSTOMERS).map_err(unavailable)?;
    Ok(())
}

/// What is read outside of a write transaction.
pub(super) struct ReadTables {
    balances: ReadOnlyTable<&'static [u8], i64>,
    top_ups: ReadOnlyTable<&'static [u8; 16], &'static [u8]>,
    unfinished: ReadOnlyTable<&'static [u8], &'static [u8; 16]>,
    customers: ReadOnlyTable<&'static [u8; 32], &'static str>,
}

impl ReadTables {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            balances: transaction.open_table(BALANCES).map_err(unavailable)?,
            top_ups: transaction.open_table(TOP_UPS).map_err(unavailable)?,
            unfinished: transaction.open_table(UNFINISHED).map_err(unavailable)?,
            customers: transaction.open_table(CUSTOMERS).map_err(unavailable)?,
        })
    }

    pub(super) fn balance(&self, account: &AccountKey) -> Result<Units, StoreError> {
        balance(&self.balances, account)
    }

    pub(super) fn customer(&self, client: &ClientId) -> Result<Option<String>, StoreError> {
        let customer = self.customers.get(client.as_bytes()).map_err(unavailable)?;
        Ok(customer.map(|customer| customer.value().to_owned()))
    }

    pub(super) fn top_up(&self, id: &TopUpId) -> Result<Option<TopUp>, StoreError> {
        top_up(&self.top_ups, id)
    }

    pub(super) fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        let mut found = Vec::new();
        for row in self.unfinished.iter().map_err(unavailable)? {
            let (_, id) = row.map_err(unavailable)?;
            let record = self.top_ups.get(id.value()).map_err(unavailable)?;
            found.extend(record.map(|record| from_json(record.value())).transpose()?);
        }
        Ok(found)
    }
}

pub(super) fn balance(
    table: &impl ReadableTable<&'static [u8], i64>,
    account: &AccountKey,
) -> Result<Units, StoreError> {
    match table.get(account_bytes(account).as_slice()).map_err(unavailable)? {
        None => Ok(Units::ZERO),
        Some(units) => Units::new(units.value())
            .map_err(|_| StoreError::Damaged(format!("balance of {:?}", account.client))),
    }
}

pub(super) fn top_up(
    table: &impl ReadableTable<&'static [u8; 16], &'static [u8]>,
    id: &TopUpId,
) -> Result<Option<TopUp>, StoreError> {
    let record = table.get(id.0.as_bytes()).map_err(unavailable)?;
    record.map(|record| from_json(record.value())).transpose()
}

/// 35 bytes: client and currency, so that a client's accounts lie together.
pub(super) fn account_bytes(account: &AccountKey) -> Vec<u8> {
    [account.client.as_bytes().as_slice(), account.currency.as_bytes()].concat()
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Any failure of redb: the transaction is given up as a whole.
pub(super) fn unavailable(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Unavailable(error.into().to_string())
}
