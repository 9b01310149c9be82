//! Holds that are not settled, and what became of the others.

use sqlx::{PgPool, Row, postgres::PgRow};
use stripe402_protocol::{ClientId, DeductionId, message::HoldTerms};

use super::rows;
use crate::accounting::{DeductionRecord, OpenHold};

/// Settles those that have ended.
pub(super) async fn settle_ended(
    pool: &PgPool,
    most: usize,
    memory_ms: i64,
) -> Result<Vec<(DeductionId, OpenHold)>, sqlx::Error> {
    sqlx::query("SELECT * FROM settle_ended_holds($1, $2)")
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(memory_ms)
        .try_map(|row: PgRow| hold(&row))
        .fetch_all(pool)
        .await
}

/// Those of a client, or of all, the earliest end first.
pub(super) async fn open(
    pool: &PgPool,
    client: Option<ClientId>,
    most: usize,
) -> Result<Vec<(DeductionId, OpenHold)>, sqlx::Error> {
    sqlx::query(
        "SELECT * FROM open_holds WHERE $1::bytea IS NULL OR client = $1
          ORDER BY ends_ms, id LIMIT $2",
    )
    .bind(client.map(|client| client.as_bytes().to_vec()))
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .try_map(|row: PgRow| hold(&row))
    .fetch_all(pool)
    .await
}

/// What is remembered of an id: the open hold before the record, which is read after it.
pub(super) async fn deduction(
    pool: &PgPool,
    id: DeductionId,
    memory_ms: i64,
) -> Result<Option<DeductionRecord>, sqlx::Error> {
    let known = sqlx::query(
        "SELECT 0 AS place, 'held' AS state, client, currency, amount, route, balance_after,
                NULL::bigint AS captured, NULL::bigint AS balance_captured, NULL::bigint AS count
           FROM open_holds WHERE id = $1
         UNION ALL
         SELECT 1, state, client, currency, amount, route, balance_after, captured, balance_captured,
                count
           FROM known_charges(ARRAY[$1]) WHERE id >= first_id_at(greatest(now_ms() - $2, 0))
         ORDER BY place LIMIT 1",
    )
    .bind(id.as_bytes().as_slice())
    .bind(memory_ms)
    .try_map(|row: PgRow| record(&row))
    .fetch_optional(pool)
    .await?;
    Ok(known.flatten())
}

/// A record of money that moved; `None` for a mark.
pub(super) fn record(row: &PgRow) -> Result<Option<DeductionRecord>, sqlx::Error> {
    let state: &str = row.try_get("state")?;
    if matches!(state, "refused" | "capture_first") {
        return Ok(None);
    }
    let account = rows::key(row)?;
    if state == "voided" {
        return Ok(Some(DeductionRecord::Voided { account }));
    }
    let amount = rows::units(row.try_get("amount")?)?;
    let route = row.try_get("route")?;
    let balance_after = rows::units(row.try_get("balance_after")?)?;
    Ok(Some(match state {
        "deducted" => DeductionRecord::Deducted { account, amount, route, balance_after },
        "held" => DeductionRecord::Held { account, amount, route, balance_after },
        "captured" => DeductionRecord::Captured {
            account,
            held: amount,
            captured: rows::units(row.try_get("captured")?)?,
            route,
            balance_after,
            left: rows::units(row.try_get("balance_captured")?)?,
            count: count(row)?,
        },
        _ => return Err(sqlx::Error::Decode("an unknown state of a deduction".into())),
    }))
}

fn count(row: &PgRow) -> Result<u32, sqlx::Error> {
    let count: i64 = row.try_get("count")?;
    u32::try_from(count).map_err(|_| sqlx::Error::Decode("a count out of range".into()))
}

fn hold(row: &PgRow) -> Result<(DeductionId, OpenHold), sqlx::Error> {
    let id: Vec<u8> = row.try_get("id")?;
    let no_id = |_| sqlx::Error::Decode("an id of another length".into());
    let id: [u8; 16] = id.try_into().map_err(no_id)?;
    let ends_ms: i64 = row.try_get("ends_ms")?;
    let terms = HoldTerms {
        ends_ms: u64::try_from(ends_ms).unwrap_or(0),
        at_end: rows::units(row.try_get("at_end")?)?,
        lease: row
            .try_get::<Option<i16>, _>("lease")?
            .map(u8::try_from)
            .transpose()
            .map_err(|_| sqlx::Error::Decode("a share out of range".into()))?,
    };
    let hold = OpenHold {
        account: rows::key(row)?,
        amount: rows::units(row.try_get("amount")?)?,
        route: row.try_get("route")?,
        terms,
        balance_after: rows::units(row.try_get("balance_after")?)?,
    };
    Ok((DeductionId::from_bytes(id), hold))
}
