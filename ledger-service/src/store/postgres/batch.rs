//! A batch: `deduct_plain` where it can be, `apply_batch` for what is left.

use sqlx::{PgExecutor, PgPool, Postgres as Database, Row, Transaction, postgres::PgRow};
use stripe402_protocol::{
    Units,
    message::{Batch, BatchAnswer, CaptureOutcome, DeductionOutcome, KeyRefusal, VoidOutcome},
};

use super::{
    super::StoreError,
    Postgres, PostgresOptions, millis,
    plain::Plain,
    rows::{damaged, units},
    unavailable,
};
use crate::accounting::Spender;

/// A batch as columns.
struct Arguments {
    void_ids: Vec<Vec<u8>>,
    void_clients: Vec<Option<Vec<u8>>>,
    capture_ids: Vec<Vec<u8>>,
    capture_clients: Vec<Vec<u8>>,
    capture_amounts: Vec<i64>,
    capture_counts: Vec<i64>,
    ids: Vec<Vec<u8>>,
    clients: Vec<Vec<u8>>,
    currencies: Vec<String>,
    amounts: Vec<i64>,
    routes: Vec<String>,
    hold_ends: Vec<Option<i64>>,
    at_ends: Vec<Option<i64>>,
    shares: Vec<Option<i16>>,
}

/// What the function said of one entry.
pub(super) struct Said {
    outcome: String,
    balance: Option<Units>,
    captured: Option<Units>,
}

impl Arguments {
    fn of(batch: &Batch) -> Self {
        let voids = || batch.voids.iter();
        let captures = || batch.captures.iter();
        let deductions = || batch.deductions.iter();
        let terms = || deductions().map(|deduction| deduction.hold);
        let ms = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        Self {
            void_ids: voids().map(|void| void.id.as_bytes().to_vec()).collect(),
            void_clients: voids()
                .map(|void| void.client_id.map(|client| client.as_bytes().to_vec()))
                .collect(),
            capture_ids: captures().map(|capture| capture.id.as_bytes().to_vec()).collect(),
            capture_clients: captures()
                .map(|capture| capture.client_id.as_bytes().to_vec())
                .collect(),
            capture_amounts: captures().map(|capture| capture.amount.get()).collect(),
            capture_counts: captures().map(|capture| i64::from(capture.count)).collect(),
            ids: deductions().map(|deduction| deduction.id.as_bytes().to_vec()).collect(),
            clients: deductions()
                .map(|deduction| deduction.client_id.as_bytes().to_vec())
                .collect(),
            currencies: deductions().map(|deduction| deduction.currency.to_string()).collect(),
            amounts: deductions().map(|deduction| deduction.amount.get()).collect(),
            routes: deductions().map(|deduction| deduction.route.clone()).collect(),
            hold_ends: terms().map(|terms| terms.map(|terms| ms(terms.ends_ms))).collect(),
            at_ends: terms().map(|terms| terms.map(|terms| terms.at_end.get())).collect(),
            shares: terms().map(|terms| terms?.lease.map(i16::from)).collect(),
        }
    }

    /// Voids first, then captures, then deductions, each in their order.
    async fn run(
        &self,
        on: impl PgExecutor<'_>,
        spender: Spender,
        options: &PostgresOptions,
    ) -> Result<Vec<Said>, sqlx::Error> {
        let generation = match spender {
            Spender::Generation(of) => Some(i64::from(of)),
            Spender::Other => None,
        };
        sqlx::query(
            "SELECT outcome, balance, captured FROM apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9,
                                                                $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(&self.void_ids)
        .bind(&self.void_clients)
        .bind(&self.capture_ids)
        .bind(&self.capture_clients)
        .bind(&self.capture_amounts)
        .bind(&self.capture_counts)
        .bind(&self.ids)
        .bind(&self.clients)
        .bind(&self.currencies)
        .bind(&self.amounts)
        .bind(&self.routes)
        .bind(&self.hold_ends)
        .bind(&self.at_ends)
        .bind(&self.shares)
        .bind(millis(options.charge_memory))
        .bind(millis(options.clock_skew))
        .bind(generation)
        .try_map(|row: PgRow| {
            let amount = |name: &str| row.try_get::<Option<i64>, _>(name)?.map(units).transpose();
            let (balance, captured) = (amount("balance")?, amount("captured")?);
            Ok(Said { outcome: row.try_get("outcome")?, balance, captured })
        })
        .fetch_all(on)
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
        spender: Spender,
    ) -> Result<BatchAnswer, StoreError> {
        let Some(plain) = Plain::of(batch) else { return self.run_any(pool, batch, spender).await };
        let left = self.retried(|| plain.run(pool, &self.options)).await?;
        let outcomes = plain.outcomes(&left).map_err(unavailable)?;
        let undecided = batch.deductions.iter().zip(&outcomes).filter(|(_, known)| known.is_none());
        let deductions: Vec<_> = undecided.map(|(deduction, _)| deduction.clone()).collect();
        let mut others = Vec::new().into_iter();
        if !deductions.is_empty() {
            let rest = Batch { deductions, ..Batch::default() };
            others = self.run_any(pool, &rest, spender).await?.deductions.into_iter();
        }
        let ids = batch.deductions.iter().map(|deduction| deduction.id);
        let deductions = ids
            .zip(outcomes)
            .map(|(id, known)| known.map(|known| (id, known)).or_else(|| others.next()))
            .collect::<Option<_>>();
        let deductions = deductions.ok_or_else(|| damaged("a deduction has no outcome"))?;
        Ok(BatchAnswer { deductions, ..BatchAnswer::default() })
    }

    /// A batch of any kind, one entry after the other.
    pub(super) async fn run_any(
        &self,
        pool: &PgPool,
        batch: &Batch,
        spender: Spender,
    ) -> Result<BatchAnswer, StoreError> {
        let arguments = Arguments::of(batch);
        answer(batch, self.retried(|| arguments.run(pool, spender, &self.options)).await?)
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
        spender: Spender,
    ) -> Result<BatchAnswer, StoreError> {
        let mut answer = BatchAnswer::default();
        for void in &batch.voids {
            let alone = Batch { voids: vec![void.clone()], ..Batch::default() };
            match self.run_batch(pool, &alone, spender).await {
                Err(StoreError::Damaged(_)) => answer.voids.push((void.id, VoidOutcome::Conflict)),
                done => answer.voids.extend(done?.voids),
            }
        }
        for capture in &batch.captures {
            let alone = Batch { captures: vec![*capture], ..Batch::default() };
            match self.run_batch(pool, &alone, spender).await {
                Err(StoreError::Damaged(_)) => {
                    answer.captures.push((capture.id, CaptureOutcome::Conflict));
                }
                done => answer.captures.extend(done?.captures),
            }
        }
        for deduction in &batch.deductions {
            let alone = Batch { deductions: vec![deduction.clone()], ..Batch::default() };
            match self.run_batch(pool, &alone, spender).await {
                Err(StoreError::Damaged(_)) => {
                    answer.deductions.push((deduction.id, DeductionOutcome::Conflict))
                }
                done => answer.deductions.extend(done?.deductions),
            }
        }
        Ok(answer)
    }
}

/// Carries out a batch in a transaction of the caller's, for a key.
pub(super) async fn run(
    transaction: &mut Transaction<'_, Database>,
    batch: &Batch,
    options: &PostgresOptions,
) -> Result<Vec<Said>, sqlx::Error> {
    Arguments::of(batch).run(&mut **transaction, Spender::Other, options).await
}

/// Pairs what was said with what was asked.
pub(super) fn answer(batch: &Batch, said: Vec<Said>) -> Result<BatchAnswer, StoreError> {
    let asked = batch.voids.len().saturating_add(batch.captures.len());
    if said.len() != asked.saturating_add(batch.deductions.len()) {
        return Err(damaged("apply_batch answered for another number of entries"));
    }
    let mut said = said.into_iter();
    let voids = batch
        .voids
        .iter()
        .zip(said.by_ref())
        .map(|(void, said)| Ok((void.id, void_outcome(&said)?)));
    let voids = voids.collect::<Result<Vec<_>, StoreError>>()?;
    let captures = batch
        .captures
        .iter()
        .zip(said.by_ref())
        .map(|(capture, said)| Ok((capture.id, capture_outcome(&said)?)));
    let captures = captures.collect::<Result<Vec<_>, StoreError>>()?;
    let deductions = batch
        .deductions
        .iter()
        .zip(said)
        .map(|(deduction, said)| Ok((deduction.id, charge_outcome(&said)?)));
    let deductions = deductions.collect::<Result<_, StoreError>>()?;
    Ok(BatchAnswer { deductions, voids, captures })
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

fn capture_outcome(said: &Said) -> Result<CaptureOutcome, StoreError> {
    Ok(match (said.outcome.as_str(), said.captured, said.balance) {
        ("captured", Some(captured), Some(left)) => CaptureOutcome::Captured { captured, left },
        ("marked", ..) => CaptureOutcome::Marked,
        ("voided", ..) => CaptureOutcome::Voided,
        ("conflict", ..) => CaptureOutcome::Conflict,
        ("stale", ..) => CaptureOutcome::Stale,
        _ => return Err(damaged("apply_batch answered a capture with something else")),
    })
}

fn charge_outcome(said: &Said) -> Result<DeductionOutcome, StoreError> {
    Ok(match (said.outcome.as_str(), said.balance) {
        ("charged", Some(left)) => DeductionOutcome::Deducted(left),
        ("insufficient", _) => DeductionOutcome::Insufficient,
        ("in_debt", Some(owed)) => DeductionOutcome::InDebt(owed),
        ("frozen", _) => DeductionOutcome::Frozen,
        ("voided", _) => DeductionOutcome::Voided,
        ("conflict", _) => DeductionOutcome::Conflict,
        ("stale", _) => DeductionOutcome::Stale,
        ("rotated", _) => DeductionOutcome::KeyRefused(KeyRefusal::Rotated),
        ("leased", _) => DeductionOutcome::Leased,
        ("lease_refused", _) => DeductionOutcome::LeaseRefused,
        _ => return Err(damaged("apply_batch answered a charge with something else")),
    })
}
