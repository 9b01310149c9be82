//! Reading.

use std::time::Duration;

use sqlx::{PgPool, Row, postgres::PgRow};
use stripe402_protocol::{ClientId, DeductionId};

use uuid::Uuid;

use super::{
    super::{StoreError, StoredDeduction, Tally},
    millis, rows, unavailable,
};
use crate::accounting::{Account, AccountKey, Kind, Movement, TopUp, TopUpId};

pub(super) async fn account(pool: &PgPool, key: &AccountKey) -> Result<Account, sqlx::Error> {
    // What is not there yet has the ids of its client's others.
    let row = sqlx::query(
        "SELECT *, currency = $2 AS is_it FROM accounts WHERE client = $1 ORDER BY is_it DESC LIMIT 1",
    )
    .bind(key.client.as_bytes().as_slice())
    .bind(key.currency.as_str())
    .try_map(|row: PgRow| match row.try_get("is_it")? {
        true => rows::account(&row),
        false => Ok(Account { rotation: rows::rotation(&row)?, ..Account::default() }),
    })
    .fetch_optional(pool)
    .await?;
    Ok(row.unwrap_or_default())
}

pub(super) async fn customer(
    pool: &PgPool,
    client: &ClientId,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT customer FROM customers WHERE client = $1")
        .bind(client.as_bytes().as_slice())
        .fetch_optional(pool)
        .await
}

pub(super) async fn movements(
    pool: &PgPool,
    key: &AccountKey,
) -> Result<Vec<Movement>, StoreError> {
    sqlx::query("SELECT * FROM movements WHERE client = $1 AND currency = $2 ORDER BY sequence")
        .bind(key.client.as_bytes().as_slice())
        .bind(key.currency.as_str())
        .try_map(|row: PgRow| rows::movement(&row))
        .fetch_all(pool)
        .await
        .map_err(unavailable)
}

pub(super) async fn movement(
    pool: &PgPool,
    key: &AccountKey,
    kind: Kind,
    reference: &str,
) -> Result<Option<Movement>, StoreError> {
    sqlx::query(
        "SELECT * FROM movements
         WHERE client = $1 AND currency = $2 AND kind = $3 AND reference = $4",
    )
    .bind(key.client.as_bytes().as_slice())
    .bind(key.currency.as_str())
    .bind(kind.as_str())
    .bind(reference)
    .try_map(|row: PgRow| rows::movement(&row))
    .fetch_optional(pool)
    .await
    .map_err(unavailable)
}

pub(super) async fn accounts(
    pool: &PgPool,
    client: Option<ClientId>,
    after: Option<AccountKey>,
    most: usize,
) -> Result<Vec<AccountKey>, StoreError> {
    sqlx::query(
        "SELECT client, currency FROM accounts
         WHERE ($1::bytea IS NULL OR client = $1)
           AND ($2::bytea IS NULL OR (client, currency) > ($2, $3))
         ORDER BY client, currency LIMIT $4",
    )
    .bind(client.map(|client| client.as_bytes().to_vec()))
    .bind(after.map(|after| after.client.as_bytes().to_vec()))
    .bind(after.map(|after| after.currency.to_string()).unwrap_or_default())
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .try_map(|row: PgRow| rows::key(&row))
    .fetch_all(pool)
    .await
    .map_err(unavailable)
}

pub(super) async fn tallies(pool: &PgPool, key: &AccountKey) -> Result<Vec<Tally>, StoreError> {
    sqlx::query(
        "SELECT hour, route, count, amount FROM tallies
         WHERE client = $1 AND currency = $2 ORDER BY hour, route",
    )
    .bind(key.client.as_bytes().as_slice())
    .bind(key.currency.as_str())
    .try_map(|row: PgRow| {
        let hour: i64 = row.try_get("hour")?;
        Ok(Tally {
            route: row.try_get("route")?,
            hour: u64::try_from(hour).unwrap_or(0),
            count: row.try_get("count")?,
            amount: row.try_get("amount")?,
        })
    })
    .fetch_all(pool)
    .await
    .map_err(unavailable)
}

pub(super) async fn deductions(
    pool: &PgPool,
    key: &AccountKey,
    memory: Duration,
    most: usize,
) -> Result<Vec<StoredDeduction>, StoreError> {
    sqlx::query("SELECT id, route, amount FROM deductions($1, $2, $3, $4)")
        .bind(key.client.as_bytes().as_slice())
        .bind(key.currency.as_str())
        .bind(millis(memory))
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .try_map(|row: PgRow| {
            let id: Vec<u8> = row.try_get("id")?;
            let id = id.try_into().map_err(|_| sqlx::Error::Decode("a charge id".into()))?;
            let amount = rows::units(row.try_get("amount")?)?;
            Ok(StoredDeduction {
                id: DeductionId::from_bytes(id),
                route: row.try_get("route")?,
                amount,
            })
        })
        .fetch_all(pool)
        .await
        .map_err(unavailable)
}

pub(super) async fn top_up(pool: &PgPool, id: &TopUpId) -> Result<Option<TopUp>, StoreError> {
    sqlx::query("SELECT record FROM top_ups WHERE id = $1")
        .bind(id.0)
        .try_map(|row: PgRow| rows::top_up(&row))
        .fetch_optional(pool)
        .await
        .map_err(unavailable)
}

pub(super) async fn unfinished(pool: &PgPool) -> Result<Vec<TopUp>, StoreError> {
    sqlx::query("SELECT record FROM top_ups WHERE NOT finished")
        .try_map(|row: PgRow| rows::top_up(&row))
        .fetch_all(pool)
        .await
        .map_err(unavailable)
}

pub(super) async fn payer(
    pool: &PgPool,
    payment_intent: &str,
) -> Result<Option<AccountKey>, StoreError> {
    sqlx::query("SELECT client, currency FROM payers WHERE payment_intent = $1")
        .bind(payment_intent)
        .try_map(|row: PgRow| rows::key(&row))
        .fetch_optional(pool)
        .await
        .map_err(unavailable)
}

/// The name of these books, which the first one gives.
pub(super) async fn identity(pool: &PgPool, fresh: Uuid) -> Result<Uuid, StoreError> {
    sqlx::query("INSERT INTO books (id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(fresh)
        .execute(pool)
        .await
        .map_err(unavailable)?;
    sqlx::query_scalar("SELECT id FROM books").fetch_one(pool).await.map_err(unavailable)
}

/// The id under which a client is known, which the first one gives.
pub(super) async fn agreed(
    pool: &PgPool,
    anchor: ClientId,
    wanted: Option<ClientId>,
) -> Result<Option<ClientId>, StoreError> {
    if let Some(wanted) = wanted {
        sqlx::query("INSERT INTO agreed_clients VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(anchor.as_bytes().as_slice())
            .bind(wanted.as_bytes().as_slice())
            .execute(pool)
            .await
            .map_err(unavailable)?;
    }
    sqlx::query("SELECT client FROM agreed_clients WHERE anchor = $1")
        .bind(anchor.as_bytes().as_slice())
        .try_map(|row: PgRow| {
            let id: Vec<u8> = row.try_get("client")?;
            let id = id.try_into().map_err(|_| sqlx::Error::Decode("a client id".into()))?;
            Ok(ClientId::from_bytes(id))
        })
        .fetch_optional(pool)
        .await
        .map_err(unavailable)
}
