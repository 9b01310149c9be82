//! Keys: a step locks its key's row, then does what a batch does, and writes the key if that took effect.

use async_trait::async_trait;
use sqlx::{PgPool, Postgres as Database, Row, Transaction, postgres::PgRow, types::Json};
use stripe402_protocol::{ClientId, DeductionId};

use super::{
    super::{Keys, StoreError},
    Postgres, batch, rows, unavailable,
};
use crate::accounting::{Key, KeyHash, KeyStep, KeyStepOutcome};

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
            let follows = follows(&mut transaction, &hash, &after).await?;
            if follows {
                write(&mut transaction, &hash, &after).await?;
            }
            transaction.commit().await?;
            Ok(follows)
        })
        .await
    }

    async fn step_by_key(
        &self,
        hash: KeyHash,
        after: Key,
        step: KeyStep,
    ) -> Result<Option<KeyStepOutcome>, StoreError> {
        let pool = self.pool().await?;
        self.retried(|| self.step(pool, &hash, &after, &step)).await
    }
}

impl Postgres {
    async fn step(
        &self,
        pool: &PgPool,
        hash: &KeyHash,
        after: &Key,
        step: &KeyStep,
    ) -> Result<Option<KeyStepOutcome>, sqlx::Error> {
        let mut transaction = pool.begin().await?;
        if !follows(&mut transaction, hash, after).await? {
            return Ok(None);
        }
        let known = has_taken_effect(&mut transaction, &step.id()).await?;
        let batch = step.batch();
        let said = batch::run(&mut transaction, &batch, &self.options).await?;
        let answer =
            batch::answer(&batch, said).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let outcome = step.outcome(&answer);
        if outcome.is_some_and(|outcome| step.took_effect(outcome, known)) {
            write(&mut transaction, hash, after).await?;
        }
        transaction.commit().await?;
        Ok(outcome)
    }
}

/// Locks the key, and says whether this one follows it.
async fn follows(
    transaction: &mut Transaction<'_, Database>,
    hash: &KeyHash,
    after: &Key,
) -> Result<bool, sqlx::Error> {
    let revision = sqlx::query_scalar("SELECT revision FROM keys WHERE hash = $1 FOR UPDATE")
        .bind(hash.0.as_slice())
        .fetch_optional(&mut **transaction)
        .await?;
    let next = revision.map_or(Some(1), |revision: i64| revision.checked_add(1));
    Ok(next == i64::try_from(after.revision).ok())
}

async fn write(
    transaction: &mut Transaction<'_, Database>,
    hash: &KeyHash,
    key: &Key,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO keys VALUES ($1, $2, $3, $4)
         ON CONFLICT (hash) DO UPDATE SET revision = $3, record = $4
          WHERE keys.revision = $3 - 1",
    )
    .bind(hash.0.as_slice())
    .bind(key.owner.as_bytes().as_slice())
    .bind(i64::try_from(key.revision).unwrap_or(i64::MAX))
    .bind(Json(key))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Whether a deduction has taken effect: a mark has not.
async fn has_taken_effect(
    transaction: &mut Transaction<'_, Database>,
    id: &DeductionId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM known_charges(ARRAY[$1::bytea]) WHERE state <> 'capture_first')",
    )
    .bind(id.as_bytes().as_slice())
    .fetch_one(&mut **transaction)
    .await
}
