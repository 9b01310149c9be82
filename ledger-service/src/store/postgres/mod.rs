//! PostgreSQL, 15 or later, in a schema of its own.
//!
//! A batch is one call of a function: conditional updates, one round trip, one transaction. What
//! is rare (movements, top-ups) locks the account, runs the pure accounting on what was read, and
//! writes what it changed. Every write is retried where PostgreSQL gave it up as a whole
//! (deadlock, serialisation, a row that another replica has just inserted).

mod batch;
mod connect;
mod customers;
mod durability;
mod existing;
mod grants;
mod holds;
mod keys;
mod look;
mod migrate;
mod plain;
mod query;
mod reports;
mod rows;
mod session;
mod uncharged;
mod upkeep;

use std::{
    future::Future,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::PgPool;
use stripe402_protocol::{
    ClientId, Currency, DeductionId,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome},
};
use tokio::sync::OnceCell;
use uuid::Uuid;

use self::session::Session;
use super::{
    Accounts, Audit, AuditPage, Counters, MovementPage, Reports, Store, StoreError,
    StoredDeduction, Tally, TopUpPage, TopUps,
    parts::{alone, outcome},
};
use crate::accounting::{
    self, Account, AccountKey, Advance, AuditEntry, Balance, DeductionRecord, Expired, Kind, Limit,
    Memory, Movement, NewTopUp, OpenHold, Opened, Posted, Posting, Settled, Spender, State, TopUp,
    TopUpId,
};

/// How PostgreSQL is used.
#[derive(Clone, Copy, Debug)]
pub struct PostgresOptions {
    /// For how long deduction ids are remembered.
    pub charge_memory: Duration,
    /// How far a gateway's clock may be ahead.
    pub clock_skew: Duration,
    /// For one transaction, waiting for a connection included.
    pub timeout: Duration,
    /// Connections at the most.
    pub connections: u32,
}

/// Books in PostgreSQL. Several ledgers may share them.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    options: PostgresOptions,
    uncharged_kept: Duration,
    /// Whether its tables are made where they are not there.
    makes_tables: bool,
    migrated: OnceCell<()>,
    /// The longest piece of a limit's window that was asked for, in milliseconds.
    longest_piece_ms: AtomicI64,
}

/// The tables' schema.
const SCHEMA: &str = "stripe402";
/// How often a transaction that PostgreSQL gave up as a whole is tried.
const ATTEMPTS: u32 = 10;
impl Postgres {
    /// The pool, with every migration done.
    async fn pool(&self) -> Result<&PgPool, StoreError> {
        let ready = async {
            if self.makes_tables {
                migrate::migrate(&self.pool).await
            } else {
                existing::check(&self.pool).await
            }
        };
        self.migrated.get_or_try_init(|| ready).await?;
        Ok(&self.pool)
    }

    async fn batch_by(&self, spender: Spender, batch: &Batch) -> Result<BatchAnswer, StoreError> {
        let pool = self.pool().await?;
        match self.run_batch(pool, batch, spender).await {
            Err(StoreError::Damaged(what)) => {
                tracing::error!(what, "a batch is carried out one by one: one of it cannot be");
                self.one_by_one(pool, batch, spender).await
            }
            answer => answer,
        }
    }

    /// Posts one movement in the way that the accounting says.
    async fn post_one(
        &self,
        key: AccountKey,
        posting: &Posting,
        post: impl Fn(&mut Memory, u64) -> Result<Posted, core::convert::Infallible> + Send + Sync,
    ) -> Result<Posted, StoreError> {
        let pool = self.pool().await?;
        self.retried(async || {
            let mut session = Session::on(pool, key).await?;
            session.read_movements(posting).await?;
            let now_ms = session.now_ms();
            let posted = session.apply(|book| post(book, now_ms));
            session.commit().await?;
            Ok(posted)
        })
        .await
    }

    /// Runs a transaction until it is carried out, or fails for a reason that stays.
    async fn retried<T, F: Future<Output = Result<T, sqlx::Error>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, StoreError> {
        let mut tries = 0_u32;
        loop {
            match attempt().await {
                Err(error) if is_transient(&error) && tries < ATTEMPTS => {
                    tries = tries.saturating_add(1);
                    tokio::time::sleep(Duration::from_millis(u64::from(tries))).await;
                }
                other => return other.map_err(unavailable),
            }
        }
    }
}

#[async_trait]
impl Accounts for Postgres {
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        self.batch_by(Spender::FIRST, &batch).await
    }

    async fn deduct_for_card(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError> {
        outcome(&self.batch_by(Spender::Other, &alone(deduction)).await?)
    }

    async fn settle_ended_holds(&self, most: usize) -> Result<Vec<Settled>, StoreError> {
        let pool = self.pool().await?;
        let memory = millis(self.options.charge_memory);
        let settled = self.retried(|| holds::settle_ended(pool, most, memory)).await?;
        Ok(settled.into_iter().map(|(id, hold)| Settled { id, hold }).collect())
    }

    async fn deduction(
        &self,
        client: ClientId,
        id: DeductionId,
    ) -> Result<Option<DeductionRecord>, StoreError> {
        let memory = millis(self.options.charge_memory);
        let known = holds::deduction(self.pool().await?, id, memory).await;
        Ok(DeductionRecord::shown_to(&client, None, known.map_err(unavailable)?))
    }

    async fn account(&self, key: AccountKey) -> Result<Account, StoreError> {
        query::account(self.pool().await?, &key).await.map_err(unavailable)
    }

    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.post_one(key, &posting, |book, now_ms| accounting::post(book, &key, &posting, now_ms))
            .await
    }

    async fn grant(
        &self,
        key: AccountKey,
        posting: Posting,
        expires_ms: Option<u64>,
    ) -> Result<Posted, StoreError> {
        self.post_one(key, &posting, |book, now_ms| {
            accounting::post_expiring(book, &key, &posting, expires_ms, now_ms)
        })
        .await
    }

    async fn balance(&self, key: AccountKey) -> Result<Balance, StoreError> {
        grants::balance(self.pool().await?, &key).await.map_err(unavailable)
    }

    async fn expire_grants(&self, most: usize) -> Result<Vec<Expired>, StoreError> {
        let pool = self.pool().await?;
        let mut expired = Vec::new();
        for key in grants::due(pool, most).await.map_err(unavailable)? {
            match self.retried(|| grants::expire(pool, key)).await {
                // Left for people: it must not keep others' from expiring.
                Err(StoreError::Damaged(why)) => {
                    tracing::error!(why, "a client's grants cannot expire");
                }
                own => expired.extend(own?),
            }
        }
        Ok(expired)
    }

    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        let post = |book: &mut Memory, now_ms| accounting::post_up_to(book, &key, &posting, now_ms);
        self.post_one(key, &posting, post).await
    }

    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        let pool = self.pool().await?;
        self.retried(async || {
            let mut session = Session::on(pool, key).await?;
            for posting in &postings {
                session.read_movements(posting).await?;
            }
            let now_ms = session.now_ms();
            let posted =
                session.apply(|book| accounting::post_together(book, &key, &postings, now_ms));
            session.commit().await?;
            Ok(posted)
        })
        .await
    }

    async fn recall_leases(&self, key: AccountKey) -> Result<Account, StoreError> {
        let pool = self.pool().await?;
        self.retried(async || {
            let mut session = Session::on(pool, key).await?;
            let account = session.apply(|book| accounting::recall_leases(book, &key));
            session.commit().await?;
            Ok(account)
        })
        .await
    }

    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        query::movement(self.pool().await?, &key, kind, reference).await
    }
}

#[async_trait]
impl TopUps for Postgres {
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        let pool = self.pool().await?;
        self.retried(async || {
            let mut session = Session::on(pool, wanted.account).await?;
            session.read_top_ups(&wanted.id, wanted.idempotency_key.as_deref()).await?;
            let opened = session.apply(|book| accounting::open(book, wanted.clone()));
            session.commit().await?;
            Ok(opened)
        })
        .await
    }

    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        let pool = self.pool().await?;
        let Some(top_up) = query::top_up(pool, &id).await? else { return Ok(Advance::Unknown) };
        self.retried(async || {
            let mut session = Session::on(pool, top_up.account).await?;
            session.read_top_up(&id).await?;
            if let State::Credited { payment_intent, amount } = &to {
                session
                    .read_movements(&accounting::credit_posting(payment_intent, *amount))
                    .await?;
            }
            let now_ms = session.now_ms();
            let moved = session
                .apply(|book| accounting::advance(book, &id, from.as_ref(), to.clone(), now_ms));
            session.commit().await?;
            Ok(moved)
        })
        .await
    }

    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        query::top_up(self.pool().await?, &id).await
    }

    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        query::unfinished(self.pool().await?).await
    }
}

#[async_trait]
impl Counters for Postgres {
    async fn check_and_count(
        &self,
        limit: &Limit,
        count: bool,
    ) -> Result<Option<Duration>, StoreError> {
        let pool = self.pool().await?;
        let number = |of: u64| i64::try_from(of).unwrap_or(i64::MAX);
        self.longest_piece_ms.fetch_max(number(limit.piece_ms()), Ordering::Relaxed);
        let wait = self.retried(async || {
            sqlx::query_scalar::<_, i64>("SELECT within_limit($1, $2, $3, $4)")
                .bind(&limit.name)
                .bind(number(limit.most))
                .bind(number(limit.piece_ms()))
                .bind(count)
                .fetch_one(pool)
                .await
        });
        let wait = u64::try_from(wait.await?).unwrap_or_default();
        Ok((wait > 0).then(|| Duration::from_millis(wait)))
    }
}

#[async_trait]
impl Store for Postgres {
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        query::identity(self.pool().await?, fresh).await
    }

    async fn upkeep(&self, now_ms: u64) -> Result<(), StoreError> {
        self.keep_up(self.pool().await?, now_ms).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let pool = self.pool().await?;
        // A server in recovery, or read-only, can be read and cannot be deducted on.
        let read_only: bool = sqlx::query_scalar(
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean",
        )
        .fetch_one(pool)
        .await
        .map_err(unavailable)?;
        if read_only {
            return Err(StoreError::Unavailable("the server is read-only".to_owned()));
        }
        Ok(())
    }
}

/// Given up as a whole by PostgreSQL, and worth another try: serialisation failure, deadlock, a key
/// that another transaction has just inserted, or a table that another has just dropped.
/// Source: postgresql.org/docs/15/errcodes-appendix.html.
fn is_transient(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(code.as_ref(), "40001" | "40P01" | "23505" | "42P01"))
}

/// Classes of SQLSTATE that are about what was to be written, not about the server: data exceptions,
/// violated constraints, exceeded limits of a row or an index (PostgreSQL, appendix A).
const ABOUT_DATA: [&str; 3] = ["22", "23", "54"];

fn unavailable(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    let about_data = code.is_some_and(|code| ABOUT_DATA.iter().any(|of| code.starts_with(of)));
    if about_data || matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) {
        return StoreError::Damaged(error.to_string());
    }
    StoreError::Unavailable(error.to_string())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
