//! Ledgers of the version before serve while, and after, another one brings the tables up to date.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{PgPool, migrate::Migrator};
use stripe402_ledger::{
    accounting::AccountKey,
    clock::{Clock as _, SystemClock},
    store::{Postgres, Store as _},
};
use stripe402_protocol::{
    Units,
    message::{Deduction, DeductionOutcome, VoidOutcome},
};
use stripe402_tests::postgres::Postgres as Server;

use super::{
    deduction, key, open,
    tables::{left, minted_ago, number, run, tables, take, void},
};

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// The last migration of the version before.
pub(super) const BEFORE: i64 = 6;

/// A server with the tables of the version before, and an account with so many units.
pub(super) async fn before(units: i64) -> (Server, PgPool, AccountKey) {
    let server = Server::start().await.unwrap();
    let (pool, key) = (tables(&server).await, key());
    run(&pool, "CREATE SCHEMA stripe402").await;
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    Migrator::new(migrations).await.unwrap().run_to(BEFORE, &pool).await.unwrap();
    for statement in [
        "INSERT INTO accounts (client, currency, available) VALUES ($1, 'usd', $2)",
        "INSERT INTO movements (client, currency, kind, reference, amount, at_ms)
         VALUES ($1, 'usd', 'top_up', 'pi_1', $2, 0)",
    ] {
        let query = sqlx::query(statement).bind(key.client.as_bytes().as_slice()).bind(units);
        query.execute(&pool).await.unwrap();
    }
    (server, pool, key)
}

/// The statement that ledgers of the version before run, with their retries.
pub(super) async fn take_before(pool: &PgPool, deduction: &Deduction) -> (String, Option<i64>) {
    for _ in 0..10 {
        let said = once_before(pool, deduction).await;
        let Err(sqlx::Error::Database(error)) = &said else { return said.unwrap() };
        let code = error.code().unwrap().into_owned();
        assert!(["40001", "40P01", "23505"].contains(&code.as_str()), "{error}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("given up on a charge")
}

async fn once_before(
    pool: &PgPool,
    deduction: &Deduction,
) -> Result<(String, Option<i64>), sqlx::Error> {
    sqlx::query_as("SELECT outcome, balance FROM apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(Vec::<Vec<u8>>::new())
        .bind(Vec::<Option<Vec<u8>>>::new())
        .bind(vec![deduction.id.as_bytes().to_vec()])
        .bind(vec![deduction.client_id.as_bytes().to_vec()])
        .bind(vec![deduction.currency.to_string()])
        .bind(vec![deduction.amount.get()])
        .bind(vec![deduction.route.clone()])
        .bind(i64::try_from(WEEK.as_millis()).unwrap())
        .bind(60_000_i64)
        .fetch_one(pool)
        .await
}

/// Charges by the version before until it is told to stop; each now and then asked for again.
async fn serve_before(
    pool: PgPool,
    key: AccountKey,
    task: u64,
    stop: Arc<AtomicBool>,
) -> BTreeMap<[u8; 16], (Deduction, i64)> {
    let mut taken = BTreeMap::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let deduction = deduction(key, (task << 32) | number);
        let (outcome, balance) = take_before(&pool, &deduction).await;
        assert_eq!(outcome, "charged");
        let balance = balance.unwrap();
        taken.insert(*deduction.id.as_bytes(), (deduction, balance));
        let (repeated, first) = taken.values().next().unwrap();
        if number % 7 == 0 {
            let said = take_before(&pool, repeated).await;
            assert_eq!(said, ("charged".to_owned(), Some(*first)), "taken a second time");
        }
    }
    taken
}

/// Old rows, ledgers of the version before under load, a backup that reads everything, and a ledger
/// that brings the tables up to date: each deduction is taken once and keeps its first answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_under_load_takes_every_charge_once() {
    const UNITS: i64 = 1_000_000_000;
    let (server, pool, key) = before(UNITS).await;
    let early = minted_ago(deduction(key, u64::MAX), HOUR);
    assert_eq!(take_before(&pool, &early).await.1, Some(UNITS - 1));
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..4)
        .map(|task| tokio::spawn(serve_before(pool.clone(), key, task, Arc::clone(&stop))))
        .collect();
    let mut backup = pool.begin().await.unwrap();
    let reads = "LOCK TABLE charges, accounts, tallies, counts IN ACCESS SHARE MODE";
    sqlx::query(reads).execute(&mut *backup).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let store = open(&server.url(), WEEK);
    store.ping().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::SeqCst);
    let mut taken = vec![(early.clone(), UNITS - 1)];
    for task in tasks {
        taken.extend(task.await.unwrap().into_values());
    }
    backup.rollback().await.unwrap();

    let kept = number(&pool, "SELECT count(*) FROM charges").await;
    let new = number(&pool, "SELECT count(*) FROM charge_records").await;
    assert!(kept > 10 && new > 10, "{kept} before, {new} after");
    assert_eq!(kept + new, i64::try_from(taken.len()).unwrap());
    let spent = async |store: &Postgres| UNITS - store.account(key).await.unwrap().available.get();
    assert_eq!(spent(&store).await, kept + new);
    for (deduction, balance) in &taken {
        let first = DeductionOutcome::Deducted(Units::new(*balance).unwrap());
        assert_eq!(take(&store, deduction).await, first);
    }
    assert_eq!(spent(&store).await, kept + new);
    let other = Deduction { route: "other".into(), ..early.clone() };
    assert_eq!(take(&store, &other).await, DeductionOutcome::Conflict);
    assert_eq!(void(&store, &early).await, VoidOutcome::Voided);
    assert_eq!(void(&store, &early).await, VoidOutcome::Repeated);
    assert_eq!(take(&store, &early).await, DeductionOutcome::Voided);
    assert_eq!(take_before(&pool, &early).await.0, "voided");
    assert_eq!(spent(&store).await, kept + new - 1);
    let shown = store.deductions(key, usize::MAX).await.unwrap();
    assert_eq!(shown.len(), taken.len() - 1);
    assert!(shown.is_sorted_by(|one, next| one.id > next.id), "newest first");
}

/// A batch that was begun with the function as it was does nothing in the tables as they are: it is
/// given up as a whole, with a code at which the version before tries again.
#[tokio::test]
async fn a_batch_that_was_begun_before_is_given_up() {
    let (server, pool, key) = before(100).await;
    let (old, marked) = (deduction(key, 1), deduction(key, 2));
    take_before(&pool, &old).await;
    let store = open(&server.url(), WEEK);
    store.ping().await.unwrap();
    let file = include_str!("../../migrations/0002_batch.sql");
    let function = &file[file.find("CREATE FUNCTION apply_batch").unwrap()..];
    run(&pool, &function.replace("apply_batch", "apply_batch_before")).await;
    let call = |void: &str, id: &Deduction| {
        let (id, client) = (hex(id.id.as_bytes()), hex(key.client.as_bytes()));
        let (ids, clients) = (format!("ARRAY[{id}]::bytea[]"), format!("ARRAY[{client}]::bytea[]"));
        let none = "'{}'::bytea[]";
        let rest = "604800000, 60000";
        match void {
            "void" => format!(
                "SELECT outcome FROM apply_batch_before({ids}, {clients}, {none}, {none},
                '{{}}'::text[], '{{}}'::bigint[], '{{}}'::text[], {rest})"
            ),
            _ => format!(
                "SELECT outcome FROM apply_batch_before({none}, {none}, {ids}, {clients},
                ARRAY['usd'], ARRAY[1::bigint], ARRAY['joke'], {rest})"
            ),
        }
    };
    // The deduction was taken by the new version: the one before does not see it, and must not take it.
    let new = deduction(key, 3);
    assert_eq!(take(&store, &new).await, left(98));
    for statement in [call("charge", &new), call("void", &new), call("void", &marked)] {
        let failed = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).fetch_one(&pool).await;
        let failed = failed.err().unwrap_or_else(|| panic!("{statement}"));
        let code = failed.as_database_error().and_then(|error| error.code()).unwrap();
        assert_eq!(code, "40001", "{statement}: {failed}");
    }
    assert_eq!(take(&store, &marked).await, left(97), "no mark was left");
    // What it gives back of its own table is given back once.
    let voided: String =
        sqlx::query_scalar(sqlx::AssertSqlSafe(call("void", &old))).fetch_one(&pool).await.unwrap();
    assert_eq!(voided, "voided");
    assert_eq!(void(&store, &old).await, VoidOutcome::Repeated);
    assert_eq!(store.account(key).await.unwrap().available, Units::from_u32(98));
}

fn hex(bytes: &[u8]) -> String {
    format!("'\\x{}'", stripe402_protocol::hex::to_string(bytes))
}

/// The table of the version before is dropped once all of it is forgotten, and not before.
#[tokio::test]
async fn the_table_of_the_version_before_goes_in_time() {
    let (server, pool, key) = before(100).await;
    let old = minted_ago(deduction(key, 1), 3 * HOUR);
    assert_eq!(take_before(&pool, &old).await.1, Some(99));
    let (week, short) = (open(&server.url(), WEEK), open(&server.url(), 2 * HOUR));
    let now = SystemClock.now_ms();
    week.upkeep(now).await.unwrap();
    assert_eq!(take(&week, &old).await, left(99), "the answer it got first");
    let mut reader = pool.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM charges").execute(&mut *reader).await.unwrap();
    short.upkeep(now).await.unwrap();
    let there = "SELECT count(to_regclass('charges'))";
    assert_eq!(number(&pool, there).await, 1, "somebody reads it");
    reader.rollback().await.unwrap();
    short.upkeep(now).await.unwrap();
    assert_eq!(number(&pool, there).await, 0);
    for store in [&week, &short] {
        assert_eq!(take(store, &old).await, DeductionOutcome::Stale, "never a second time");
        assert_eq!(void(store, &old).await, VoidOutcome::Stale);
    }
    assert_eq!(take(&week, &deduction(key, 2)).await, left(98));
    assert_eq!(week.deductions(key, 10).await.unwrap().len(), 1);
    open(&server.url(), WEEK).ping().await.unwrap();
}

/// A ledger that starts beside a later version serves: it may have been restarted in an upgrade.
#[tokio::test]
async fn a_ledger_starts_beside_a_later_version() {
    let (server, pool, _) = before(1).await;
    open(&server.url(), WEEK).ping().await.unwrap();
    run(
        &pool,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    )
    .await;
    open(&server.url(), WEEK).ping().await.unwrap();
}
