//! What operators look at, and the record of what they did.

use sqlx::{PgPool, Row, postgres::PgRow, types::Json};
use stripe402_protocol::Currency;

use super::{
    super::{StoreError, Tally},
    rows, unavailable,
};
use crate::accounting::{AccountKey, AuditEntry, AuditKey, Kind, Movement, TopUp};

fn number(of: impl TryInto<i64>) -> i64 {
    of.try_into().unwrap_or(i64::MAX)
}

pub(super) async fn recent_top_ups(pool: &PgPool, most: usize) -> Result<Vec<TopUp>, StoreError> {
    sqlx::query("SELECT record FROM top_ups ORDER BY created_ms DESC, id DESC LIMIT $1")
        .bind(number(most))
        .try_map(|row: PgRow| rows::top_up(&row))
        .fetch_all(pool)
        .await
        .map_err(unavailable)
}

pub(super) async fn latest_movements(
    pool: &PgPool,
    kinds: &[Kind],
    most: usize,
) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    // The identity says which come last; the time by the ledger's clock, in what order they are
    // shown: two ledgers that post at once may get their places the other way round.
    sqlx::query(
        "SELECT * FROM (SELECT * FROM movements WHERE kind = ANY ($1)
                        ORDER BY sequence DESC LIMIT $2) AS latest
         ORDER BY at_ms DESC, sequence DESC",
    )
    .bind(kinds)
    .bind(number(most))
    .try_map(|row: PgRow| Ok((rows::key(&row)?, rows::movement(&row)?)))
    .fetch_all(pool)
    .await
    .map_err(unavailable)
}

pub(super) async fn revenue(
    pool: &PgPool,
    since_hour: u64,
) -> Result<Vec<(Currency, Tally)>, StoreError> {
    sqlx::query(
        "SELECT currency, hour, route, sum(count)::bigint AS count, sum(amount)::bigint AS amount
         FROM tallies WHERE hour >= $1 GROUP BY currency, hour, route
         HAVING sum(count) <> 0 OR sum(amount) <> 0 ORDER BY currency, hour, route",
    )
    .bind(number(since_hour))
    .try_map(|row: PgRow| {
        let currency: String = row.try_get("currency")?;
        let currency = currency.parse().map_err(|_| sqlx::Error::Decode("a currency".into()))?;
        let hour: i64 = row.try_get("hour")?;
        let tally = Tally {
            route: row.try_get("route")?,
            hour: u64::try_from(hour).unwrap_or(0),
            count: row.try_get("count")?,
            amount: row.try_get("amount")?,
        };
        Ok((currency, tally))
    })
    .fetch_all(pool)
    .await
    .map_err(unavailable)
}

pub(super) async fn record_action(pool: &PgPool, entry: &AuditEntry) -> Result<(), StoreError> {
    let key = entry.key();
    sqlx::query("INSERT INTO audit VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(number(key.at_ms))
        .bind(key.action)
        .bind(key.ended)
        .bind(Json(entry))
        .execute(pool)
        .await
        .map(drop)
        .map_err(unavailable)
}

pub(super) async fn audit(
    pool: &PgPool,
    before: Option<AuditKey>,
    most: usize,
) -> Result<Vec<AuditEntry>, StoreError> {
    sqlx::query(
        "SELECT record FROM audit
         WHERE $1::bigint IS NULL OR (at_ms, action, ended) < ($1, $2, $3)
         ORDER BY at_ms DESC, action DESC, ended DESC LIMIT $4",
    )
    .bind(before.map(|key| number(key.at_ms)))
    .bind(before.map(|key| key.action))
    .bind(before.map(|key| key.ended))
    .bind(number(most))
    .try_map(|row: PgRow| {
        let record: Json<AuditEntry> = row.try_get("record")?;
        Ok(record.0)
    })
    .fetch_all(pool)
    .await
    .map_err(unavailable)
}
