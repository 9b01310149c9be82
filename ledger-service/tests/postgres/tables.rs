//! The tables themselves, as an operator sees them, and single charges on them.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};
use stripe402_ledger::store::{Postgres, Store as _};
use stripe402_protocol::{
    ChargeId, Units,
    message::{Batch, Charge, ChargeOutcome, Void, VoidOutcome},
};
use stripe402_tests::postgres::Postgres as Server;

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

/// A charge that was minted so long ago.
pub(crate) fn minted_ago(charge: Charge, ago: Duration) -> Charge {
    let id = charge.id;
    let at = id.minted_ms() - u64::try_from(ago.as_millis()).unwrap();
    Charge { id: ChargeId::mint(at, id.as_bytes()[6..].try_into().unwrap()), ..charge }
}

pub(crate) async fn take(store: &Postgres, charge: &Charge) -> ChargeOutcome {
    let batch = Batch { version: 1, charges: vec![charge.clone()], voids: vec![] };
    store.batch(batch).await.unwrap().charges[0].1
}

pub(crate) async fn void(store: &Postgres, charge: &Charge) -> VoidOutcome {
    let void = Void { id: charge.id, client_id: Some(charge.client_id) };
    let batch = Batch { version: 1, charges: vec![], voids: vec![void] };
    store.batch(batch).await.unwrap().voids[0].1
}

pub(crate) fn left(units: u32) -> ChargeOutcome {
    ChargeOutcome::Charged(Units::from_u32(units))
}
