//! Batches while a snapshot is open and backups are made: no slower for it.

use std::{
    io::Read as _,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::PgPool;
use stripe402_ledger::{
    accounting::AccountKey,
    clock::{Clock as _, SystemClock},
    store::{Accounts as _, Postgres, Store as _},
};
use stripe402_protocol::{
    ClientId, Currency,
    message::{Batch, Deduction, DeductionOutcome},
};
use stripe402_tests::postgres::Postgres as Server;
use tokio::time::MissedTickBehavior;

use super::{
    deduction, open,
    tables::{number, tables},
};

/// Charges in a batch, as a busy gateway sends them.
const BATCH: u64 = 128;
/// Batches under way at once.
const AT_ONCE: u64 = 2;
/// Each begins so long after the one before it, if that has ended: 12,800 deductions a second, which leaves
/// room for other work, as a server has that is not overloaded.
const EVERY: Duration = Duration::from_millis(20);
/// How often each client pays. Every update of a row that a snapshot may still see leaves a version
/// behind until the snapshot ends, so an account that is deducted often gets slower for as long; here
/// it is batches as such that are measured.
const EACH: u64 = 10;
/// Accounts that one statement makes.
const ACCOUNTS_AT_ONCE: u64 = 1_000;
/// What takes a backup reads so much of it, compressed as it is, in one go.
const PIECE_OF_BACKUP: usize = 64 * 1024;
/// And waits so long in between: 1 MB/s. A backup that goes as fast as it can takes a core from whoever shares
/// the machine, which is not what is measured.
const PAUSE: Duration = Duration::from_millis(64);
/// From so many deductions on the times mean something.
const MEANS_SOMETHING: u64 = 1_000_000;

fn client(number: u64) -> AccountKey {
    let mut id = [0; 32];
    id[24..].copy_from_slice(&number.to_be_bytes());
    AccountKey { client: ClientId::from_bytes(id), currency: Currency::USD }
}

/// Makes so many deductions, in batches; answers how long each batch took, sorted.
async fn make(
    store: &Arc<Postgres>,
    deductions: u64,
    clients: u64,
    numbers: &Arc<AtomicU64>,
) -> Vec<Duration> {
    let left = Arc::new(AtomicU64::new(deductions / BATCH));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (store, left) = (Arc::clone(store), Arc::clone(&left));
            let numbers = Arc::clone(numbers);
            tokio::spawn(async move {
                let mut times = Vec::new();
                let mut pace = tokio::time::interval(EVERY);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                    .is_ok()
                {
                    pace.tick().await;
                    let first = numbers.fetch_add(BATCH, Ordering::SeqCst);
                    // Neighbours in a batch are no neighbours among clients.
                    let one =
                        |at: u64| -> Deduction { deduction(client(at * 7_919 % clients), at) };
                    let deductions = (first..first + BATCH).map(one).collect();
                    let batch = Batch { version: 1, deductions, voids: vec![], captures: vec![] };
                    let start = Instant::now();
                    let answer = store.batch(batch).await.unwrap();
                    times.push(start.elapsed());
                    let deducted = |(_, of): &(_, DeductionOutcome)| {
                        matches!(of, DeductionOutcome::Deducted(_))
                    };
                    assert!(answer.deductions.iter().all(deducted));
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort();
    times
}

/// An account for each client, in pieces: each one that is made takes a lock until its transaction ends.
async fn give_credit_to(clients: u64, pool: &PgPool) {
    let accounts = "INSERT INTO accounts
        SELECT decode(repeat('00', 24), 'hex') || int8send(n), 'usd', 1000000 FROM generate_series($1, $2) n";
    let number = |of: u64| i64::try_from(of).unwrap();
    let mut first = 0;
    while first < clients {
        let last = (first + ACCOUNTS_AT_ONCE).min(clients) - 1;
        sqlx::query(accounts).bind(number(first)).bind(number(last)).execute(pool).await.unwrap();
        first = last + 1;
    }
    sqlx::query("VACUUM ANALYZE accounts").execute(pool).await.unwrap();
}

fn at(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// In which pieces of a run backups are made: as many without, and neither always first. Checkpoints and
/// vacuums come and go over minutes, and fall on both.
const BACKUPS: [bool; 8] = [false, true, true, false, false, true, true, false];
/// As many pieces again while one snapshot is open; those that count are the last ones.
const BESIDE_SNAPSHOT: usize = 8;
const LAST: usize = 4;

/// `make soak` makes 20 million deductions; `STRIPE402_BACKUP_CHARGES` says how many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_snapshot_and_a_backup_slow_no_batch() {
    let wanted = std::env::var("STRIPE402_BACKUP_CHARGES").ok();
    let deductions: u64 = wanted.and_then(|wanted| wanted.parse().ok()).unwrap_or(40_960);
    let server = Server::start().await.unwrap();
    // Much is forgotten while it runs.
    let store = Arc::new(open(&server.url(), Duration::from_secs(20)));
    let pool = tables(&server).await;
    store.ping().await.unwrap();
    let clients = deductions / EACH;
    give_credit_to(clients, &pool).await;
    let numbers = Arc::new(AtomicU64::new(0));
    let piece = (deductions / 16).max(BATCH * 20);
    make(&store, piece / 4, clients, &numbers).await;

    let (mut alone, mut beside_backup) = (Vec::new(), Vec::new());
    for is_beside in BACKUPS {
        let stop = Arc::new(AtomicBool::new(false));
        let dumps = is_beside.then(|| {
            let (stop, url) = (Arc::clone(&stop), server.url());
            tokio::task::spawn_blocking(move || dump_until(&stop, &url))
        });
        let times = make(&store, piece, clients, &numbers).await;
        store.upkeep(SystemClock.now_ms()).await.unwrap();
        stop.store(true, Ordering::SeqCst);
        let made = if let Some(dumps) = dumps { dumps.await.unwrap() } else { 0 };
        println!("{}", told(&format!("beside {made} backups"), &times));
        if is_beside { beside_backup.extend(times) } else { alone.extend(times) }
    }
    let mut snapshot = pool.begin().await.unwrap();
    for statement in [
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "LOCK TABLE charge_records, accounts, tallies IN ACCESS SHARE MODE",
        "SELECT count(*) FROM accounts",
    ] {
        sqlx::query(statement).execute(&mut *snapshot).await.unwrap();
    }
    let mut beside_snapshot = Vec::new();
    for number in 1..=BESIDE_SNAPSHOT {
        let times = make(&store, piece, clients, &numbers).await;
        store.upkeep(SystemClock.now_ms()).await.unwrap();
        println!("{}", told("beside an open snapshot", &times));
        if number > BESIDE_SNAPSHOT - LAST {
            beside_snapshot.extend(times);
        }
    }
    snapshot.rollback().await.unwrap();

    for times in [&mut alone, &mut beside_backup, &mut beside_snapshot] {
        times.sort();
    }
    println!("{}", told("in all: alone", &alone));
    println!("{}", told("in all: beside backups", &beside_backup));
    println!("{}", told("in all: late beside a snapshot", &beside_snapshot));
    println!("{} charges, {clients} clients", numbers.load(Ordering::SeqCst));
    let taken = number(&pool, "SELECT sum(count)::bigint FROM tallies").await;
    assert_eq!(taken, i64::try_from(numbers.load(Ordering::SeqCst)).unwrap());
    if deductions >= MEANS_SOMETHING {
        let most = at(&alone, 99).mul_f64(1.5);
        assert!(at(&beside_snapshot, 99) <= most, "slower beside a snapshot");
        assert!(at(&beside_backup, 99) <= most, "slower beside a backup");
    }
}

fn told(what: &str, times: &[Duration]) -> String {
    format!("{what}: p50 {:?}, p99 {:?}", at(times, 50), at(times, 99))
}

/// Backups, as the documents say to make them, one after the other; answers how many.
fn dump_until(stop: &AtomicBool, url: &str) -> u32 {
    let mut made = 0;
    while made == 0 || !stop.load(Ordering::SeqCst) {
        let mut dump = Command::new("pg_dump")
            .args(["--schema=stripe402", "--format=custom", url])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut piece = vec![0; PIECE_OF_BACKUP];
        let mut out = dump.stdout.take().unwrap();
        while out.read(&mut piece).unwrap() > 0 {
            std::thread::sleep(PAUSE);
        }
        assert!(dump.wait().unwrap().success());
        made += 1;
    }
    made
}
