#![allow(clippy::arithmetic_side_effects, reason = "all of this is tests")]

use std::{sync::Arc, time::Duration};

use redb::Database;

use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, Deduction, DeductionOutcome},
};
use uuid::Uuid;

use super::{open::Occasion, *};

use crate::clock::Clock;

mod damage;
mod disk;
mod sweep;
mod uncharged;

const NOW: u64 = 1_795_000_000_000;

struct Stopped(u64);

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        self.0
    }
}

fn open_at(folder: &tempfile::TempDir, now_ms: u64) -> Result<Embedded, StoreError> {
    let options = EmbeddedOptions {
        path: folder.path().join("ledger.redb"),
        charge_memory: Duration::from_secs(4 * 3600),
        clock_skew: Duration::from_secs(60),
        queue: 1024,
    };
    Embedded::open(options, Arc::new(Stopped(now_ms)))
}

fn account() -> AccountKey {
    AccountKey { client: ClientId::derive(b"secret", "a"), currency: Currency::USD }
}

async fn top_up(store: &Embedded, units: u32) {
    let id = TopUpId(Uuid::new_v4());
    let wanted = NewTopUp {
        id,
        account: account(),
        amount: Units::from_u32(units),
        needed: Units::MAX,
        payment_method: "pm_1".parse().unwrap(),
        card: None,
        idempotency_key: None,
        now_ms: NOW,
    };
    assert!(matches!(store.open_top_up(wanted).await.unwrap(), Opened::New(_)));
    let credited =
        State::Credited { payment_intent: "pi_1".into(), amount: Units::from_u32(units) };
    assert!(matches!(store.advance_top_up(id, None, credited).await.unwrap(), Advance::Done(_)));
}

fn deduction(number: u8, minted: u64) -> Batch {
    let deduction = Deduction {
        id: DeductionId::mint(minted, [number; 10]),
        client_id: account().client,
        currency: Currency::USD,
        amount: Units::from_u32(10),
        route: "joke".into(),
        hold: None,
    };
    Batch { version: 1, deductions: vec![deduction], voids: Vec::new(), captures: vec![] }
}

async fn outcome(store: &Embedded, batch: Batch) -> DeductionOutcome {
    store.batch(batch).await.unwrap().deductions[0].1
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_at(&folder, NOW).unwrap();
    top_up(&store, 100).await;
    store.remember_customer(account().client, "cus_1".into()).await.unwrap();
    let left = Units::from_u32(90);
    assert_eq!(outcome(&store, deduction(1, NOW)).await, DeductionOutcome::Deducted(left));
    drop(store);
    let store = reopen(&folder, NOW).await;
    assert_eq!(store.account(account()).await.unwrap().available, left);
    assert_eq!(outcome(&store, deduction(1, NOW)).await, DeductionOutcome::Deducted(left));
    assert_eq!(store.customer(account().client).await.unwrap().as_deref(), Some("cus_1"));
    let other = store.remember_customer(account().client, "cus_2".into()).await.unwrap();
    assert_eq!(other, "cus_1", "the first customer stays");
}

#[tokio::test]
async fn charges_that_arrive_together_are_each_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open_at(&folder, NOW).unwrap());
    top_up(&store, 600).await;
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { outcome(&store, deduction(number, NOW)).await })
        })
        .collect();
    let mut paid = 0;
    for task in tasks {
        paid += usize::from(matches!(task.await.unwrap(), DeductionOutcome::Deducted(_)));
    }
    assert_eq!(paid, 60);
    assert_eq!(store.account(account()).await.unwrap().available, Units::ZERO);
}

#[tokio::test]
async fn a_second_process_is_refused_by_name_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open_at(&folder, NOW).unwrap();
    let error = open_at(&folder, NOW).unwrap_err().to_string();
    assert!(error.contains("ledger.redb is in use by another process"), "{error}");
}

#[tokio::test]
async fn charges_are_forgotten_and_their_sums_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_at(&folder, NOW).unwrap();
    top_up(&store, 100).await;
    outcome(&store, deduction(1, NOW)).await;
    drop(store);
    let later = NOW + 5 * 3_600_000;
    let store = reopen(&folder, later).await;
    outcome(&store, deduction(2, later)).await;
    let count = |table: &str| {
        let transaction = store.file.begin_read().unwrap();
        let name = redb::TableDefinition::<&[u8; 16], &[u8]>::new("charges");
        match table {
            "charges" => redb::ReadableTableMetadata::len(&transaction.open_table(name).unwrap()),
            _ => {
                redb::ReadableTableMetadata::len(&transaction.open_table(schema::TALLIES).unwrap())
            }
        }
        .unwrap()
    };
    assert_eq!(count("charges"), 1);
    assert_eq!(count("tallies"), 2);
}

/// The writing thread lets go of the file a moment after its store is dropped.
async fn reopen(folder: &tempfile::TempDir, now_ms: u64) -> Embedded {
    for _ in 0..100 {
        if let Ok(store) = open_at(folder, now_ms) {
            return store;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    open_at(folder, now_ms).unwrap()
}

/// A file that is gone when it is to be opened again is on another disk, or unmounted: an empty one
/// in its place would be a ledger in which nobody has credits.
#[test]
fn a_file_that_is_gone_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books").join("ledger.redb");
    let opener = Opener::of(path.clone());
    drop(opener.open(Occasion::Start).unwrap());
    drop(opener.open(Occasion::Again).unwrap());
    std::fs::write(&path, b"").unwrap();
    for occasion in [Occasion::Start, Occasion::Again] {
        let error = opener.open(occasion).unwrap_err().to_string();
        assert!(error.contains("it is empty. Keep a copy of it. Then restore"), "{error}");
    }
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    assert!(opener.open(Occasion::Again).is_err(), "none");
    assert!(!path.exists());
}

/// Every table, row by row; a table that is added to the file and not to the copy fails here.
#[tokio::test]
async fn a_backup_has_all_that_the_books_have() {
    use redb::{ReadableDatabase as _, ReadableTableMetadata as _, TableHandle as _};
    fn rows(path: &Path) -> Vec<(String, u64)> {
        let database = Database::open(path).unwrap();
        let books = database.begin_read().unwrap();
        let count = |table: redb::UntypedTableHandle| {
            let rows = books.open_untyped_table(table.clone()).unwrap().len().unwrap();
            (table.name().to_owned(), rows)
        };
        let mut found: Vec<_> = books.list_tables().unwrap().map(count).collect();
        found.sort();
        found
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open_at(&folder, NOW).unwrap();
    top_up(&store, 10_000).await;
    store.batch(deduction(1, NOW)).await.unwrap();
    store.remember_customer(account().client, "cus_1".to_owned()).await.unwrap();
    let copy = folder.path().join("copy.redb");
    for _ in 0..2 {
        store.back_up(&copy).await.unwrap();
    }
    drop(store);
    // The writing thread lets go of the file when it notices.
    let original = folder.path().join("ledger.redb");
    while matches!(Database::open(&original), Err(redb::DatabaseError::DatabaseAlreadyOpen)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let found = rows(&copy);
    assert_eq!(found, rows(&original));
    assert!(found.iter().filter(|(_, rows)| *rows > 0).count() > 5, "{found:?}");
}
