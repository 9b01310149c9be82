//! What cards leave that were never charged goes, some with each upkeep.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgTransaction};

use super::millis;
use crate::accounting::name_of_customer;

/// How many top-ups go in one transaction: while it runs, nobody opens or closes one.
const AT_ONCE: i64 = 256;
/// How many transactions an upkeep makes of them. By default 5,000 cards may be tried in ten minutes.
const ROUNDS: usize = 16;
/// How long a transaction waits for top-ups that are being written. Others wait behind it.
const LOCK_WITHIN: Duration = Duration::from_millis(100);

/// Forgets top-ups that ended without a charge up to then.
///
/// # Errors
/// The server's. Locks that are not to be had in time, too: then they go later.
pub(super) async fn forget(on: &mut PgConnection, until_ms: i64) -> Result<(), sqlx::Error> {
    for _ in 0..ROUNDS {
        let any = "SELECT EXISTS (SELECT FROM uncharged_top_ups WHERE ended_ms <= $1)";
        if !sqlx::query_scalar::<_, bool>(any).bind(until_ms).fetch_one(&mut *on).await? {
            break;
        }
        let mut transaction = on.begin().await?;
        forget_some(&mut transaction, until_ms).await?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn forget_some(on: &mut PgTransaction<'_>, until_ms: i64) -> Result<(), sqlx::Error> {
    // Whoever opens a top-up reads the client's customer afterwards, and charges it by that name. So
    // none is opened between the look whether a client has one and the end of its customer.
    let within = format!("SET LOCAL lock_timeout = {}", millis(LOCK_WITHIN));
    let lock = "LOCK TABLE top_ups IN SHARE ROW EXCLUSIVE MODE".to_owned();
    for statement in [within, lock] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut **on).await?;
    }
    // What was charged after all is only taken from the list. A PaymentIntent that another top-up has
    // credited stays known.
    let mut clients: Vec<Vec<u8>> = sqlx::query_scalar(
        "WITH due AS (
           DELETE FROM uncharged_top_ups WHERE id IN
             (SELECT id FROM uncharged_top_ups WHERE ended_ms <= $1 ORDER BY ended_ms LIMIT $2)
           RETURNING id, waited),
         gone AS (
           DELETE FROM top_ups t USING due d
            WHERE t.id = d.id AND t.finished AND is_uncharged(t.record)
           RETURNING t.client, t.currency, d.waited),
         payers AS (
           DELETE FROM payers p USING gone g
            WHERE p.payment_intent = g.waited AND p.client = g.client AND p.currency = g.currency
              AND NOT EXISTS (SELECT FROM movements m WHERE m.client = g.client
                AND m.currency = g.currency AND m.kind = 'top_up' AND m.reference = g.waited))
         SELECT DISTINCT client::bytea FROM gone",
    )
    .bind(until_ms)
    .bind(AT_ONCE)
    .fetch_all(&mut **on)
    .await?;
    clients.sort_unstable();
    forget_clients(on, &clients).await
}

/// The customers and names of those of these clients of whom nothing is left. What is credited makes an
/// account.
async fn forget_clients(
    on: &mut PgTransaction<'_>,
    clients: &[Vec<u8>],
) -> Result<(), sqlx::Error> {
    let nothing_left: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT u.client FROM unnest($1::bytea[]) u(client)
          WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.client = u.client)
            AND NOT EXISTS (SELECT FROM top_ups t WHERE t.client = u.client AND NOT t.finished)
            AND NOT EXISTS (SELECT FROM uncharged_top_ups t WHERE t.client = u.client)",
    )
    .bind(clients)
    .fetch_all(&mut **on)
    .await?;
    let customers: Vec<String> = sqlx::query_scalar(
        "DELETE FROM customers WHERE client = ANY ($1::bytea[]) RETURNING customer",
    )
    .bind(&nothing_left)
    .fetch_all(&mut **on)
    .await?;
    let names: Vec<Vec<u8>> =
        customers.iter().map(|of| name_of_customer(of).as_bytes().to_vec()).collect();
    sqlx::query(
        "DELETE FROM agreed_clients
          WHERE client = ANY ($1::bytea[]) AND (anchor = client OR anchor = ANY ($2::bytea[]))
            AND anchor = ANY ($1::bytea[] || $2::bytea[])",
    )
    .bind(&nothing_left)
    .bind(&names)
    .execute(&mut **on)
    .await
    .map(drop)
}
