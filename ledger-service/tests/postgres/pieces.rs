//! What is remembered lies in pieces of time: made ahead, dropped whole, in nobody's way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::PgPool;
use stripe402_ledger::{
    accounting::{AccountKey, Limit},
    clock::{Clock as _, SystemClock},
    store::{Accounts as _, Counters as _, Postgres, Reports as _, Store as _},
};
use stripe402_protocol::{
    DeductionId, Units,
    message::{Batch, Deduction, DeductionOutcome, VoidOutcome},
};
use stripe402_tests::postgres::Postgres as Server;

use super::{
    credit, deduction, hammer, key, open,
    tables::{WEEK, left, minted_ago, number, run, tables, take, void},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Pieces as a ledger has them that has been serving for long: one ended five hours ago, one ends in
/// an hour.
async fn as_after_hours(pool: &PgPool) {
    run(
        pool,
        "DO $$ DECLARE piece text; BEGIN
            FOR piece IN DELETE FROM charge_pieces RETURNING name
            LOOP EXECUTE format('DROP TABLE %I', piece); END LOOP;
         END $$;
         CREATE TABLE charge_records_first (LIKE charge_records INCLUDING CONSTRAINTS INCLUDING INDEXES);
         CREATE TABLE charge_records_next (LIKE charge_records INCLUDING CONSTRAINTS INCLUDING INDEXES);
         DO $$
         DECLARE early bigint := now_ms() - 5 * 3600000; late bigint := now_ms() + 3600000;
         BEGIN
            EXECUTE format('ALTER TABLE charge_records ATTACH PARTITION charge_records_first
                            FOR VALUES FROM (MINVALUE) TO (%L)', first_id_at(early));
            EXECUTE format('ALTER TABLE charge_records ATTACH PARTITION charge_records_next
                            FOR VALUES FROM (%L) TO (%L)', first_id_at(early), first_id_at(late));
            INSERT INTO charge_pieces VALUES ('charge_records_first', early),
                                             ('charge_records_next', late);
            UPDATE charge_memory SET made_until = late;
         END $$",
    )
    .await;
}

async fn pieces(pool: &PgPool) -> Vec<String> {
    let named = "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE nspname = 'stripe402' AND relkind = 'r' AND relname LIKE 'charge_records_%'
                 ORDER BY 1";
    sqlx::query_scalar(named).fetch_all(pool).await.unwrap()
}

async fn is_there(pool: &PgPool, piece: &str) -> bool {
    pieces(pool).await.iter().any(|name| name == piece)
}

struct Old {
    server: Server,
    pool: PgPool,
    store: Postgres,
    key: AccountKey,
    /// Taken six hours ago; it is in the piece that ended five hours ago.
    taken: Deduction,
}

/// A ledger with a memory of a week whose account has 100 units, one of them taken.
async fn old() -> Old {
    let server = Server::start().await.unwrap();
    let (store, key) = (open(&server.url(), WEEK), key());
    credit(&store, key, 100).await;
    let pool = tables(&server).await;
    as_after_hours(&pool).await;
    let taken = minted_ago(deduction(key, 1), 6 * HOUR);
    assert_eq!(take(&store, &taken).await, left(99));
    Old { server, pool, store, key, taken }
}

async fn keep_up(store: &Postgres) {
    store.upkeep(SystemClock.now_ms()).await.unwrap();
}

/// However long it has been serving: what batches and limits do deletes no row of any table.
#[tokio::test]
async fn what_a_request_does_deletes_nothing() {
    let Old { pool, store, taken, key, server } = old().await;
    let short = open(&server.url(), 2 * HOUR);
    run(
        &pool,
        "CREATE FUNCTION refuse_deleting() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'deleted from %', TG_TABLE_NAME; END $$;
         DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                         WHERE nspname = 'stripe402' AND relkind IN ('r', 'p')
            LOOP EXECUTE format('CREATE TRIGGER nothing_is_deleted BEFORE DELETE ON %I
                                 FOR EACH STATEMENT EXECUTE FUNCTION refuse_deleting()', name);
            END LOOP;
         END $$",
    )
    .await;
    let fresh = deduction(key, 2);
    assert_eq!(take(&short, &fresh).await, left(98));
    assert_eq!(take(&short, &fresh).await, left(98));
    assert_eq!(void(&short, &fresh).await, VoidOutcome::Voided);
    assert_eq!(void(&short, &deduction(key, 3)).await, VoidOutcome::Marked);
    assert_eq!(void(&short, &taken).await, VoidOutcome::Stale);
    assert_eq!(void(&store, &taken).await, VoidOutcome::Voided);
    let limit = Limit { name: "cards".into(), most: 3, window: Duration::from_secs(600) };
    assert_eq!(store.check_and_count(&limit, true).await.unwrap(), None);
}

/// However many deductions of a client are in a batch: its account and its sum are written once, as each
/// time leaves a version behind that a snapshot keeps.
#[tokio::test]
async fn a_batch_writes_each_account_once() {
    let Old { pool, store, key, server: _server, .. } = old().await;
    run(
        &pool,
        "CREATE TABLE written (name text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO written VALUES (TG_TABLE_NAME); RETURN NULL; END $$;
         CREATE TRIGGER noted AFTER UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER noted AFTER INSERT OR UPDATE ON tallies FOR EACH ROW EXECUTE FUNCTION note()",
    )
    .await;
    let deductions = (0..50).map(|number| deduction(key, number)).collect();
    let batch = Batch { version: 1, deductions, voids: vec![], captures: vec![] };
    let answer = store.batch(batch).await.unwrap();
    let outcomes: Vec<_> = answer.deductions.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, (49..99).rev().map(left).collect::<Vec<_>>());
    for table in ["accounts", "tallies"] {
        let count = format!("SELECT count(*) FROM written WHERE name = '{table}'");
        assert_eq!(number(&pool, &count).await, 1, "{table}");
    }
}

/// A piece goes as soon as all of it is forgotten, and others stay. A ledger that remembers for
/// longer refuses its ids then: it cannot know whether they were taken.
#[tokio::test]
async fn a_longer_memory_takes_nothing_that_a_shorter_one_forgot() {
    let Old { pool, store, taken, key, server } = old().await;
    keep_up(&store).await;
    assert!(is_there(&pool, "charge_records_first").await, "a week is remembered");
    assert_eq!(take(&store, &taken).await, left(99), "the answer it got first");

    let short = open(&server.url(), 2 * HOUR);
    keep_up(&short).await;
    assert!(!is_there(&pool, "charge_records_first").await);
    assert!(is_there(&pool, "charge_records_next").await);
    for ledger in [&store, &short] {
        assert_eq!(take(ledger, &taken).await, DeductionOutcome::Stale, "never a second time");
        assert_eq!(void(ledger, &taken).await, VoidOutcome::Stale);
        let unseen = minted_ago(deduction(key, 5), 6 * HOUR);
        assert_eq!(take(ledger, &unseen).await, DeductionOutcome::Stale);
    }
    // What lies in the pieces that are left is as it was.
    let younger = minted_ago(deduction(key, 6), 4 * HOUR);
    assert_eq!(take(&store, &younger).await, left(98));
    assert_eq!(take(&short, &younger).await, DeductionOutcome::Stale);
    assert_eq!(void(&short, &younger).await, VoidOutcome::Stale);
    assert_eq!(void(&store, &younger).await, VoidOutcome::Voided);
    assert_eq!(store.account(key).await.unwrap().available, Units::from_u32(99));
}

/// A shorter memory does not show, take or void what is older, whether or not it is dropped yet.
#[tokio::test]
async fn a_shorter_memory_holds_at_once() {
    let Old { store, taken, key, server, .. } = old().await;
    let short = open(&server.url(), 2 * HOUR);
    assert_eq!(store.deductions(key, 10).await.unwrap().len(), 1);
    assert_eq!(short.deductions(key, 10).await.unwrap(), []);
    assert_eq!(take(&short, &taken).await, DeductionOutcome::Stale);
    assert_eq!(void(&short, &taken).await, VoidOutcome::Stale);
    assert_eq!(take(&store, &taken).await, left(99));
}

/// A session that reads everything for long: pieces are made ahead, none is dropped, no batch waits,
/// and nothing is forgotten either until it is done.
#[tokio::test]
async fn a_backup_is_let_finish() {
    let Old { pool, taken, store, server, .. } = old().await;
    let short = open(&server.url(), 2 * HOUR);
    let mut backup = pool.begin().await.unwrap();
    read_everything(&mut backup).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let before = pieces(&pool).await.len();
    keep_up(&short).await;
    assert!(is_there(&pool, "charge_records_first").await);
    assert!(pieces(&pool).await.len() > before, "none was made");
    assert_eq!(number(&pool, PENDING).await, 0, "left as it was");
    assert_eq!(take(&store, &taken).await, left(99), "not forgotten");
    backup.rollback().await.unwrap();
    keep_up(&short).await;
    assert!(!is_there(&pool, "charge_records_first").await);
}

const PENDING: &str = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";

async fn read_everything(backup: &mut sqlx::PgTransaction<'_>) {
    for statement in [
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "LOCK TABLE charge_records, accounts, tallies IN ACCESS SHARE MODE",
        "SELECT count(*) FROM charge_records",
    ] {
        sqlx::query(statement).execute(&mut **backup).await.unwrap();
    }
}

/// One that begins in the middle: the piece is given up on half-way, batches go on meanwhile, and
/// the next turn finishes it.
#[tokio::test]
async fn a_piece_that_is_half_gone_is_finished_later() {
    let Old { pool, taken, store, key, server } = old().await;
    let (short, store) = (open(&server.url(), 2 * HOUR), Arc::new(store));
    let mut backup = pool.begin().await.unwrap();
    read_everything(&mut backup).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (busy, done) = (Arc::clone(&store), Arc::clone(&stop));
    let batches = tokio::spawn(async move { hammer(&busy, key, 9, &done).await });
    // On a busy machine it counts as long before the upkeep comes to it: then another one begins.
    for _ in 0..20 {
        keep_up(&short).await;
        if number(&pool, PENDING).await == 1 {
            break;
        }
        backup.rollback().await.unwrap();
        backup = pool.begin().await.unwrap();
        read_everything(&mut backup).await;
    }
    assert_eq!(number(&pool, PENDING).await, 1, "not in the middle of it");
    assert_eq!(
        take(&store, &taken).await,
        DeductionOutcome::Stale,
        "what may be dropped is refused"
    );
    assert_eq!(void(&store, &taken).await, VoidOutcome::Stale);
    keep_up(&short).await;
    assert!(is_there(&pool, "charge_records_first").await);
    stop.store(true, Ordering::SeqCst);
    let (acknowledged, unknown) = batches.await.unwrap();
    assert_eq!(unknown, [], "a batch failed");
    assert!(!acknowledged.is_empty());
    backup.rollback().await.unwrap();
    keep_up(&short).await;
    assert!(!is_there(&pool, "charge_records_first").await);
    assert_eq!(
        number(&pool, "SELECT count(*) FROM charge_pieces WHERE name = 'charge_records_first'")
            .await,
        0
    );
}

/// Nobody has made pieces ahead, as no ledger was serving or all are of the version before: whoever
/// comes first makes one, and of many at once none fails.
#[tokio::test]
async fn a_batch_makes_the_piece_that_is_missing() {
    let server = Server::start().await.unwrap();
    let (store, key) = (Arc::new(open(&server.url(), WEEK)), key());
    credit(store.as_ref(), key, 100).await;
    let pool = tables(&server).await;
    as_after_hours(&pool).await;
    // The one piece that there is ended five hours ago.
    run(
        &pool,
        "DROP TABLE charge_records_next; DELETE FROM charge_pieces WHERE name = 'charge_records_next';
         UPDATE charge_memory SET made_until = (SELECT end_ms FROM charge_pieces)",
    )
    .await;
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let store = Arc::clone(&store);
            // Of now, and of the time that passed; a clock that is ahead, too.
            let ago = HOUR * u32::try_from(number % 4).unwrap();
            let deduction = minted_ago(deduction(key, number), ago);
            tokio::spawn(async move { take(&store, &deduction).await })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), DeductionOutcome::Deducted(_)));
    }
    let ahead = deduction(key, 9);
    let at = ahead.id.minted_ms() + 55_000;
    let ahead = Deduction { id: DeductionId::mint(at, [9; 10]), ..ahead };
    assert_eq!(take(&store, &ahead).await, left(91));
    let beyond = Deduction { id: DeductionId::mint(at + 30_000, [9; 10]), ..ahead };
    assert_eq!(take(&store, &beyond).await, DeductionOutcome::Stale);
    assert_eq!(void(&store, &beyond).await, VoidOutcome::Stale);
    assert_eq!(number(&pool, "SELECT count(*) FROM charge_records").await, 9);
}

/// Ids on both sides of where pieces meet, in one batch, repeated and voided: each has one effect.
#[tokio::test]
async fn where_pieces_meet_nothing_is_lost_or_taken_twice() {
    let Old { pool, store, key, server: _server, .. } = old().await;
    let end = number(&pool, "SELECT end_ms FROM charge_pieces WHERE name = 'charge_records_first'");
    let end = u64::try_from(end.await).unwrap();
    let at =
        |ms, random| Deduction { id: DeductionId::mint(ms, [random; 10]), ..deduction(key, 1) };
    let deductions =
        vec![at(end - 1, 0xff), at(end, 0), at(end - 1, 0xff), at(end, 0xff), at(end, 0)];
    let batch =
        Batch { version: 1, deductions: deductions.clone(), voids: vec![], captures: vec![] };
    for _ in 0..2 {
        let answer = store.batch(batch.clone()).await.unwrap();
        let outcomes: Vec<_> = answer.deductions.iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(outcomes, [left(98), left(97), left(98), left(96), left(97)]);
    }
    for deduction in &deductions[..2] {
        assert_eq!(void(&store, deduction).await, VoidOutcome::Voided);
        assert_eq!(void(&store, deduction).await, VoidOutcome::Repeated);
    }
    assert_eq!(store.account(key).await.unwrap().available, Units::from_u32(98));
}

/// One ledger at a time; and a clock that leaps, the server's or the ledger's, forgets nothing.
#[tokio::test]
async fn upkeep_is_one_ledgers_and_by_two_clocks() {
    let Old { pool, server, .. } = old().await;
    let short = Arc::new(open(&server.url(), 2 * HOUR));
    let mut other = pool.acquire().await.unwrap();
    let lock = "SELECT pg_advisory_lock(x'706965636573'::bigint)";
    sqlx::query(lock).execute(&mut *other).await.unwrap();
    keep_up(&short).await;
    assert!(is_there(&pool, "charge_records_first").await, "another ledger is at it");
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut *other).await.unwrap();
    other.close().await.unwrap();

    let hours_ago = SystemClock.now_ms() - 4 * 3_600_000;
    short.upkeep(hours_ago).await.unwrap();
    assert!(is_there(&pool, "charge_records_first").await, "by its own clock it is remembered");
    short.upkeep(u64::MAX).await.unwrap();
    assert!(!is_there(&pool, "charge_records_first").await);
    assert!(is_there(&pool, "charge_records_next").await, "by the server's it is remembered");
    let turns: Vec<_> = (0..4)
        .map(|_| {
            let short = Arc::clone(&short);
            tokio::spawn(async move { keep_up(&short).await })
        })
        .collect();
    for turn in turns {
        turn.await.unwrap();
    }
}

/// Counts of attempts are deleted when no limit looks at them any more, and not before.
#[tokio::test]
async fn old_counts_go_and_young_ones_stay() {
    let Old { pool, store, server: _server, .. } = old().await;
    run(&pool, "INSERT INTO counts VALUES (now_ms() - 3600000, 'cards', 3), (0, 'other', 1)").await;
    keep_up(&store).await;
    assert_eq!(number(&pool, "SELECT count(*) FROM counts").await, 2, "no limit is known yet");
    let limit = Limit { name: "cards".into(), most: 3, window: Duration::from_secs(600) };
    store.check_and_count(&limit, true).await.unwrap();
    keep_up(&store).await;
    assert_eq!(number(&pool, "SELECT count(*) FROM counts").await, 1);
}

/// An account that has no row when a price of nothing is taken, and has one a moment later.
#[tokio::test]
async fn a_price_of_nothing_is_paid_by_an_account_that_just_came() {
    let Old { pool, store, server: _server, .. } = old().await;
    run(
        &pool,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN NULL; END $$;
         CREATE TRIGGER waits BEFORE UPDATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION wait()",
    )
    .await;
    let mut other = pool.acquire().await.unwrap();
    sqlx::query("SELECT pg_advisory_lock(77)").execute(&mut *other).await.unwrap();
    let new = key();
    let free = Deduction { amount: Units::from_u32(0), ..deduction(new, 1) };
    let deducting = tokio::spawn(async move { take(&store, &free).await });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while number(&pool, waiting).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sqlx::query("INSERT INTO accounts (client, currency, available) VALUES ($1, 'usd', 5)")
        .bind(new.client.as_bytes().as_slice())
        .execute(&pool)
        .await
        .unwrap();
    other.close().await.unwrap();
    assert_eq!(deducting.await.unwrap(), left(5));
}
