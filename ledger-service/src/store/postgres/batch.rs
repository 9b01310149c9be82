//! A batch: one call of `apply_batch`.

use sqlx::{PgPool, Row, postgres::PgRow};
use stripe402_protocol::{
    Units,
    message::{Batch, BatchAnswer, Charge, ChargeOutcome, VoidOutcome},
};

use super::{
    super::StoreError,
    Postgres, PostgresOptions, millis,
    rows::{damaged, units},
};

/// A batch as columns.
struct Arguments {
    void_ids: Vec<Vec<u8>>,
    void_clients: Vec<Option<Vec<u8>>>,
    ids: Vec<Vec<u8>>,
    clients: Vec<Vec<u8>>,
    currencies: Vec<String>,
    amounts: Vec<i64>,
    routes: Vec<String>,
}

/// What the function said of one entry.
struct Said {
    outcome: String,
    balance: Option<Units>,
}

impl Arguments {
    fn of(batch: &Batch) -> Self {
        let voids = || batch.voids.iter();
        let charges = || batch.charges.iter();
        Self {
            void_ids: voids().map(|void| void.id.as_bytes().to_vec()).collect(),
            void_clients: voids()
                .map(|void| void.client_id.map(|client| client.as_bytes().to_vec()))
                .collect(),
            ids: charges().map(|charge| charge.id.as_bytes().to_vec()).collect(),
            clients: charges().map(|charge| charge.client_id.as_bytes().to_vec()).collect(),
            currencies: charges().map(|charge| charge.currency.to_string()).collect(),
            amounts: charges().map(|charge| charge.amount.get()).collect(),
            routes: charges().map(|charge| charge.route.clone()).collect(),
        }
    }

    /// Voids first, then charges, each in their order.
    async fn run(
        &self,
        pool: &PgPool,
        options: &PostgresOptions,
    ) -> Result<Vec<Said>, sqlx::Error> {
        sqlx::query("SELECT outcome, balance FROM apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(&self.void_ids)
            .bind(&self.void_clients)
            .bind(&self.ids)
            .bind(&self.clients)
            .bind(&self.currencies)
            .bind(&self.amounts)
            .bind(&self.routes)
            .bind(millis(options.charge_memory))
            .bind(millis(options.clock_skew))
            .try_map(|row: PgRow| {
                let balance: Option<i64> = row.try_get("balance")?;
                let balance = balance.map(units).transpose()?;
                Ok(Said { outcome: row.try_get("outcome")?, balance })
            })
            .fetch_all(pool)
            .await
    }
}

impl Postgres {
    /// # Errors
    /// [`StoreError::Damaged`] where something of the batch itself cannot be written or read.
    pub(super) async fn run_batch(
        &self,
        pool: &PgPool,
        batch: &Batch,
    ) -> Result<BatchAnswer, StoreError> {
        let arguments = Arguments::of(batch);
        answer(batch, self.retried(|| arguments.run(pool, &self.options)).await?)
    }

    /// Carries out each entry of a batch by itself. One that cannot be is refused: nothing of it has
    /// happened. Entries that were carried out before answer as they did then.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn one_by_one(
        &self,
        pool: &PgPool,
        batch: &Batch,
    ) -> Result<BatchAnswer, StoreError> {
        let alone = |charges: Vec<Charge>, voids| Batch { version: batch.version, charges, voids };
        let mut answer = BatchAnswer { charges: Vec::new(), voids: Vec::new() };
        for void in &batch.voids {
            match self.run_batch(pool, &alone(vec![], vec![void.clone()])).await {
                Err(StoreError::Damaged(_)) => answer.voids.push((void.id, VoidOutcome::Conflict)),
                done => answer.voids.extend(done?.voids),
            }
        }
        for charge in &batch.charges {
            match self.run_batch(pool, &alone(vec![charge.clone()], vec![])).await {
                Err(StoreError::Damaged(_)) => {
                    answer.charges.push((charge.id, ChargeOutcome::Conflict))
                }
                done => answer.charges.extend(done?.charges),
            }
        }
        Ok(answer)
    }
}

/// Pairs what was said with what was asked.
fn answer(batch: &Batch, said: Vec<Said>) -> Result<BatchAnswer, StoreError> {
    if said.len() != batch.voids.len().saturating_add(batch.charges.len()) {
        return Err(damaged("apply_batch answered for another number of entries"));
    }
    let mut said = said.into_iter();
    let voids = batch
        .voids
        .iter()
        .zip(said.by_ref())
        .map(|(void, said)| Ok((void.id, void_outcome(&said)?)));
    let voids = voids.collect::<Result<Vec<_>, StoreError>>()?;
    let charges = batch
        .charges
        .iter()
        .zip(said)
        .map(|(charge, said)| Ok((charge.id, charge_outcome(&said)?)));
    Ok(BatchAnswer { charges: charges.collect::<Result<_, StoreError>>()?, voids })
}

fn void_outcome(said: &Said) -> Result<VoidOutcome, StoreError> {
    Ok(match said.outcome.as_str() {
        "voided" => VoidOutcome::Voided,
        "marked" => VoidOutcome::Marked,
        "repeated" => VoidOutcome::Repeated,
        "stale" => VoidOutcome::Stale,
        "conflict" => VoidOutcome::Conflict,
        _ => return Err(damaged("apply_batch answered a void with something else")),
    })
}

fn charge_outcome(said: &Said) -> Result<ChargeOutcome, StoreError> {
    Ok(match (said.outcome.as_str(), said.balance) {
        ("charged", Some(left)) => ChargeOutcome::Charged(left),
        ("insufficient", _) => ChargeOutcome::Insufficient,
        ("frozen", _) => ChargeOutcome::Frozen,
        ("voided", _) => ChargeOutcome::Voided,
        ("conflict", _) => ChargeOutcome::Conflict,
        ("stale", _) => ChargeOutcome::Stale,
        _ => return Err(damaged("apply_batch answered a charge with something else")),
    })
}
