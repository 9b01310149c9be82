//! Holds that are not settled.

use sqlx::{PgPool, Row, postgres::PgRow};
use stripe402_protocol::{ClientId, DeductionId, message::HoldTerms};

use super::rows;
use crate::accounting::OpenHold;

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

fn hold(row: &PgRow) -> Result<(DeductionId, OpenHold), sqlx::Error> {
    let id: Vec<u8> = row.try_get("id")?;
    let no_id = |_| sqlx::Error::Decode("an id of another length".into());
    let id: [u8; 16] = id.try_into().map_err(no_id)?;
    let ends_ms: i64 = row.try_get("ends_ms")?;
    let terms = HoldTerms {
        ends_ms: u64::try_from(ends_ms).unwrap_or(0),
        at_end: rows::units(row.try_get("at_end")?)?,
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
