//! A batch: one call of `apply_batch`.

use std::time::Duration;

use sqlx::{PgPool, Row, postgres::PgRow};
use stripe402_protocol::{
    Units,
    message::{Batch, BatchAnswer, ChargeOutcome, VoidOutcome},
};

use super::{
    super::StoreError,
    PostgresOptions,
    rows::{damaged, units},
};

/// A batch as columns.
pub(super) struct Arguments {
    void_ids: Vec<Vec<u8>>,
    void_clients: Vec<Option<Vec<u8>>>,
    ids: Vec<Vec<u8>>,
    clients: Vec<Vec<u8>>,
    currencies: Vec<String>,
    amounts: Vec<i64>,
    routes: Vec<String>,
}

/// What the function said of one entry.
pub(super) struct Said {
    outcome: String,
    balance: Option<Units>,
}

impl Arguments {
    pub(super) fn of(batch: &Batch) -> Self {
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
    pub(super) async fn run(
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

/// Pairs what was said with what was asked.
pub(super) fn answer(batch: &Batch, said: Vec<Said>) -> Result<BatchAnswer, StoreError> {
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

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
