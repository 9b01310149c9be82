//! Records that somebody has damaged, each on every store that keeps records: `verify` finds them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this file is tests, their helpers too"
)]

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use redb::ReadableTable as _;
use stripe402_ledger::{
    accounting::{Account, AccountKey, Key, KeyHash, Kind, Posting, Rotation},
    clock::{Clock as _, SystemClock},
    store::{
        Embedded, EmbeddedOptions, Postgres, PostgresOptions, Redis, RedisOptions, Store,
        WaitOptions,
    },
};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, Deduction},
};
use stripe402_tests::{postgres::Postgres as PostgresServer, redis::Redis as RedisServer};

const HOUR: Duration = Duration::from_secs(3_600);

fn key(name: &str, currency: &str) -> AccountKey {
    let client = ClientId::derive(b"secret", name);
    AccountKey { client, currency: currency.parse().unwrap() }
}

fn posting(kind: Kind, reference: &str, amount: u32) -> Posting {
    let (reference, amount) = (reference.to_owned(), Units::from_u32(amount));
    Posting { kind, reference, amount, note: None }
}

/// Three clients, each with credit that was paid for, and a grant of which a part is spent, and with an id that was
/// rotated.
async fn filled(store: &dyn Store) {
    for (number, name) in (0..).zip(["good", "granted", "rotated"]) {
        let (usd, eur) = (key(name, "usd"), key(name, "eur"));
        for of in [usd, eur] {
            let top_up = posting(Kind::TopUp, &format!("pi_{name}_{}", of.currency), 1_000);
            store.post(of, top_up).await.unwrap();
        }
        store.grant(usd, posting(Kind::Grant, "gift", 300), None).await.unwrap();
        let before = store.account(usd).await.unwrap().rotation;
        let after = before.next(0, SystemClock.now_ms(), 0).unwrap();
        let id = ClientId::key([number; 26]);
        let plain = Key::new(usd.client, "generation 1".to_owned(), Currency::USD, 1);
        let own = Key { generation: Some(1), ..plain };
        assert!(store.rotate(usd.client, before, after).await.unwrap());
        assert!(store.change_key(KeyHash::of(&id), own).await.unwrap());
        let deductions = vec![Deduction {
            id: DeductionId::mint(SystemClock.now_ms(), [number; 10]),
            client_id: usd.client,
            currency: Currency::USD,
            amount: Units::from_u32(100),
            route: "joke".to_owned(),
            hold: None,
        }];
        let batch = Batch { version: 1, deductions, ..Batch::default() };
        store.batch_by_key(KeyHash::of(&id), batch).await.unwrap();
        assert_eq!(store.balance(usd).await.unwrap().grants.total().get(), 200);
    }
}

/// What `verify` says of the books there.
fn verified(store: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stripe402-ledger"))
        .args(["verify", "--store", store])
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn is_good(store: &str) {
    assert_eq!(verified(store), (0, "6 accounts, 0 differ\n".to_owned()));
}

const LOST: (&str, &str) = ("granted", "of which more is missing than was spent");
const APART: (&str, &str) = ("rotated", "whose accounts and ids do not agree");

/// Whether it names these clients, with what is wrong, and nobody else.
fn finds(store: &str, damaged: &[(&str, &str)]) {
    let (code, said) = verified(store);
    let lines = || said.lines().filter(|line| line.starts_with("damaged: "));
    let names = |line: &str, (client, text): (&str, &str)| {
        line.contains(&key(client, "usd").client.subject()) && line.contains(text)
    };
    assert_eq!(code, 1, "{said}");
    assert!(damaged.iter().all(|of| lines().any(|line| names(line, *of))), "{damaged:?}: {said}");
    assert!(lines().all(|line| damaged.iter().any(|of| names(line, *of))), "{damaged:?}: {said}");
}

fn open_file(path: &Path) -> Embedded {
    let options = EmbeddedOptions {
        path: path.to_owned(),
        charge_memory: HOUR * 2,
        clock_skew: Duration::from_secs(60),
        queue: 64,
    };
    Embedded::open(options, Arc::new(SystemClock)).unwrap()
}

type Bytes = redb::TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Somebody with an editor for redb.
fn edit(path: &Path, table: &'static str, of: AccountKey, edit: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    // The file's lock is let go of a moment after its store.
    for _ in 0..200 {
        let Ok(database) = redb::Database::open(path) else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(Bytes::new(table)).unwrap();
            let name = [of.client.as_bytes().as_slice(), of.currency.as_str().as_bytes()].concat();
            let before = table.get(name.as_slice()).unwrap().unwrap().value().to_vec();
            match edit(&before) {
                Some(after) => drop(table.insert(name.as_slice(), after.as_slice()).unwrap()),
                None => drop(table.remove(name.as_slice()).unwrap()),
            }
        }
        return transaction.commit().unwrap();
    }
    panic!("the file stays locked");
}

#[tokio::test]
async fn damage_in_a_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let store = open_file(&path);
    filled(&store).await;
    drop(store);
    let url = format!("file:{}", path.display());
    edit(&path, "accounts", key("good", "usd"), |same| Some(same.to_vec()));
    is_good(&url);
    edit(&path, "grants", key("granted", "usd"), |_| None);
    finds(&url, &[LOST]);
    edit(&path, "accounts", key("rotated", "eur"), |bytes| {
        let account: Account = postcard::from_bytes(bytes).unwrap();
        let first = Account { rotation: Rotation::default(), ..account };
        Some(postcard::to_allocvec(&first).unwrap())
    });
    finds(&url, &[LOST, APART]);
}

#[tokio::test]
async fn damage_in_postgresql_is_found() {
    let server = PostgresServer::start().await.unwrap();
    let options = PostgresOptions {
        charge_memory: HOUR * 2,
        clock_skew: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        connections: 4,
    };
    filled(&Postgres::new(&server.url(), options).unwrap()).await;
    is_good(&server.url());
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let run = async |statement: &'static str, client: &str| {
        let statement =
            sqlx::query(statement).bind(key(client, "usd").client.as_bytes().as_slice());
        assert_eq!(statement.execute(&pool).await.unwrap().rows_affected(), 1);
    };
    run("DELETE FROM stripe402.grants WHERE client = $1", "granted").await;
    finds(&server.url(), &[LOST]);
    let first = "UPDATE stripe402.accounts SET generation = 0, oldest = 0 WHERE client = $1 AND currency = 'eur'";
    run(first, "rotated").await;
    finds(&server.url(), &[LOST, APART]);
}

#[tokio::test]
async fn damage_in_redis_is_found() {
    let server = RedisServer::start().await.unwrap();
    let options = RedisOptions {
        url: server.url().parse().unwrap(),
        charge_memory: HOUR * 2,
        clock_skew: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        wait: WaitOptions::within(None, Duration::from_secs(10)),
    };
    filled(&Redis::open(&options, Arc::new(SystemClock)).unwrap()).await;
    is_good(&server.url());
    let mut books = redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut change = async |command: &str, client: &str, rest: &[&str]| {
        let client = key(client, "usd").client.to_hex();
        let mut change = redis::cmd(command);
        change.arg(format!("{{stripe402:client:{client}}}:state")).arg(rest);
        change.query_async::<()>(&mut books).await.unwrap();
    };
    change("HDEL", "granted", &["grants:usd"]).await;
    finds(&server.url(), &[LOST]);
    // All accounts of a client have one record of it there: an id is left that is of a generation after that.
    change("HSET", "rotated", &["rotation", "0 0 0 0"]).await;
    finds(&server.url(), &[LOST, APART]);
}
