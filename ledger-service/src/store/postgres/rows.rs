//! From rows to what they mean.

use sqlx::{Row, postgres::PgRow};
use stripe402_protocol::{ClientId, Units};

use super::super::StoreError;
use crate::accounting::{Account, AccountKey, Kind, Movement, Posting, Rotation, TopUp};

/// A column that holds something else than it should.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

fn as_sqlx(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

pub(super) fn units(amount: i64) -> Result<Units, sqlx::Error> {
    Units::new(amount).map_err(|_| as_sqlx("an amount out of range"))
}

pub(super) fn account(row: &PgRow) -> Result<Account, sqlx::Error> {
    Ok(Account {
        available: units(row.try_get("available")?)?,
        pending: units(row.try_get("pending")?)?,
        debt: units(row.try_get("debt")?)?,
        frozen: row.try_get("frozen")?,
        leased: units(row.try_get("leased")?)?,
        leases: u8::try_from(row.try_get::<i16, _>("leases")?)
            .map_err(|_| as_sqlx("a number of leases out of range"))?,
        recalled: row.try_get("recalled")?,
        rotation: rotation(row)?,
    })
}

pub(super) fn rotation(row: &PgRow) -> Result<Rotation, sqlx::Error> {
    let number =
        |name| u64::try_from(row.try_get::<i64, _>(name)?).map_err(|_| as_sqlx("a rotation"));
    let generation = |name| u32::try_from(number(name)?).map_err(|_| as_sqlx("a generation"));
    Ok(Rotation {
        generation: generation("generation")?,
        oldest: generation("oldest")?,
        until_ms: number("until_ms")?,
        name: number("rotation_name")?,
    })
}

/// A column of 32 bytes.
pub(super) fn bytes(row: &PgRow, name: &str) -> Result<[u8; 32], sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(name)?;
    bytes.try_into().map_err(|_| as_sqlx("a column of another length than 32 bytes"))
}

pub(super) fn key(row: &PgRow) -> Result<AccountKey, sqlx::Error> {
    let client = bytes(row, "client")?;
    let currency: String = row.try_get("currency")?;
    let currency = currency.parse().map_err(|_| as_sqlx("a currency that is none"))?;
    Ok(AccountKey { client: ClientId::from_bytes(client), currency })
}

pub(super) fn movement(row: &PgRow) -> Result<Movement, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    let at_ms: i64 = row.try_get("at_ms")?;
    let posting = Posting {
        kind: Kind::named(&kind).ok_or_else(|| as_sqlx("a kind of movement that is none"))?,
        reference: row.try_get("reference")?,
        amount: units(row.try_get("amount")?)?,
        note: row.try_get("note")?,
    };
    Ok(Movement { posting, at_ms: u64::try_from(at_ms).unwrap_or(0) })
}

pub(super) fn top_up(row: &PgRow) -> Result<TopUp, sqlx::Error> {
    let record: sqlx::types::Json<TopUp> = row.try_get("record")?;
    Ok(record.0)
}
