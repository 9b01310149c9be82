//! A batch: one call of `apply_batch`.

use sqlx::{PgPool, Row, postgres::PgRow};
use stripe402_protocol::{
    Units,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome, VoidOutcome},
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
        let deductions = || batch.deductions.iter();
        Self {
            void_ids: voids().map(|void| void.id.as_bytes().to_vec()).collect(),
            void_clients: voids()
                .map(|void| void.client_id.map(|client| client.as_bytes().to_vec()))
                .collect(),
            ids: deductions().map(|deduction| deduction.id.as_bytes().to_vec()).collect(),
            clients: deductions()
                .map(|deduction| deduction.client_id.as_bytes().to_vec())
                .collect(),
            currencies: deductions().map(|deduction| deduction.currency.to_string()).collect(),
            amounts: deductions().map(|deduction| deduction.amount.get()).collect(),
            routes: deductions().map(|deduction| deduction.route.clone()).collect(),
        }
    }

    /// Voids first, then deductions, each in their order.
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
        let alone =
            |deductions: Vec<Deduction>, voids| Batch { version: batch.version, deductions, voids };
        let mut answer = BatchAnswer { deductions: Vec::new(), voids: Vec::new() };
        for void in &batch.voids {
            match self.run_batch(pool, &alone(vec![], vec![void.clone()])).await {
                Err(StoreError::Damaged(_)) => answer.voids.push((void.id, VoidOutcome::Conflict)),
                done => answer.voids.extend(done?.voids),
            }
        }
        for deduction in &batch.deductions {
            match self.run_batch(pool, &alone(vec![deduction.clone()], vec![])).await {
                Err(StoreError::Damaged(_)) => {
                    answer.deductions.push((deduction.id, DeductionOutcome::Conflict))
                }
                done => answer.deductions.extend(done?.deductions),
            }
        }
        Ok(answer)
    }
}

/// Pairs what was said with what was asked.
fn answer(batch: &Batch, said: Vec<Said>) -> Result<BatchAnswer, StoreError> {
    if said.len() != batch.voids.len().saturating_add(batch.deductions.len()) {
        return Err(damaged("apply_batch answered for another number of entries"));
    }
    let mut said = said.into_iter();
    let voids = batch
        .voids
        .iter()
        .zip(said.by_ref())
        .map(|(void, said)| Ok((void.id, void_outcome(&said)?)));
    let voids = voids.collect::<Result<Vec<_>, StoreError>>()?;
    let deductions = batch
        .deductions
        .iter()
        .zip(said)
        .map(|(deduction, said)| Ok((deduction.id, charge_outcome(&said)?)));
    Ok(BatchAnswer { deductions: deductions.collect::<Result<_, StoreError>>()?, voids })
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

fn charge_outcome(said: &Said) -> Result<DeductionOutcome, StoreError> {
    Ok(match (said.outcome.as_str(), said.balance) {
        ("charged", Some(left)) => DeductionOutcome::Deducted(left),
        ("insufficient", _) => DeductionOutcome::Insufficient,
        ("frozen", _) => DeductionOutcome::Frozen,
        ("voided", _) => DeductionOutcome::Voided,
        ("conflict", _) => DeductionOutcome::Conflict,
        ("stale", _) => DeductionOutcome::Stale,
        _ => return Err(damaged("apply_batch answered a charge with something else")),
    })
}
