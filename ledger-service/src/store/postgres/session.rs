//! One transaction on one account: locked, read, changed by the pure accounting, written back.
//!
//! So the accounting is written once, in Rust; what is here only carries it to the tables. Rare
//! things only: a deduction is one call of a function instead.

use sqlx::{PgPool, Postgres, Transaction, postgres::PgRow, types::Json};

use super::{grants, rows};
use crate::accounting::{
    Account, AccountKey, Book as _, Grants, Kind, Memory, Movement, Posting, TopUp, TopUpId,
};

/// A transaction on an account.
pub(super) struct Session {
    transaction: Transaction<'static, Postgres>,
    key: AccountKey,
    now_ms: u64,
    /// What was read, as the accounting sees it.
    book: Memory,
    /// What was read, to be compared with what comes of it.
    before: Before,
}

struct Before {
    account: Account,
    grants: Grants,
    movements: usize,
    top_ups: Vec<TopUp>,
}

/// The books in memory cannot fail.
fn known<T>(result: Result<T, core::convert::Infallible>) -> T {
    let Ok(value) = result;
    value
}

impl Session {
    /// Begins, and locks the account: for what is rare by a lock of its name, as it may have no
    /// row yet; for batches, which know nothing of that lock, by its row.
    pub(super) async fn on(pool: &PgPool, key: AccountKey) -> Result<Self, sqlx::Error> {
        let mut transaction = pool.begin().await?;
        let name = [key.client.as_bytes().as_slice(), key.currency.as_bytes()].concat();
        let now_ms: i64 = sqlx::query_scalar(
            "SELECT now_ms() FROM (SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 402))) l",
        )
        .bind(name)
        .fetch_one(&mut *transaction)
        .await?;
        let row = sqlx::query(
            "SELECT a.*, g.record AS grants FROM accounts a
                   LEFT JOIN grants g ON g.client = a.client AND g.currency = a.currency
                  WHERE a.client = $1 AND a.currency = $2 FOR UPDATE OF a",
        )
        .bind(key.client.as_bytes().as_slice())
        .bind(key.currency.as_str())
        .try_map(|row: PgRow| Ok((rows::account(&row)?, grants::record(&row)?)))
        .fetch_optional(&mut *transaction)
        .await?;
        let (account, grants) = row.unwrap_or_default();
        let mut book = Memory::default();
        known(book.set_account(&key, &account));
        known(book.set_grants(&key, &grants));
        let before = Before { account, grants, movements: 0, top_ups: Vec::new() };
        Ok(Self { transaction, key, now_ms: u64::try_from(now_ms).unwrap_or(0), book, before })
    }

    /// The server's clock, Unix milliseconds.
    pub(super) const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Reads the movements that a posting depends on: of its own kind, and of its hold.
    pub(super) async fn read_movements(&mut self, posting: &Posting) -> Result<(), sqlx::Error> {
        let kinds = [posting.kind, Kind::Hold, Kind::Capture, Kind::Release];
        let kinds: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
        let found = sqlx::query(
            "SELECT * FROM movements
             WHERE client = $1 AND currency = $2 AND reference = $3 AND kind = ANY ($4)
             ORDER BY sequence",
        )
        .bind(self.key.client.as_bytes().as_slice())
        .bind(self.key.currency.as_str())
        .bind(&posting.reference)
        .bind(kinds)
        .try_map(|row: PgRow| rows::movement(&row))
        .fetch_all(&mut *self.transaction)
        .await?;
        for movement in found {
            known(self.book.record(&self.key, &movement));
        }
        self.before.movements = self.book.movements().len();
        Ok(())
    }

    /// Reads the account's unfinished top-up, the one of this id, and the latest of this name.
    pub(super) async fn read_top_ups(
        &mut self,
        id: &TopUpId,
        name: Option<&str>,
    ) -> Result<(), sqlx::Error> {
        let found = sqlx::query(
            "SELECT record FROM top_ups
              WHERE client = $1 AND currency = $2 AND (NOT finished OR id = $4)
             UNION ALL
             (SELECT record FROM top_ups
               WHERE client = $1 AND currency = $2 AND idempotency_key = $3
               ORDER BY opened DESC LIMIT 1)",
        )
        .bind(self.key.client.as_bytes().as_slice())
        .bind(self.key.currency.as_str())
        .bind(name)
        .bind(id.0)
        .try_map(|row: PgRow| rows::top_up(&row))
        .fetch_all(&mut *self.transaction)
        .await?;
        self.remember(found);
        Ok(())
    }

    /// Reads one top-up, after the account is locked.
    pub(super) async fn read_top_up(&mut self, id: &TopUpId) -> Result<(), sqlx::Error> {
        let found = sqlx::query("SELECT record FROM top_ups WHERE id = $1")
            .bind(id.0)
            .try_map(|row: PgRow| rows::top_up(&row))
            .fetch_all(&mut *self.transaction)
            .await?;
        self.remember(found);
        Ok(())
    }

    fn remember(&mut self, mut found: Vec<TopUp>) {
        // The unfinished one last: the books keep the account's unfinished top-up in step with
        // what is written.
        found.sort_by_key(|top_up| !top_up.state.is_finished());
        for top_up in &found {
            known(self.book.set_top_up(top_up));
        }
        self.before.top_ups = found;
    }

    /// Lets the accounting do its work.
    pub(super) fn apply<T>(
        &mut self,
        act: impl FnOnce(&mut Memory) -> Result<T, core::convert::Infallible>,
    ) -> T {
        known(act(&mut self.book))
    }

    /// Writes what changed, and commits.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.write_account().await?;
        self.write_grants().await?;
        let new: Vec<Movement> = self
            .book
            .movements()
            .iter()
            .skip(self.before.movements)
            .map(|(_, m)| m.clone())
            .collect();
        for movement in new {
            self.write_movement(&movement).await?;
            if movement.posting.kind == Kind::TopUp {
                self.write_payer(&movement.posting.reference).await?;
            }
        }
        let changed: Vec<TopUp> = self
            .book
            .top_ups()
            .values()
            .filter(|top_up| !self.before.top_ups.contains(top_up))
            .cloned()
            .collect();
        for top_up in changed {
            self.write_top_up(&top_up).await?;
            if let Some(payment_intent) = top_up.state.payment_intent() {
                self.write_payer(payment_intent).await?;
            }
        }
        self.transaction.commit().await
    }

    async fn write_account(&mut self) -> Result<(), sqlx::Error> {
        let account = known(self.book.account(&self.key));
        let touched = self.book.movements().len() > self.before.movements;
        if account == self.before.account && !touched {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO accounts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (client, currency) DO UPDATE
                SET available = $3, pending = $4, debt = $5, frozen = $6, leased = $7, leases = $8,
                    recalled = $9",
        )
        .bind(self.key.client.as_bytes().as_slice())
        .bind(self.key.currency.as_str())
        .bind(account.available.get())
        .bind(account.pending.get())
        .bind(account.debt.get())
        .bind(account.frozen)
        .bind(account.leased.get())
        .bind(i16::from(account.leases))
        .bind(account.recalled)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    async fn write_grants(&mut self) -> Result<(), sqlx::Error> {
        let grants = known(self.book.grants(&self.key));
        if grants == self.before.grants {
            return Ok(());
        }
        let due_ms = grants.due_ms().map(|due_ms| i64::try_from(due_ms).unwrap_or(i64::MAX));
        let text = if grants.is_empty() {
            "DELETE FROM grants WHERE client = $1 AND currency = $2
                AND $3::jsonb IS NOT NULL AND $4::bigint IS NULL"
        } else {
            "INSERT INTO grants VALUES ($1, $2, $3, $4)
             ON CONFLICT (client, currency) DO UPDATE SET record = $3, due_ms = $4"
        };
        sqlx::query(text)
            .bind(self.key.client.as_bytes().as_slice())
            .bind(self.key.currency.as_str())
            .bind(Json(grants))
            .bind(due_ms)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn write_movement(&mut self, movement: &Movement) -> Result<(), sqlx::Error> {
        let posting = &movement.posting;
        sqlx::query(
            "INSERT INTO movements (client, currency, kind, reference, amount, note, at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.key.client.as_bytes().as_slice())
        .bind(self.key.currency.as_str())
        .bind(posting.kind.as_str())
        .bind(&posting.reference)
        .bind(posting.amount.get())
        .bind(&posting.note)
        .bind(i64::try_from(movement.at_ms).unwrap_or(i64::MAX))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    async fn write_payer(&mut self, payment_intent: &str) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO payers VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(payment_intent)
            .bind(self.key.client.as_bytes().as_slice())
            .bind(self.key.currency.as_str())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn write_top_up(&mut self, top_up: &TopUp) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO top_ups VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET finished = $6, record = $7",
        )
        .bind(top_up.id.0)
        .bind(top_up.account.client.as_bytes().as_slice())
        .bind(top_up.account.currency.as_str())
        .bind(&top_up.idempotency_key)
        .bind(i64::try_from(top_up.created_ms).unwrap_or(i64::MAX))
        .bind(top_up.state.is_finished())
        .bind(Json(top_up))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
