//! What a ledger does now and then: pieces of what is remembered are made ahead, and dropped whole when
//! they are forgotten; counts and top-ups without a charge are deleted.
//!
//! Nothing here waits in front of a batch. A piece is detached CONCURRENTLY, which locks out nobody;
//! while another session holds the records for long, as a backup does, pieces are left for later.

use std::{sync::atomic::Ordering, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use super::{super::StoreError, Postgres, millis, unavailable, uncharged};

/// One ledger at a time: "pieces" in ASCII.
const UPKEEP_LOCK: i64 = 0x7069_6563_6573;
/// How long a statement of the upkeep may take: making a piece, or deleting something.
const STATEMENT_WITHIN: Duration = Duration::from_secs(30);
/// How long one waits for a lock, or for transactions that were there before.
const LOCK_WITHIN: Duration = Duration::from_secs(1);
/// A session that is in one transaction for longer than this is not a batch.
const LONG: Duration = Duration::from_secs(1);
/// So many pieces exist ahead of time.
const PIECES_AHEAD: i64 = 3;

/// Why a piece stays as yet.
#[derive(Debug)]
enum Upkeep {
    /// Somebody holds it.
    Postponed,
    /// The server's.
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Upkeep {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        // A lock that was not to be had in time: 55P03. A deadlock, of which this was the victim: 40P01.
        if code.is_some_and(|code| matches!(code.as_ref(), "55P03" | "40P01")) {
            return Self::Postponed;
        }
        Self::Failed(error)
    }
}

impl Postgres {
    /// Makes pieces ahead and drops forgotten ones, unless another ledger is at it.
    ///
    /// `now_ms` is this ledger's clock: what is forgotten must be so by the server's and by this one,
    /// so that one clock that leaps forgets nothing.
    pub(super) async fn keep_up(&self, pool: &PgPool, now_ms: u64) -> Result<(), StoreError> {
        let options = (*pool.connect_options()).clone().options([
            ("statement_timeout", millis(STATEMENT_WITHIN).to_string()),
            ("lock_timeout", millis(LOCK_WITHIN).to_string()),
        ]);
        let connecting = PgConnection::connect_with(&options);
        let connected = tokio::time::timeout(self.options.timeout, connecting).await;
        let mut connection = connected
            .map_err(|_| StoreError::Unavailable("no connection in time".to_owned()))?
            .map_err(unavailable)?;
        let done = self.keep_up_over(&mut connection, now_ms).await;
        // With the session its lock goes, however it ended; but the server may end it a moment later than
        // this, and the next upkeep would find it taken.
        let unlock = sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await;
        drop((unlock, connection.close().await));
        match done {
            Ok(()) => Ok(()),
            Err(Upkeep::Postponed) => {
                tracing::info!(
                    "forgotten charges are dropped later: another session, such as a backup, is \
                     reading them"
                );
                Ok(())
            }
            Err(Upkeep::Failed(error)) => Err(unavailable(error)),
        }
    }

    async fn keep_up_over(&self, on: &mut PgConnection, now_ms: u64) -> Result<(), Upkeep> {
        let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(UPKEEP_LOCK)
            .fetch_one(&mut *on)
            .await?;
        if !mine {
            return Ok(());
        }
        let memory = millis(self.options.charge_memory);
        sqlx::query(
            "SELECT make_charge_pieces(now_ms() + $1 + $2 * charge_piece_ms($3), charge_piece_ms($3))",
        )
        .bind(millis(self.options.clock_skew))
        .bind(PIECES_AHEAD)
        .bind(memory)
        .execute(&mut *on)
        .await?;
        self.forget_counts(on).await?;
        let earlier_ms: i64 = sqlx::query_scalar("SELECT least(now_ms(), $1)")
            .bind(i64::try_from(now_ms).unwrap_or(i64::MAX))
            .fetch_one(&mut *on)
            .await?;
        let forgotten = earlier_ms.saturating_sub(memory);
        finish_detaching(on).await?;
        drop_detached(on).await?;
        drop_pieces(on, forgotten).await?;
        self.forget_uncharged(on, earlier_ms).await
    }

    /// Top-ups that are being written just now keep none from being forgotten later, nor pieces at all.
    async fn forget_uncharged(&self, on: &mut PgConnection, now_ms: i64) -> Result<(), Upkeep> {
        let until_ms = now_ms.saturating_sub(millis(self.uncharged_kept));
        match uncharged::forget(on, until_ms).await.map_err(Upkeep::from) {
            Err(Upkeep::Postponed) => {
                tracing::info!("top-ups without a charge are forgotten later: others are written");
                Ok(())
            }
            done => done,
        }
    }

    /// Deletes counts of attempts that no limit looks at any more.
    async fn forget_counts(&self, on: &mut PgConnection) -> Result<(), sqlx::Error> {
        let piece_ms = self.longest_piece_ms.load(Ordering::Relaxed);
        if piece_ms == 0 {
            return Ok(());
        }
        sqlx::query("DELETE FROM counts WHERE piece < now_ms() - 12 * $1")
            .bind(piece_ms)
            .execute(on)
            .await
            .map(drop)
    }
}

/// Drops every piece whose ids are all forgotten, oldest first.
async fn drop_pieces(on: &mut PgConnection, forgotten: i64) -> Result<(), Upkeep> {
    let due: Vec<(String, i64)> =
        sqlx::query_as("SELECT name, end_ms FROM charge_pieces WHERE end_ms <= $1 ORDER BY end_ms")
            .bind(forgotten)
            .fetch_all(&mut *on)
            .await?;
    for (name, end_ms) in due {
        if is_held(on, "charge_records").await? {
            return Err(Upkeep::Postponed);
        }
        // First, and durable: from here on its ids are refused, seen or not.
        forget_before(on, end_ms).await?;
        let piece = quoted(&name);
        let detach = format!("ALTER TABLE charge_records DETACH PARTITION {piece} CONCURRENTLY");
        sqlx::raw_sql(AssertSqlSafe(detach)).execute(&mut *on).await?;
        drop_detached(on).await?;
    }
    Ok(())
}

/// Ids minted before are refused, by ledgers that remember for longer too.
async fn forget_before(on: &mut PgConnection, ms: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE charge_memory SET forgotten_before = $1 WHERE forgotten_before < $1")
        .bind(ms)
        .execute(on)
        .await
        .map(drop)
}

/// A piece whose detaching was cut off: by a session that came in between, or a crash.
async fn finish_detaching(on: &mut PgConnection) -> Result<(), Upkeep> {
    let pending: Option<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'charge_records'::regclass AND i.inhdetachpending",
    )
    .fetch_optional(&mut *on)
    .await?;
    let Some(name) = pending else { return Ok(()) };
    if is_held(on, "charge_records").await? || is_held(on, &name).await? {
        return Err(Upkeep::Postponed);
    }
    let finish = format!("ALTER TABLE charge_records DETACH PARTITION {} FINALIZE", quoted(&name));
    sqlx::raw_sql(AssertSqlSafe(finish)).execute(on).await?;
    Ok(())
}

/// Drops pieces that are no part of the records any more. Only a backup can hold one: then it stays.
async fn drop_detached(on: &mut PgConnection) -> Result<(), Upkeep> {
    let detached: Vec<(String, bool)> = sqlx::query_as(
        "SELECT p.name, c.oid IS NOT NULL
           FROM charge_pieces p LEFT JOIN pg_class c ON c.oid = to_regclass(p.name)
          WHERE c.oid IS NULL OR NOT c.relispartition",
    )
    .fetch_all(&mut *on)
    .await?;
    for (name, exists) in detached {
        let mut transaction = on.begin().await?;
        if exists {
            let table = quoted(&name);
            let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT");
            for statement in [lock, format!("DROP TABLE {table}")] {
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
            }
        }
        sqlx::query("DELETE FROM charge_pieces WHERE name = $1")
            .bind(&name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(piece = name, "forgotten charges were dropped");
    }
    Ok(())
}

/// Whether a session that is not a batch holds a table. Of another user's sessions it may be hidden
/// since when they are in their transaction: those count as long.
async fn is_held(on: &mut PgConnection, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (
           SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.relation = to_regclass($1) AND l.pid IS DISTINCT FROM pg_backend_pid()
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND (a.xact_start IS NULL
                   OR a.xact_start < clock_timestamp() - make_interval(secs => $2 / 1000.0)))",
    )
    .bind(table)
    .bind(millis(LONG))
    .fetch_one(on)
    .await
}

/// A name as SQL takes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
