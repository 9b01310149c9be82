//! What is left of grants.

use sqlx::{PgPool, Row, postgres::PgRow, types::Json};

use super::{rows, session::Session};
use crate::accounting::{self, Account, AccountKey, Balance, Expired, Grants, Kind, Posting};

/// An account, and what is left of its grants.
pub(super) async fn balance(pool: &PgPool, key: &AccountKey) -> Result<Balance, sqlx::Error> {
    let row = sqlx::query(
        "SELECT a.*, g.record AS grants FROM accounts a
           LEFT JOIN grants g ON g.client = a.client AND g.currency = a.currency
          WHERE a.client = $1 AND a.currency = $2",
    )
    .bind(key.client.as_bytes().as_slice())
    .bind(key.currency.as_str())
    .try_map(|row: PgRow| Ok((rows::account(&row)?, record(&row)?)))
    .fetch_optional(pool)
    .await?;
    let (account, grants): (Account, Grants) = row.unwrap_or_default();
    Ok(Balance { account, grants: grants.reckoned(&account) })
}

/// The grants of a row of both tables.
pub(super) fn record(row: &PgRow) -> Result<Grants, sqlx::Error> {
    let record: Option<Json<Grants>> = row.try_get("grants")?;
    Ok(record.map(|record| record.0).unwrap_or_default())
}

/// The accounts that are to be looked at, the earliest first.
pub(super) async fn due(pool: &PgPool, most: usize) -> Result<Vec<AccountKey>, sqlx::Error> {
    sqlx::query(
        "SELECT client, currency FROM grants WHERE due_ms <= now_ms() ORDER BY due_ms LIMIT $1",
    )
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .try_map(|row: PgRow| rows::key(&row))
    .fetch_all(pool)
    .await
}

/// Takes back what has expired of one account's.
pub(super) async fn expire(pool: &PgPool, key: AccountKey) -> Result<Vec<Expired>, sqlx::Error> {
    let mut session = Session::on(pool, key).await?;
    let now_ms = session.now_ms();
    let balance = session.apply(|book| accounting::balance(book, &key));
    for lot in balance.grants.expired(now_ms) {
        for reference in accounting::expiry_names(&lot) {
            let (kind, amount) = (Kind::GrantExpired, lot.left);
            session.read_movements(&Posting { kind, reference, amount, note: None }).await?;
        }
    }
    let expired = session.apply(|book| accounting::expire_grants(book, &key, now_ms));
    session.commit().await?;
    Ok(expired)
}
