//! The PostgreSQL store on a real server.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this file is tests, their helpers too"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posted, Posting},
    clock::{Clock as _, SystemClock},
    store::{
        Accounts as _, Customers as _, Postgres, PostgresOptions, Store,
        conformance::{Options, StoreUnderTest},
    },
};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, Deduction, DeductionOutcome},
};
use stripe402_tests::postgres::Postgres as Server;
use tokio::sync::OnceCell;

/// One server for the suite: its cases use clients of their own.
static SERVER: OnceCell<Server> = OnceCell::const_new();

/// Another for cases with a short memory: a store forgets everybody's deductions, whoever asks.
static FORGETFUL: OnceCell<Server> = OnceCell::const_new();

async fn started(server: &'static OnceCell<Server>) -> &'static Server {
    server.get_or_init(|| async { Server::start().await.unwrap() }).await
}

async fn server() -> &'static Server {
    started(&SERVER).await
}

fn open(url: &str, charge_memory: Duration) -> Postgres {
    let options = PostgresOptions {
        charge_memory,
        clock_skew: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        connections: 8,
    };
    Postgres::new(url, options).unwrap()
}

struct Shared;

#[async_trait]
impl StoreUnderTest for Shared {
    async fn open(&self, options: Options) -> Arc<dyn Store> {
        let usual = Options::default();
        let short = options.charge_memory < usual.charge_memory
            || options.uncharged_kept < usual.uncharged_kept;
        let server = started(if short { &FORGETFUL } else { &SERVER }).await;
        let store = open(&server.url(), options.charge_memory);
        Arc::new(store.keep_uncharged(options.uncharged_kept))
    }
}

mod migrating;
mod pieces;
mod soak;
mod tables;
mod uncharged;

mod suite {
    stripe402_ledger::conformance_tests!(super::Shared);
}

fn key() -> AccountKey {
    let name = uuid::Uuid::new_v4().to_string();
    AccountKey { client: ClientId::derive(b"postgres", &name), currency: Currency::USD }
}

async fn credit(store: &dyn Store, key: AccountKey, amount: u32) {
    let amount = Units::from_u32(amount);
    let posting = Posting { kind: Kind::TopUp, reference: "pi_1".into(), amount, note: None };
    assert!(matches!(store.post(key, posting).await.unwrap(), Posted::Done(_)));
}

fn deduction(key: AccountKey, number: u64) -> Deduction {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    Deduction {
        id: DeductionId::mint(SystemClock.now_ms(), random),
        client_id: key.client,
        currency: key.currency,
        amount: Units::from_u32(1),
        route: "joke".into(),
        hold: None,
    }
}

/// Whoever gets at the tables with SQL cannot rewrite the past or overdraw an account.
#[tokio::test]
async fn the_tables_defend_themselves() {
    let server = server().await;
    let store = open(&server.url(), Duration::from_secs(3600));
    let key = key();
    credit(&store, key, 100).await;
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    for (statement, refusal) in [
        ("UPDATE stripe402.movements SET amount = 1", "movements are immutable"),
        ("DELETE FROM stripe402.movements", "movements are immutable"),
        ("TRUNCATE stripe402.movements", "movements are immutable"),
        ("UPDATE stripe402.accounts SET available = -1", "units_check"),
        ("UPDATE stripe402.accounts SET debt = 9007199254740992", "units_check"),
        ("INSERT INTO stripe402.accounts VALUES ('x', 'usd')", "client_id_check"),
    ] {
        let error = sqlx::query(statement).execute(&pool).await.unwrap_err().to_string();
        assert!(error.contains(refusal), "{statement}: {error}");
    }
}

/// kill -9 of the server under load: every deduction that was acknowledged is there once, and none
/// that was not is there twice.
#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_of_the_server() {
    let mut server = Server::start().await.unwrap();
    let store = Arc::new(open(&server.url(), Duration::from_secs(3600)));
    let key = key();
    credit(store.as_ref(), key, 1_000_000_000).await;
    let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
    // `make soak` runs many.
    let crashes = std::env::var("STRIPE402_CRASHES").ok();
    let crashes = crashes.and_then(|crashes| crashes.parse().ok()).unwrap_or(3_u64);
    for round in 0..crashes {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..8_u64)
            .map(|task| {
                let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
                tokio::spawn(async move { hammer(&store, key, round * 8 + task, &stop).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.process().kill9();
        stop.store(true, Ordering::SeqCst);
        for task in tasks {
            let (known, lost) = task.await.unwrap();
            acknowledged.extend(known);
            unknown.extend(lost);
        }
        server.restart().await.unwrap();
        ready(store.as_ref()).await;
    }
    assert!(acknowledged.len() > 100, "only {} charges", acknowledged.len());
    let left = store.account(key).await.unwrap().available.get();
    let known = i64::try_from(acknowledged.len()).unwrap();
    let lost = i64::try_from(unknown.len()).unwrap();
    let taken = 1_000_000_000 - left;
    assert!((known..=known + lost).contains(&taken), "{known}, {lost} unknown, {taken} taken");
    // Sent again, each has the one effect it has had, or has it now.
    for deduction in acknowledged.into_iter().chain(unknown) {
        let batch =
            Batch { version: 1, deductions: vec![deduction], voids: vec![], captures: vec![] };
        let answer = store.batch(batch).await.unwrap();
        assert!(matches!(answer.deductions[0].1, DeductionOutcome::Deducted(_)));
    }
    let left = store.account(key).await.unwrap().available.get();
    assert_eq!(1_000_000_000 - left, known + lost);
}

async fn hammer(
    store: &Postgres,
    key: AccountKey,
    task: u64,
    stop: &AtomicBool,
) -> (Vec<Deduction>, Vec<Deduction>) {
    let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let deduction = deduction(key, task << 32 | number);
        let batch = Batch {
            version: 1,
            deductions: vec![deduction.clone()],
            voids: vec![],
            captures: vec![],
        };
        match store.batch(batch).await {
            Ok(_) => acknowledged.push(deduction),
            Err(_) => unknown.push(deduction),
        }
    }
    (acknowledged, unknown)
}

async fn ready(store: &dyn Store) {
    for _ in 0..200 {
        if store.ping().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    store.ping().await.unwrap();
}

/// No server: not ready within the configured time, and by itself when there is one.
#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let mut server = Server::start().await.unwrap();
    server.process().kill9();
    let options = PostgresOptions {
        charge_memory: Duration::from_secs(3600),
        clock_skew: Duration::from_secs(60),
        timeout: Duration::from_secs(1),
        connections: 4,
    };
    let store = Postgres::new(&server.url(), options).unwrap();
    let start = std::time::Instant::now();
    assert!(store.ping().await.is_err());
    assert!(start.elapsed() < Duration::from_secs(3), "longer than the time-out");
    server.restart().await.unwrap();
    ready(&store).await;
    credit(&store, key(), 1).await;
}

fn ledger(arguments: &[&str], store: &str) -> (i32, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stripe402-ledger"))
        .args(arguments)
        .env("LEDGER_STORE", store)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// An operator moves from the Express middleware, twice by mistake, and loses nothing.
#[tokio::test]
async fn clients_of_the_express_middleware_are_brought_over_once() {
    let server = Server::start().await.unwrap();
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let (rich, poor) = (key().client.to_hex(), key().client.to_hex());
    sqlx::query(
        "CREATE TABLE stripe402_clients (client_id text PRIMARY KEY,
            stripe_customer_id text NOT NULL, balance integer NOT NULL, currency text NOT NULL,
            created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now())",
    )
    .execute(&pool)
    .await
    .unwrap();
    for (id, balance) in [(rich.as_str(), 49_500), (&poor, 0), ("c8a2e", 7)] {
        sqlx::query("INSERT INTO stripe402_clients VALUES ($1, 'cus_' || $1, $2, 'usd')")
            .bind(id)
            .bind(balance)
            .execute(&pool)
            .await
            .unwrap();
    }
    let import = ["import", "express", "--from", &server.url()];
    let (code, said) = ledger(&import, &server.url());
    assert_eq!(code, 1, "a row was refused");
    assert!(
        said.contains("2 clients imported with 49500 units, 0 imported before, 1 refused"),
        "{said}"
    );
    assert!(said.contains("not a client id"), "{said}");
    let (_, said) = ledger(&import, &server.url());
    assert!(said.contains("0 clients imported with 0 units, 2 imported before"), "{said}");

    let store = open(&server.url(), Duration::from_secs(3600));
    let key = AccountKey { client: rich.parse().unwrap(), currency: Currency::USD };
    assert_eq!(store.account(key).await.unwrap().available.get(), 49_500);
    let customer = store.customer(key.client).await.unwrap();
    assert_eq!(customer, Some(format!("cus_{rich}")));
    assert_eq!(ledger(&["verify"], &server.url()), (0, "2 accounts, 0 differ\n".to_owned()));
}

/// A server that can only be read (a standby, or one set so) is not ready, and says why.
#[tokio::test]
async fn a_read_only_server_refuses_and_loses_nothing() {
    let server = Server::start().await.unwrap();
    let key = key();
    let before = open(&server.url(), Duration::from_secs(3600));
    credit(&before, key, 100).await;
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let set =
        |to: &str| format!("ALTER DATABASE postgres SET default_transaction_read_only = {to}");
    sqlx::query(sqlx::AssertSqlSafe(set("on"))).execute(&pool).await.unwrap();
    let store = open(&server.url(), Duration::from_secs(3600));
    let why = store.ping().await.unwrap_err().to_string();
    assert!(why.contains("read-only"), "{why}");
    let posting = Posting {
        kind: Kind::TopUp,
        reference: "pi_2".into(),
        amount: Units::from_u32(1),
        note: None,
    };
    let why = store.post(key, posting).await.unwrap_err().to_string();
    assert!(why.contains("read-only"), "{why}");
    sqlx::query(sqlx::AssertSqlSafe(set("off"))).execute(&pool).await.unwrap();
    assert_eq!(before.account(key).await.unwrap().available, Units::from_u32(100));
}

/// A sum that can take no more refuses its own deduction, and nobody else's.
#[tokio::test]
async fn a_record_that_cannot_be_written_fails_alone() {
    // Of its own: no sum of all clients can be read any more.
    let server = Server::start().await.unwrap();
    let store = open(&server.url(), Duration::from_secs(24 * 3600));
    let keys = ["full", "free"].map(|name| AccountKey {
        client: ClientId::derive(b"postgres", name),
        currency: Currency::USD,
    });
    for key in keys {
        let amount = Units::from_u32(100);
        let posting = Posting { kind: Kind::TopUp, reference: "pi".into(), amount, note: None };
        store.post(key, posting).await.unwrap();
    }
    let now = SystemClock.now_ms();
    let deduction = |key: AccountKey, random| Deduction {
        id: DeductionId::mint(now, [random; 10]),
        client_id: key.client,
        currency: key.currency,
        amount: Units::from_u32(10),
        route: "full".to_owned(),
        hold: None,
    };
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    sqlx::query("INSERT INTO stripe402.tallies VALUES ($1, 'usd', $2, 'full', 1, $3)")
        .bind(keys[0].client.as_bytes().as_slice())
        .bind(i64::try_from(now / 3_600_000).unwrap())
        .bind(i64::MAX)
        .execute(&pool)
        .await
        .unwrap();
    let deductions = vec![deduction(keys[1], 1), deduction(keys[0], 2), deduction(keys[1], 3)];
    let batch = Batch { version: 1, deductions, voids: vec![], captures: vec![] };
    let answer = store.batch(batch).await.unwrap();
    let outcomes: Vec<_> = answer.deductions.iter().map(|(_, outcome)| *outcome).collect();
    let left = |units| DeductionOutcome::Deducted(Units::from_u32(units));
    assert_eq!(outcomes, [left(90), DeductionOutcome::Conflict, left(80)]);
}
