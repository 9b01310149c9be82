//! The schema, made by whoever comes first, while others wait or come later.

use std::time::{Duration, Instant};

use stripe402_ledger::{
    accounting::Account,
    store::{Accounts as _, Postgres, PostgresOptions, Store as _},
};
use stripe402_protocol::Units;
use stripe402_tests::postgres::Postgres as Server;

use super::{
    credit, deduction, key, open,
    tables::{WEEK, left, number, run, tables, take},
};

/// Replicas that start together find one schema, made once.
#[tokio::test]
async fn replicas_migrate_one_after_the_other() {
    let server = Server::start().await.unwrap();
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let store = open(&server.url(), WEEK);
            tokio::spawn(async move { store.ping().await })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    credit(&open(&server.url(), WEEK), key(), 1).await;
}

/// A replica that gives a request half a second.
fn hasty(server: &Server) -> Postgres {
    let options = PostgresOptions {
        charge_memory: WEEK,
        clock_skew: Duration::from_secs(60),
        timeout: Duration::from_millis(500),
        connections: 4,
    };
    Postgres::new(&server.url(), options).unwrap()
}

/// A migration has a time-out of its own: requests give up meanwhile, it goes on.
#[tokio::test]
async fn a_migration_may_take_longer_than_a_request() {
    let server = Server::start().await.unwrap();
    let pool = tables(&server).await;
    run(
        &pool,
        "CREATE FUNCTION public.linger() RETURNS event_trigger LANGUAGE plpgsql AS
           $$ BEGIN PERFORM pg_sleep(1); END $$;
         CREATE EVENT TRIGGER lingers ON ddl_command_start WHEN TAG IN ('CREATE DOMAIN')
           EXECUTE FUNCTION public.linger()",
    )
    .await;
    let replicas = [hasty(&server), hasty(&server)];
    let begun = Instant::now();
    let pings = futures_util::future::join_all(replicas.iter().map(|replica| replica.ping()));
    for answer in pings.await {
        // Whoever migrates answers when it has; the other may give up before, and asks again.
        if answer.is_err() {
            while begun.elapsed() < Duration::from_secs(20) && replicas[1].ping().await.is_err() {}
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(2), "nothing was slow: {:?}", begun.elapsed());
    let key = key();
    credit(&replicas[0], key, 2).await;
    for (number, replica) in (1..=2).zip(&replicas) {
        assert_eq!(take(replica, &deduction(key, u64::from(number))).await, left(2 - number));
    }
    let account = replicas[0].account(key).await.unwrap();
    assert_eq!(account, Account { available: Units::ZERO, ..Account::default() });
    assert_eq!(number_of_migrations(&pool).await, (8, 8));
}

/// How many were recorded, and how many were carried out to their end.
async fn number_of_migrations(pool: &sqlx::PgPool) -> (i64, i64) {
    let all = number(pool, "SELECT count(*) FROM _sqlx_migrations").await;
    (all, number(pool, "SELECT count(*) FROM _sqlx_migrations WHERE success").await)
}

/// A ledger that starts beside a later version serves: it may have been restarted in an upgrade.
#[tokio::test]
async fn a_ledger_starts_beside_a_later_version() {
    let server = Server::start().await.unwrap();
    let pool = tables(&server).await;
    open(&server.url(), WEEK).ping().await.unwrap();
    run(
        &pool,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    )
    .await;
    open(&server.url(), WEEK).ping().await.unwrap();
}
