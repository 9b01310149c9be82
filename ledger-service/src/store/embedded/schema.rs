//! The tables, and reading them.
//!
//! Charges and accounts, which every request touches, are postcard; everything else is JSON, to
//! be read by people in need.

use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    Value, WriteTransaction,
};
use stripe402_protocol::{ClientId, DeductionId};

use super::{
    super::StoreError,
    damage::{damaged, shown},
    encoding::{account_bytes, account_key, from_json, from_postcard, reference_bytes},
};
use crate::accounting::{
    self, Account, AccountKey, DeductionRecord, Grants, KeyHash, Kind, Limit, Movement, OpenHold,
    TopUp, TopUpId,
};

/// Account → what it holds.
pub(super) const ACCOUNTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("accounts");
/// Account → what is left of its grants.
pub(super) const GRANTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("grants");
/// When a grant of an account of [`GRANTS`] may have expired. The earliest are a range.
pub(super) const GRANT_ENDS: TableDefinition<'_, (u64, &[u8]), ()> =
    TableDefinition::new("grant_ends");
/// A key's SHA-256 → the key.
pub(super) const KEYS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("keys");
/// Owner and SHA-256 of a key of [`KEYS`].
pub(super) const KEYS_OF: TableDefinition<'_, (&[u8; 32], &[u8; 32]), ()> =
    TableDefinition::new("keys_of_clients");
/// Deduction id → what became of it. Ids begin with their time: the oldest are a range.
pub(super) const CHARGES: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("charges");
/// Hold → what is pending, until it is settled.
pub(super) const HOLDS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("holds");
/// When a hold of [`HOLDS`] ends, and its id. The earliest are a range.
pub(super) const HOLD_ENDS: TableDefinition<'_, (u64, &[u8; 16]), ()> =
    TableDefinition::new("hold_ends");
/// Account, hour, route → how many, how much.
pub(super) const TALLIES: TableDefinition<'_, &[u8], (i64, i64)> = TableDefinition::new("tallies");
/// Account, kind, reference → the movement's sequence.
pub(super) const REFERENCES: TableDefinition<'_, &[u8], u64> =
    TableDefinition::new("movement_references");
/// Account, sequence → movement.
pub(super) const MOVEMENTS: TableDefinition<'_, (&[u8], u64), &[u8]> =
    TableDefinition::new("movements");
/// Top-up id → record.
pub(super) const TOP_UPS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("top_ups");
/// Kind, time, and key in [`REFERENCES`] of a movement → its sequence.
pub(super) const MOVEMENTS_BY_TIME: TableDefinition<'_, (&[u8], u64, &[u8]), u64> =
    TableDefinition::new("movements_by_time");
/// When a top-up of [`TOP_UPS`] was opened, and its id.
pub(super) const TOP_UPS_BY_TIME: TableDefinition<'_, (u64, &[u8; 16]), ()> =
    TableDefinition::new("top_ups_by_time");
/// Account → its one unfinished top-up.
pub(super) const UNFINISHED: TableDefinition<'_, &[u8], &[u8; 16]> =
    TableDefinition::new("unfinished_top_ups");
/// Account and idempotency key → the latest top-up of that name.
pub(super) const NAMED: TableDefinition<'_, &[u8], &[u8; 16]> =
    TableDefinition::new("named_top_ups");
/// When a top-up ended without a charge, and its id → the PaymentIntent that waited, or nothing.
pub(super) const UNCHARGED: TableDefinition<'_, (u64, &[u8; 16]), &str> =
    TableDefinition::new("uncharged_top_ups");
/// Client and id of a top-up of [`UNCHARGED`].
pub(super) const UNCHARGED_OF: TableDefinition<'_, (&[u8; 32], &[u8; 16]), ()> =
    TableDefinition::new("uncharged_top_ups_of_clients");
/// Client → Stripe customer.
pub(super) const CUSTOMERS: TableDefinition<'_, &[u8; 32], &str> =
    TableDefinition::new("customers");
/// When a piece of a window began, and what is counted → how many. The oldest are a range.
pub(super) const COUNTS: TableDefinition<'_, (u64, &str), u64> = TableDefinition::new("counts");
/// When, the action, and whether it is its end → an entry of the audit record.
pub(super) const AUDIT: TableDefinition<'_, (u64, &[u8; 16], bool), &[u8]> =
    TableDefinition::new("audit");
/// PaymentIntent → the account that it is known of.
pub(super) const PAYERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("payers");
/// The least of a client's ids → the id under which it is known.
pub(super) const AGREED: TableDefinition<'_, &[u8; 32], &[u8; 32]> =
    TableDefinition::new("agreed_clients");
/// The name of these books, under "id".
pub(super) const BOOKS: TableDefinition<'_, &str, &[u8; 16]> = TableDefinition::new("books");
/// What this file is.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("stripe402");

/// The layout above.
const LAYOUT: u64 = 3;

/// Whether a ledger made this database.
///
/// # Errors
/// The disk's.
pub(super) fn is_ours(database: &impl ReadableDatabase) -> Result<bool, StoreError> {
    let transaction = database.begin_read().map_err(failed)?;
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta.get("layout").map_err(failed)?.is_some()),
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => Ok(false),
        Err(other) => Err(failed(other)),
    }
}

/// Makes the tables of a new file; refuses a file of another layout.
pub(super) fn prepare(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_write().map_err(failed)?;
    let found = {
        let mut meta = transaction.open_table(META).map_err(failed)?;
        let found = meta.get("layout").map_err(failed)?.map(|layout| layout.value());
        if found.is_none() {
            meta.insert("layout", LAYOUT).map_err(failed)?;
        }
        found
    };
    if let Some(other) = found.filter(|layout| *layout != LAYOUT) {
        return Err(StoreError::Damaged(format!(
            "the file has layout {other}; this version reads layout {LAYOUT}"
        )));
    }
    open_all(&transaction)?;
    transaction.commit().map_err(failed)
}

fn open_all(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(ACCOUNTS).map_err(failed)?;
    transaction.open_table(REFERENCES).map_err(failed)?;
    transaction.open_table(CHARGES).map_err(failed)?;
    transaction.open_table(GRANTS).map_err(failed)?;
    transaction.open_table(GRANT_ENDS).map_err(failed)?;
    transaction.open_table(KEYS).map_err(failed)?;
    transaction.open_table(KEYS_OF).map_err(failed)?;
    transaction.open_table(HOLDS).map_err(failed)?;
    transaction.open_table(HOLD_ENDS).map_err(failed)?;
    transaction.open_table(TALLIES).map_err(failed)?;
    transaction.open_table(MOVEMENTS).map_err(failed)?;
    transaction.open_table(TOP_UPS).map_err(failed)?;
    transaction.open_table(MOVEMENTS_BY_TIME).map_err(failed)?;
    transaction.open_table(TOP_UPS_BY_TIME).map_err(failed)?;
    transaction.open_table(UNFINISHED).map_err(failed)?;
    transaction.open_table(NAMED).map_err(failed)?;
    transaction.open_table(UNCHARGED).map_err(failed)?;
    transaction.open_table(UNCHARGED_OF).map_err(failed)?;
    transaction.open_table(CUSTOMERS).map_err(failed)?;
    transaction.open_table(COUNTS).map_err(failed)?;
    transaction.open_table(AUDIT).map_err(failed)?;
    transaction.open_table(PAYERS).map_err(failed)?;
    transaction.open_table(BOOKS).map_err(failed)?;
    transaction.open_table(AGREED).map_err(failed)?;
    Ok(())
}

/// Copies every table into a file that [`prepare`] has made.
pub(super) fn copy_all(from: &ReadTransaction, into: &Database) -> Result<(), StoreError> {
    let transaction = into.begin_write().map_err(failed)?;
    copy(from, &transaction, ACCOUNTS)?;
    copy(from, &transaction, CHARGES)?;
    copy(from, &transaction, GRANTS)?;
    copy(from, &transaction, GRANT_ENDS)?;
    copy(from, &transaction, KEYS)?;
    copy(from, &transaction, KEYS_OF)?;
    copy(from, &transaction, HOLDS)?;
    copy(from, &transaction, HOLD_ENDS)?;
    copy(from, &transaction, TALLIES)?;
    copy(from, &transaction, REFERENCES)?;
    copy(from, &transaction, MOVEMENTS)?;
    copy(from, &transaction, TOP_UPS)?;
    copy(from, &transaction, MOVEMENTS_BY_TIME)?;
    copy(from, &transaction, TOP_UPS_BY_TIME)?;
    copy(from, &transaction, UNFINISHED)?;
    copy(from, &transaction, NAMED)?;
    copy(from, &transaction, UNCHARGED)?;
    copy(from, &transaction, UNCHARGED_OF)?;
    copy(from, &transaction, CUSTOMERS)?;
    copy(from, &transaction, COUNTS)?;
    copy(from, &transaction, AUDIT)?;
    copy(from, &transaction, PAYERS)?;
    copy(from, &transaction, BOOKS)?;
    copy(from, &transaction, AGREED)?;
    transaction.commit().map_err(failed)
}

fn copy<K: Key, V: Value>(
    from: &ReadTransaction,
    into: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<(), StoreError> {
    let source = from.open_table(table).map_err(failed)?;
    let mut target = into.open_table(table).map_err(failed)?;
    for row in source.iter().map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        target.insert(key.value(), value.value()).map_err(failed)?;
    }
    Ok(())
}

/// The record of a top-up, which names itself.
pub(super) fn top_up(
    table: &impl ReadableTable<&'static [u8; 16], &'static [u8]>,
    id: &TopUpId,
) -> Result<Option<TopUp>, StoreError> {
    let record = table.get(id.0.as_bytes()).map_err(failed)?;
    record.map(|record| read_top_up(id, record.value())).transpose()
}

pub(super) fn read_top_up(id: &TopUpId, bytes: &[u8]) -> Result<TopUp, StoreError> {
    let damaged = |why: &str| damaged(&TOP_UPS, &id.to_string(), why);
    let top_up: TopUp = from_json(bytes).map_err(|why| damaged(&why))?;
    if top_up.id == *id { Ok(top_up) } else { Err(damaged("it is of another top-up")) }
}

pub(super) fn account(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &AccountKey,
) -> Result<Account, StoreError> {
    let bytes = table.get(account_bytes(key).as_slice()).map_err(failed)?;
    let read =
        |bytes: &[u8]| from_postcard(bytes).map_err(|why| damaged(&ACCOUNTS, &shown(key), &why));
    match bytes {
        Some(bytes) => read(bytes.value()),
        // What is new has the ids of its client's others.
        None => {
            let like = accounts_of(table, &key.client)?.into_iter().next();
            let rotation = like.map(|(_, account)| account.rotation).unwrap_or_default();
            Ok(Account { rotation, ..Account::default() })
        }
    }
}

/// All accounts of a client.
pub(super) fn accounts_of(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    client: &ClientId,
) -> Result<Vec<(AccountKey, Account)>, StoreError> {
    let mut found = Vec::new();
    for row in table.range(client.as_bytes().as_slice()..).map_err(failed)? {
        let (key, account) = row.map_err(failed)?;
        let key = account_key(&ACCOUNTS, key.value())?;
        if key.client != *client {
            break;
        }
        let account = from_postcard(account.value());
        found.push((key, account.map_err(|why| damaged(&ACCOUNTS, &shown(&key), &why))?));
    }
    Ok(found)
}

/// What is left of an account's grants, as it was reckoned last.
pub(super) fn grants(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &AccountKey,
) -> Result<Grants, StoreError> {
    let bytes = table.get(account_bytes(key).as_slice()).map_err(failed)?;
    let read = |bytes: &[u8]| from_json(bytes).map_err(|why| damaged(&GRANTS, &shown(key), &why));
    bytes.map_or_else(|| Ok(Grants::default()), |bytes| read(bytes.value()))
}

/// A key, by its SHA-256.
pub(super) fn key(
    table: &impl ReadableTable<&'static [u8; 32], &'static [u8]>,
    hash: &KeyHash,
) -> Result<Option<accounting::Key>, StoreError> {
    let bytes = table.get(&hash.0).map_err(failed)?;
    let read = |bytes: &[u8]| from_json(bytes).map_err(|why| damaged(&KEYS, &hash.id(), &why));
    bytes.map(|bytes| read(bytes.value())).transpose()
}

pub(super) fn read_charge(id: &DeductionId, bytes: &[u8]) -> Result<DeductionRecord, StoreError> {
    from_postcard(bytes).map_err(|why| damaged(&CHARGES, &id.to_string(), &why))
}

pub(super) fn read_hold(id: &DeductionId, bytes: &[u8]) -> Result<OpenHold, StoreError> {
    from_postcard(bytes).map_err(|why| damaged(&HOLDS, &id.to_string(), &why))
}

/// A limit's counts that still matter, by piece.
pub(super) fn counts(
    table: &impl ReadableTable<(u64, &'static str), u64>,
    limit: &Limit,
    now_ms: u64,
) -> Result<Vec<(u64, u64)>, StoreError> {
    let mut found = Vec::new();
    let mut piece = limit.since(now_ms);
    while piece <= now_ms {
        let count = table.get((piece, limit.name.as_str())).map_err(failed)?;
        found.extend(count.map(|count| (piece, count.value())));
        piece = piece.saturating_add(limit.piece_ms());
    }
    Ok(found)
}

pub(super) fn movements(
    table: &impl ReadableTable<(&'static [u8], u64), &'static [u8]>,
    key: &AccountKey,
) -> Result<Vec<Movement>, StoreError> {
    let account = account_bytes(key);
    let account = account.as_slice();
    let rows = table.range((account, 0)..=(account, u64::MAX)).map_err(failed)?;
    rows.map(|row| {
        let (place, record) = row.map_err(failed)?;
        read_movement(key, place.value().1, record.value())
    })
    .collect()
}

/// An account's movement of this kind and reference.
pub(super) fn movement(
    references: &impl ReadableTable<&'static [u8], u64>,
    movements: &impl ReadableTable<(&'static [u8], u64), &'static [u8]>,
    key: &AccountKey,
    kind: Kind,
    reference: &str,
) -> Result<Option<Movement>, StoreError> {
    let bytes = reference_bytes(key, kind, reference);
    let sequence = references.get(bytes.as_slice()).map_err(failed)?;
    let Some(sequence) = sequence.map(|sequence| sequence.value()) else { return Ok(None) };
    let account = account_bytes(key);
    let record = movements.get((account.as_slice(), sequence)).map_err(failed)?;
    let damaged = |why| Err(damaged_movement(key, sequence, why));
    let Some(record) = record else {
        return damaged("movement_references names it, and it is not there");
    };
    let movement = read_movement(key, sequence, record.value())?;
    if movement.posting.kind != kind || movement.posting.reference != reference {
        return damaged("it is another one than movement_references says");
    }
    Ok(Some(movement))
}

pub(super) fn read_movement(
    account: &AccountKey,
    sequence: u64,
    bytes: &[u8],
) -> Result<Movement, StoreError> {
    from_json(bytes).map_err(|why| damaged_movement(account, sequence, &why))
}

pub(super) fn damaged_movement(account: &AccountKey, sequence: u64, why: &str) -> StoreError {
    damaged(&MOVEMENTS, &format!("{} movement {sequence}", shown(account)), why)
}

/// A failure of redb's. One page that does not have its checksum, or is no page at all, is damage;
/// everything else is the disk's.
pub(super) fn failed(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Corrupted(why) => StoreError::Damaged(format!("a page of the file: {why}")),
        other => StoreError::Unavailable(other.to_string()),
    }
}
