//! The tables themselves, as an operator sees them, and single deductions on them.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};
use stripe402_ledger::store::{Accounts as _, Postgres};
use stripe402_protocol::{
    DeductionId, Units,
    message::{Batch, Deduction, DeductionOutcome, Void, VoidOutcome},
};
use stripe402_tests::postgres::Postgres as Server;

pub(crate) const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Connections to the tables themselves, as an operator has them.
pub(crate) async fn tables(server: &Server) -> PgPool {
    let options: sqlx::postgres::PgConnectOptions = server.url().parse().unwrap();
    PgPool::connect_with(options.options([("search_path", "stripe402")])).await.unwrap()
}

pub(crate) async fn run(pool: &PgPool, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(pool).await.unwrap();
}

pub(crate) async fn number(pool: &PgPool, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(pool).await.unwrap()
}

/// A deduction that was minted so long ago.
pub(crate) fn minted_ago(deduction: Deduction, ago: Duration) -> Deduction {
    let id = deduction.id;
    let at = id.minted_ms() - u64::try_from(ago.as_millis()).unwrap();
    Deduction { id: DeductionId::mint(at, id.as_bytes()[6..].try_into().unwrap()), ..deduction }
}

pub(crate) async fn take(store: &Postgres, deduction: &Deduction) -> DeductionOutcome {
    let batch =
        Batch { version: 1, deductions: vec![deduction.clone()], voids: vec![], captures: vec![] };
    store.batch(batch).await.unwrap().deductions[0].1
}

pub(crate) async fn void(store: &Postgres, deduction: &Deduction) -> VoidOutcome {
    let void = Void { id: deduction.id, client_id: Some(deduction.client_id) };
    let batch = Batch { version: 1, deductions: vec![], voids: vec![void], captures: vec![] };
    store.batch(batch).await.unwrap().voids[0].1
}

pub(crate) fn left(units: u32) -> DeductionOutcome {
    DeductionOutcome::Deducted(Units::from_u32(units))
}
