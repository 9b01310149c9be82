//! What operators look at, and the record of what they did.

use sqlx::{PgPool, Row, postgres::PgRow, types::Json};
use stripe402_protocol::Currency;

use super::{
    super::{AuditPage, MovementPage, Page, StoreError, Tally, TopUpPage},
    rows, unavailable,
};
use crate::accounting::{AccountKey, AuditEntry, Kind, Movement, TopUp};

fn number(of: impl TryInto<i64>) -> i64 {
    of.try_into().unwrap_or(i64::MAX)
}

/// The end of the period, or the end of the place's millisecond if that comes first. A plan for any
/// arguments finds no range in a place that may be null, and would read all that is newer.
fn until<P>(page: &Page<P>, at_ms: impl Fn(&P) -> u64) -> i64 {
    let place = page.before.as_ref().map(|place| at_ms(place).saturating_add(1));
    number(place.map_or(page.until_ms, |place| place.min(page.until_ms)))
}

pub(super) async fn recent_top_ups(
    pool: &PgPool,
    page: &TopUpPage,
) -> Result<Vec<TopUp>, StoreError> {
    sqlx::query(
        "SELECT record FROM top_ups
         WHERE created_ms >= $1 AND created_ms < $2
           AND ($3::bigint IS NULL OR (created_ms, id) < ($3, $4))
         ORDER BY created_ms DESC, id DESC LIMIT $5",
    )
    .bind(number(page.from_ms))
    .bind(until(page, |place| place.created_ms))
    .bind(page.before.map(|place| number(place.created_ms)))
    .bind(page.before.map(|place| place.id.0))
    .bind(number(page.most))
    .try_map(|row: PgRow| rows::top_up(&row))
    .fetch_all(pool)
    .await
    .map_err(unavailable)
}

/// The index has a range for each kind. A place of another kind lies between two of this one.
pub(super) async fn latest_movements(
    pool: &PgPool,
    kinds: &[Kind],
    page: &MovementPage,
) -> Result<Vec<(AccountKey, Movement)>, StoreError> {
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let before = page.before.as_ref();
    sqlx::query(
        "SELECT latest.* FROM unnest($1::text[]) AS wanted (kind), LATERAL (
             SELECT * FROM movements m
             WHERE m.kind = wanted.kind AND at_ms >= $2 AND at_ms < $3
               AND ($4::bigint IS NULL OR
                    (at_ms, client, currency, m.kind, reference) < ($4, $5, $6, $7, $8))
             ORDER BY at_ms DESC, client DESC, currency DESC, reference DESC LIMIT $9) AS latest
         ORDER BY at_ms DESC, client DESC, currency DESC, latest.kind DESC, reference DESC
         LIMIT $9",
    )
    .bind(kinds)
    .bind(number(page.from_ms))
    .bind(until(page, |place| place.at_ms))
    .bind(before.map(|place| number(place.at_ms)))
    .bind(before.map(|place| place.account.client.as_bytes().as_slice()))
    .bind(before.map(|place| place.account.currency.as_str()))
    .bind(before.map(|place| place.kind.as_str()))
    .bind(before.map(|place| place.reference.as_str()))
    .bind(number(page.most))
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

pub(super) async fn audit(pool: &PgPool, page: &AuditPage) -> Result<Vec<AuditEntry>, StoreError> {
    sqlx::query(
        "SELECT record FROM audit
         WHERE at_ms >= $1 AND at_ms < $2
           AND ($3::bigint IS NULL OR (at_ms, action, ended) < ($3, $4, $5))
         ORDER BY at_ms DESC, action DESC, ended DESC LIMIT $6",
    )
    .bind(number(page.from_ms))
    .bind(until(page, |key| key.at_ms))
    .bind(page.before.map(|key| number(key.at_ms)))
    .bind(page.before.map(|key| key.action))
    .bind(page.before.map(|key| key.ended))
    .bind(number(page.most))
    .try_map(|row: PgRow| {
        let record: Json<AuditEntry> = row.try_get("record")?;
        Ok(record.0)
    })
    .fetch_all(pool)
    .await
    .map_err(unavailable)
}
