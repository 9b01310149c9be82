//! Keys: what one does locks its row, is decided entry by entry, and is written with the key in one transaction.

use async_trait::async_trait;
use sqlx::{PgPool, Postgres as Database, Row as _, Transaction, postgres::PgRow, types::Json};
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{Batch, BatchAnswer, CaptureOutcome, Deduction, DeductionOutcome, VoidOutcome},
};

use super::{
    super::{Keys, StoreError},
    Postgres, batch, holds, rows, unavailable,
};
use crate::accounting::{
    DeductionRecord, Key, KeyHash, Rotation, Spender, has_taken_effect, is_lease, refused,
};

#[async_trait]
impl Keys for Postgres {
    async fn key(&self, hash: KeyHash) -> Result<Option<Key>, StoreError> {
        sqlx::query("SELECT record FROM keys WHERE hash = $1")
            .bind(hash.0.as_slice())
            .try_map(|row: PgRow| Ok(row.try_get::<Json<Key>, _>("record")?.0))
            .fetch_optional(self.pool().await?)
            .await
            .map_err(unavailable)
    }

    async fn keys_of(&self, owner: ClientId) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        sqlx::query("SELECT hash, record FROM keys WHERE client = $1 ORDER BY hash")
            .bind(owner.as_bytes().as_slice())
            .try_map(|row: PgRow| {
                let hash = KeyHash(rows::bytes(&row, "hash")?);
                Ok((hash, row.try_get::<Json<Key>, _>("record")?.0))
            })
            .fetch_all(self.pool().await?)
            .await
            .map_err(unavailable)
    }

    async fn change_key(&self, hash: KeyHash, after: Key) -> Result<bool, StoreError> {
        let pool = self.pool().await?;
        self.retried(async || {
            let mut transaction = pool.begin().await?;
            let before = locked(&mut transaction, &hash).await?.map_or(0, |key| key.revision);
            let follows = before.checked_add(1) == Some(after.revision);
            let written = follows && write(&mut transaction, &hash, &after).await?;
            transaction.commit().await?;
            Ok(written)
        })
        .await
    }

    /// Locks the accounts first, as batches do.
    async fn rotate(
        &self,
        client: ClientId,
        before: Rotation,
        after: Rotation,
    ) -> Result<bool, StoreError> {
        let pool = self.pool().await?;
        let number = |of| i64::try_from(of).unwrap_or(i64::MAX);
        self.retried(async || {
            let mut transaction = pool.begin().await?;
            let own = sqlx::query(
                "SELECT * FROM accounts WHERE client = $1 ORDER BY currency FOR UPDATE",
            )
            .bind(client.as_bytes().as_slice())
            .try_map(|row: PgRow| rows::rotation(&row))
            .fetch_all(&mut *transaction)
            .await?;
            if own.iter().any(|of| *of != before) {
                return Ok(false);
            }
            sqlx::query("SELECT lock_rotation($1)")
                .bind(client.as_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "UPDATE accounts SET generation = $2, oldest = $3, until_ms = $4, rotation_name = $5
                  WHERE client = $1",
            )
            .bind(client.as_bytes().as_slice())
            .bind(i64::from(after.generation))
            .bind(i64::from(after.oldest))
            .bind(number(after.until_ms))
            .bind(number(after.name))
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn batch_by_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let pool = self.pool().await?;
        if let Some(generation) = self.key(hash).await?.and_then(|key| key.generation) {
            return self.run_any(pool, &batch, Spender::Generation(generation)).await;
        }
        self.retried(|| self.by_key(pool, &hash, &batch)).await
    }
}

/// One key's transaction.
struct ByKey<'p> {
    postgres: &'p Postgres,
    transaction: Transaction<'static, Database>,
    key: Key,
    now_ms: u64,
}

impl Postgres {
    async fn by_key(
        &self,
        pool: &PgPool,
        hash: &KeyHash,
        batch: &Batch,
    ) -> Result<BatchAnswer, sqlx::Error> {
        let mut transaction = pool.begin().await?;
        let now_ms: i64 =
            sqlx::query_scalar("SELECT now_ms()").fetch_one(&mut *transaction).await?;
        let now_ms = u64::try_from(now_ms).unwrap_or(0);
        let Some(before) = locked(&mut transaction, hash).await? else {
            return Ok(refused(batch));
        };
        let mut work = ByKey { postgres: self, transaction, key: before.clone(), now_ms };
        for ended in before.ended(now_ms) {
            let known = work.known(&ended).await?;
            work.key = work.key.heard_of(&ended, known.as_ref());
        }
        let answer = work.carry_out(batch).await?;
        let ByKey { mut transaction, key, .. } = work;
        if key != before {
            write(&mut transaction, hash, &key.changed()).await?;
        }
        transaction.commit().await?;
        Ok(answer)
    }
}

impl ByKey<'_> {
    async fn carry_out(&mut self, batch: &Batch) -> Result<BatchAnswer, sqlx::Error> {
        let mut answer = BatchAnswer::default();
        for void in &batch.voids {
            let known = self.known(&void.id).await?;
            let alone = Batch { voids: vec![void.clone()], ..Batch::default() };
            let said = self.run(&alone).await?.voids;
            for (id, outcome) in said {
                if outcome == VoidOutcome::Voided {
                    self.key = self.key.clone().voided(&id, known.as_ref());
                }
                answer.voids.push((id, outcome));
            }
        }
        for capture in &batch.captures {
            let alone = Batch { captures: vec![*capture], ..Batch::default() };
            let said: Vec<(_, CaptureOutcome)> = self.run(&alone).await?.captures;
            for (id, outcome) in said {
                self.key = self.key.clone().captured(&id, outcome);
                answer.captures.push((id, self.key.told_captured(outcome, &id)));
            }
        }
        for deduction in &batch.deductions {
            let outcome = self.deduct(deduction).await?;
            answer.deductions.push((deduction.id, outcome));
        }
        Ok(answer)
    }

    async fn deduct(&mut self, deduction: &Deduction) -> Result<DeductionOutcome, sqlx::Error> {
        if is_lease(deduction) {
            return Ok(DeductionOutcome::LeaseRefused);
        }
        let is_new = !has_taken_effect(self.known(&deduction.id).await?.as_ref());
        if let Err(refusal) = self.key.allow(deduction, self.now_ms)
            && is_new
        {
            return Ok(DeductionOutcome::KeyRefused(refusal));
        }
        let alone = Batch { deductions: vec![deduction.clone()], ..Batch::default() };
        let said = self.run(&alone).await?.deductions.into_iter().next();
        let (_, outcome) = said.ok_or_else(|| sqlx::Error::Decode("no outcome".into()))?;
        if is_new && matches!(outcome, DeductionOutcome::Deducted(_)) {
            self.key = self.key.clone().with(deduction);
        }
        Ok(self.key.told(outcome, &deduction.id))
    }

    async fn run(&mut self, batch: &Batch) -> Result<BatchAnswer, sqlx::Error> {
        let said = batch::run(&mut self.transaction, batch, &self.postgres.options).await?;
        batch::answer(batch, said).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    /// What is remembered of an id.
    async fn known(&mut self, id: &DeductionId) -> Result<Option<DeductionRecord>, sqlx::Error> {
        sqlx::query("SELECT * FROM known_charges(ARRAY[$1::bytea])")
            .bind(id.as_bytes().as_slice())
            .try_map(|row: PgRow| holds::record(&row))
            .fetch_optional(&mut *self.transaction)
            .await
            .map(Option::flatten)
    }
}

/// A key, locked until the transaction ends.
async fn locked(
    transaction: &mut Transaction<'_, Database>,
    hash: &KeyHash,
) -> Result<Option<Key>, sqlx::Error> {
    sqlx::query("SELECT record FROM keys WHERE hash = $1 FOR UPDATE")
        .bind(hash.0.as_slice())
        .try_map(|row: PgRow| Ok(row.try_get::<Json<Key>, _>("record")?.0))
        .fetch_optional(&mut **transaction)
        .await
}

/// Writes the next version of a key; false if there is another one already: one that is new is locked by nobody.
async fn write(
    transaction: &mut Transaction<'_, Database>,
    hash: &KeyHash,
    key: &Key,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query(
        "INSERT INTO keys VALUES ($1, $2, $3)
         ON CONFLICT (hash) DO UPDATE SET record = $3
          WHERE (keys.record->>'revision')::bigint = ($3::jsonb->>'revision')::bigint - 1",
    )
    .bind(hash.0.as_slice())
    .bind(key.owner.as_bytes().as_slice())
    .bind(Json(key))
    .execute(&mut **transaction)
    .await?;
    Ok(written.rows_affected() == 1)
}
