//! How keys and values are written in the file, and read.

use std::panic::AssertUnwindSafe;

use redb::{AccessGuard, TableHandle};
use serde::{Serialize, de::DeserializeOwned};
use stripe402_protocol::ClientId;

use super::{
    super::StoreError,
    damage::{damaged, shown_bytes},
};
use crate::accounting::{AccountKey, Kind};

/// The account that [`account_bytes`] wrote, in a table's key or value.
pub(super) fn account_key(
    table: &impl TableHandle,
    bytes: &[u8],
) -> Result<AccountKey, StoreError> {
    let parsed = bytes.split_first_chunk::<32>().and_then(|(client, currency)| {
        let currency = std::str::from_utf8(currency).ok()?.parse().ok()?;
        Some(AccountKey { client: ClientId::from_bytes(*client), currency })
    });
    parsed.ok_or_else(|| damaged(table, &shown_bytes(bytes), "it names no account"))
}

/// 35 bytes: client and currency, so that a client's accounts lie together.
pub(super) fn account_bytes(account: &AccountKey) -> Vec<u8> {
    [account.client.as_bytes().as_slice(), account.currency.as_bytes()].concat()
}

/// The key of a movement in the index by reference.
pub(super) fn reference_bytes(key: &AccountKey, kind: Kind, reference: &str) -> Vec<u8> {
    [&account_bytes(key), kind.as_str().as_bytes(), b"\0", reference.as_bytes()].concat()
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// What serde says of a value that it cannot read may quote it. What is said here does not: the
/// value may hold what no log may.
pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{:?} error in its JSON at line {line}, column {column}", error.classify())
    })
}

pub(super) fn to_postcard<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub(super) fn from_postcard<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

/// A text as it is kept. redb panics where a value is no text, so that one damaged record would end
/// the thread that reads it.
pub(super) fn text(value: &AccessGuard<'_, &'static str>) -> Result<String, String> {
    std::panic::catch_unwind(AssertUnwindSafe(|| value.value().to_owned()))
        .map_err(|_| "it is no text".to_owned())
}
