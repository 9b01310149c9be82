use std::{sync::Arc, time::Duration};

use redb::Database;

use stripe402_protocol::{
    ChargeId, ClientId, Currency, Units,
    message::{Batch, Charge, ChargeOutcome, Void, VoidOutcome},
};
use uuid::Uuid;

use super::{open::Occasion, *};
use crate::clock::Clock;

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
        idempotency_key: None,
        now_ms: NOW,
    };
    assert!(matches!(store.open_top_up(wanted).await.unwrap(), Opened::New(_)));
    let credited =
        State::Credited { payment_intent: "pi_1".into(), amount: Units::from_u32(units) };
    assert!(matches!(store.advance_top_up(id, None, credited).await.unwrap(), Advance::Done(_)));
}

fn charge(number: u8, minted: u64) -> Batch {
    let charge = Charge {
        id: ChargeId::mint(minted, [number; 10]),
        client_id: account().client,
        currency: Currency::USD,
        amount: Units::from_u32(10),
        route: "joke".into(),
    };
    Batch { version: 1, charges: vec![charge], voids: Vec::new() }
}

async fn outcome(store: &Embedded, batch: Batch) -> ChargeOutcome {
    store.batch(batch).await.unwrap().charges[0].1
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_at(&folder, NOW).unwrap();
    top_up(&store, 100).await;
    store.remember_customer(account().client, "cus_1".into()).await.unwrap();
    let left = Units::from_u32(90);
    assert_eq!(outcome(&store, charge(1, NOW)).await, ChargeOutcome::Charged(left));
    drop(store);
    let store = reopen(&folder, NOW).await;
    assert_eq!(store.account(account()).await.unwrap().available, left);
    assert_eq!(outcome(&store, charge(1, NOW)).await, ChargeOutcome::Charged(left));
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
            tokio::spawn(async move { outcome(&store, charge(number, NOW)).await })
        })
        .collect();
    let mut paid = 0;
    for task in tasks {
        paid += usize::from(matches!(task.await.unwrap(), ChargeOutcome::Charged(_)));
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
    outcome(&store, charge(1, NOW)).await;
    drop(store);
    let later = NOW + 5 * 3_600_000;
    let store = reopen(&folder, later).await;
    outcome(&store, charge(2, later)).await;
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
    store.batch(charge(1, NOW)).await.unwrap();
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

/// Overwrites a record with bytes that mean nothing.
fn damage_account(store: &Embedded, key: &AccountKey) {
    let damage = |database: &Database| {
        let transaction = database.begin_write().unwrap();
        let mut accounts = transaction.open_table(schema::ACCOUNTS).unwrap();
        accounts.insert(schema::account_bytes(key).as_slice(), &[0xff; 3][..]).unwrap();
        drop(accounts);
        transaction.commit().unwrap();
        Ok(())
    };
    store.file.write(damage).unwrap();
}

fn damage_charge(store: &Embedded, id: &ChargeId) {
    let damage = |database: &Database| {
        let transaction = database.begin_write().unwrap();
        let mut charges = transaction.open_table(schema::CHARGES).unwrap();
        charges.insert(id.as_bytes(), &[0xff; 3][..]).unwrap();
        drop(charges);
        transaction.commit().unwrap();
        Ok(())
    };
    store.file.write(damage).unwrap();
}

#[tokio::test]
async fn a_damaged_record_fails_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open_at(&folder, NOW).unwrap());
    top_up(&store, 100).await;
    let other = AccountKey { client: ClientId::derive(b"secret", "b"), ..account() };
    damage_account(&store, &other);
    let [good] = &charge(1, NOW).charges[..] else { panic!() };
    let [mut bad] = charge(2, NOW).charges.try_into().unwrap();
    bad.client_id = other.client;
    let [unreadable] = &charge(3, NOW).charges[..] else { panic!() };
    damage_charge(&store, &unreadable.id);
    let void = |charge: &Charge| Void { id: charge.id, client_id: Some(charge.client_id) };
    let batch = Batch {
        version: 1,
        charges: vec![bad.clone(), good.clone(), unreadable.clone()],
        voids: vec![void(unreadable)],
    };
    let answer = store.batch(batch).await.unwrap();
    let outcomes: Vec<_> = answer.charges.iter().map(|(_, outcome)| *outcome).collect();
    let left = ChargeOutcome::Charged(Units::from_u32(90));
    assert_eq!(outcomes, [ChargeOutcome::Frozen, left, ChargeOutcome::Frozen]);
    assert_eq!(answer.voids[0].1, VoidOutcome::Conflict);

    // Nor what shares a commit with it.
    let posting = |reference: &str| Posting {
        kind: Kind::AdjustmentUp,
        reference: reference.to_owned(),
        amount: Units::from_u32(1),
        note: None,
    };
    let both = (0..50).map(|number| {
        let (store, reference) = (Arc::clone(&store), format!("r-{number}"));
        async move {
            let key = if number % 2 == 0 { other } else { account() };
            store.post(key, posting(&reference)).await.map(drop)
        }
    });
    let said = futures_util::future::join_all(both).await;
    for (number, said) in said.into_iter().enumerate() {
        match said {
            Err(StoreError::Damaged(_)) if number % 2 == 0 => {}
            Ok(()) if number % 2 == 1 => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    assert_eq!(store.account(account()).await.unwrap().available.get(), 115);
}
