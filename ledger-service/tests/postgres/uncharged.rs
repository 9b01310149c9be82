//! Top-ups without a charge: how they are listed, and how many go at once.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use stripe402_ledger::{
    clock::{Clock as _, SystemClock},
    store::{Postgres, Store as _},
};
use stripe402_tests::postgres::Postgres as Server;

use super::{
    open,
    tables::{WEEK, number, run, tables},
};

/// Forgets at once what ended before.
fn forgetful(server: &Server) -> Postgres {
    open(&server.url(), WEEK).keep_uncharged(Duration::ZERO)
}

/// Top-ups as a ledger writes them, each of a client of its own that has a customer.
async fn write(pool: &PgPool, first: u32, last: u32, finished: bool, state: &str) {
    run(
        pool,
        &format!(
            "INSERT INTO top_ups (id, client, currency, created_ms, finished, record)
             SELECT md5(n::text)::uuid, sha256(n::text::bytea), 'usd', 0, {finished},
                    jsonb_build_object('state', jsonb_build_object('state', '{state}'))
               FROM generate_series({first}, {last}) n;
             INSERT INTO customers SELECT sha256(n::text::bytea), 'cus_' || n
               FROM generate_series({first}, {last}) n"
        ),
    )
    .await;
}

async fn left(pool: &PgPool) -> (i64, i64) {
    let top_ups = number(pool, "SELECT count(*) FROM top_ups").await;
    (top_ups, number(pool, "SELECT count(*) FROM customers").await)
}

/// Whoever writes them, and by whichever way they end.
#[tokio::test]
async fn the_tables_list_them() {
    let server = Server::start().await.unwrap();
    let (month, pool) = (open(&server.url(), WEEK), tables(&server).await);
    month.ping().await.unwrap();
    write(&pool, 1, 3, true, "refused").await;
    write(&pool, 4, 4, true, "lapsed").await;
    write(&pool, 5, 6, true, "credited").await;
    write(&pool, 7, 8, false, "charging").await;
    month.upkeep(SystemClock.now_ms()).await.unwrap();
    assert_eq!(left(&pool).await, (8, 8));
    assert_eq!(number(&pool, "SELECT count(*) FROM uncharged_top_ups").await, 4);
    let since = "SELECT min(now_ms() - ended_ms) FROM uncharged_top_ups";
    assert!(number(&pool, since).await < 60_000);

    run(
        &pool,
        "UPDATE top_ups SET finished = true,
                record = jsonb_set(record, '{state,state}', '\"refused\"')
          WHERE id = md5('7')::uuid;
         UPDATE top_ups SET record = jsonb_set(record, '{state,state}', '\"credited\"')
          WHERE id = md5('1')::uuid;
         INSERT INTO accounts (client, currency) SELECT client, currency FROM top_ups
          WHERE record #>> '{state,state}' = 'credited'",
    )
    .await;
    forgetful(&server).upkeep(SystemClock.now_ms()).await.unwrap();
    // One was charged after all, two were before, one is open.
    assert_eq!(left(&pool).await, (4, 4));
    assert_eq!(number(&pool, "SELECT count(*) FROM uncharged_top_ups").await, 0);
    let kept = "SELECT count(*) FROM top_ups WHERE id IN
        (md5('1')::uuid, md5('5')::uuid, md5('6')::uuid, md5('8')::uuid)";
    assert_eq!(number(&pool, kept).await, 4);
}

#[tokio::test]
async fn an_upkeep_forgets_so_many_and_waits_for_nobody() {
    let server = Server::start().await.unwrap();
    let (store, pool) = (forgetful(&server), tables(&server).await);
    store.ping().await.unwrap();
    write(&pool, 1, 16 * 256 + 100, true, "refused").await;

    // While a top-up is being written none is forgotten, and others wait for a moment at most.
    let mut writes = pool.begin().await.unwrap();
    sqlx::query("UPDATE top_ups SET created_ms = 1 WHERE id = md5('1')::uuid")
        .execute(&mut *writes)
        .await
        .unwrap();
    let begun = Instant::now();
    store.upkeep(SystemClock.now_ms()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(left(&pool).await, (4196, 4196));
    writes.rollback().await.unwrap();

    // A backup reads, and holds nobody up.
    let mut backup = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE top_ups, customers, uncharged_top_ups IN ACCESS SHARE MODE")
        .execute(&mut *backup)
        .await
        .unwrap();
    store.upkeep(SystemClock.now_ms()).await.unwrap();
    assert_eq!(left(&pool).await, (100, 100));
    store.upkeep(SystemClock.now_ms()).await.unwrap();
    assert_eq!(left(&pool).await, (0, 0));
    backup.rollback().await.unwrap();
}

/// The wish to open a top-up waits while a customer is forgotten: it must not be charged by the name of a
/// customer that is gone a moment later, as nobody would find that charge.
#[tokio::test]
async fn none_is_opened_while_a_customer_is_forgotten() {
    let server = Server::start().await.unwrap();
    let (store, pool) = (forgetful(&server), tables(&server).await);
    store.ping().await.unwrap();
    write(&pool, 1, 1, true, "refused").await;
    // The upkeep comes as far as the customer, and stays there for a while.
    run(
        &pool,
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM pg_sleep(3); RETURN OLD; END $$;
         CREATE TRIGGER lingers BEFORE DELETE ON customers FOR EACH ROW EXECUTE FUNCTION linger()",
    )
    .await;
    let upkeep = tokio::spawn(async move { store.upkeep(SystemClock.now_ms()).await });
    let waits = "SELECT count(*) FROM pg_locks WHERE relation = 'top_ups'::regclass
        AND mode = 'ShareRowExclusiveLock' AND granted";
    while number(&pool, waits).await == 0 {
        assert!(!upkeep.is_finished(), "it took no lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let opening = sqlx::raw_sql(
        "SET lock_timeout = '50ms';
         INSERT INTO top_ups (id, client, currency, created_ms, finished, record)
         VALUES (gen_random_uuid(), sha256('1'), 'usd', 0, false, '{}')",
    );
    let refused = opening.execute(&pool).await.unwrap_err();
    let code = refused.as_database_error().and_then(|error| error.code()).unwrap();
    assert_eq!(code, "55P03");
    upkeep.await.unwrap().unwrap();
    assert_eq!(left(&pool).await, (0, 0));
}
