//! Commands for operators, as an operator runs them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this file is tests, their helpers too"
)]

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use serde_json::Value;
use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posting},
    clock::{Clock as _, SystemClock},
    store::{Accounts as _, Embedded, EmbeddedOptions},
};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, Deduction},
};

fn key(name: &str) -> AccountKey {
    AccountKey { client: ClientId::derive(b"secret", name), currency: Currency::USD }
}

fn open(path: &Path) -> Embedded {
    let options = EmbeddedOptions {
        path: path.to_owned(),
        charge_memory: Duration::from_secs(7 * 24 * 3600),
        clock_skew: Duration::from_secs(60),
        queue: 64,
    };
    for _ in 0..100 {
        if let Ok(store) = Embedded::open(options.clone(), Arc::new(SystemClock)) {
            return store;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Embedded::open(options, Arc::new(SystemClock)).unwrap()
}

/// Books of two clients: one has 49,400 left of 50,000, the other owes 100.
async fn books(path: &Path) {
    let store = open(path);
    let post = |kind, reference: &str, amount| Posting {
        kind,
        reference: reference.to_owned(),
        amount: Units::from_u32(amount),
        note: None,
    };
    store.post(key("a"), post(Kind::TopUp, "pi_a", 50_000)).await.unwrap();
    store.post(key("b"), post(Kind::TopUp, "pi_b", 900)).await.unwrap();
    store.post(key("b"), post(Kind::DisputeOpened, "dp_b", 1_000)).await.unwrap();
    let deduction = |number: u8, route: &str, amount| Deduction {
        id: DeductionId::mint(SystemClock.now_ms(), [number; 10]),
        client_id: key("a").client,
        currency: Currency::USD,
        amount: Units::from_u32(amount),
        route: route.to_owned(),
        hold: None,
    };
    let deductions = vec![deduction(1, "joke", 100), deduction(2, "weather", 500)];
    store.batch(Batch { version: 1, deductions, voids: vec![], captures: vec![] }).await.unwrap();
}

fn run(path: &Path, arguments: &[&str]) -> (i32, String, String) {
    // The file's lock is let go of a moment after its store.
    for _ in 0..100 {
        let output = Command::new(env!("CARGO_BIN_EXE_stripe402-ledger"))
            .args(arguments)
            .env("LEDGER_STORE", format!("file:{}", path.display()))
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        if !error.contains("in use by another process") {
            let said = String::from_utf8(output.stdout).unwrap();
            return (output.status.code().unwrap(), said, error);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the file stays locked");
}

#[tokio::test]
async fn an_operator_looks_corrects_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    books(&path).await;
    let (id, subject) = (key("a").client.to_hex(), key("a").client.subject());

    for name in [&id, &subject] {
        let (code, said, _) = run(&path, &["client", "show", name]);
        assert_eq!(code, 0);
        for expected in ["4.94 usd available", "2 requests for 0.06 usd", "pi_a", "weather"] {
            assert!(said.contains(expected), "{expected} in\n{said}");
        }
        assert!(!said.contains(&id), "the whole id is a credential");
    }
    let (_, said, _) = run(&path, &["client", "show", &key("b").client.subject()]);
    assert!(said.contains("0.00 usd available, 0.01 usd owed"), "{said}");

    let freeze = ["client", "freeze", &subject, "--reason", "chargebacks"];
    assert!(run(&path, &freeze).1.contains("FROZEN"));
    assert!(run(&path, &["client", "show", &subject]).1.contains("chargebacks"));
    let unfreeze = ["client", "unfreeze", &subject, "--reason", "cleared"];
    assert!(!run(&path, &unfreeze).1.contains("FROZEN"));
    assert!(run(&path, &freeze).1.contains("FROZEN"), "a second time");
    run(&path, &unfreeze);

    let adjust = |units: &str, reference: &str| {
        let arguments = ["client", "adjust", &subject, "--reason", "goodwill"];
        run(&path, &[&arguments[..], &["--units", units, "--reference", reference]].concat())
    };
    for _ in 0..2 {
        assert!(adjust("600", "case-1").1.contains("5.00 usd available"), "once");
    }
    assert!(adjust("-100", "case-2").1.contains("4.99 usd available"));
    let (code, _, error) = adjust("-50000", "case-3");
    assert!(code == 4 && error.contains("the balance is below this amount"), "{code} {error}");

    let (_, said, _) = run(&path, &["transfers"]);
    for expected in ["top_up", "dispute_opened", "adjustment_down", "goodwill", "freeze"] {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
    let (_, said, _) = run(&path, &["revenue", "--json"]);
    let revenue: Value = serde_json::from_str(&said).unwrap();
    let line = &revenue["lines"][1];
    assert_eq!(line["route"], "weather");
    assert_eq!((&line["requests"], &line["units"]), (&1.into(), &500.into()));
    let (_, said, _) = run(&path, &["revenue", "--by", "day"]);
    assert!(said.contains("0.06 usd"), "{said}");

    let (code, said, _) = run(&path, &["verify"]);
    assert_eq!((code, said.trim()), (0, "2 accounts, 0 differ"));
}

#[tokio::test]
async fn books_that_do_not_add_up_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    books(&path).await;
    // Somebody with an editor for redb gives himself a dollar.
    for _ in 0..100 {
        if let Ok(database) = redb::Database::open(&path) {
            let accounts = redb::TableDefinition::<&[u8], &[u8]>::new("accounts");
            let transaction = database.begin_write().unwrap();
            {
                let mut table = transaction.open_table(accounts).unwrap();
                let bytes = [key("a").client.as_bytes().as_slice(), b"usd"].concat();
                let account = stripe402_ledger::accounting::Account {
                    available: Units::from_u32(59_400),
                    ..Default::default()
                };
                let account = postcard::to_allocvec(&account).unwrap();
                table.insert(bytes.as_slice(), account.as_slice()).unwrap();
            }
            transaction.commit().unwrap();
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let (code, said, _) = run(&path, &["verify"]);
    assert_eq!(code, 1);
    assert!(said.contains("2 accounts, 1 differ") && said.contains("5.94 usd"), "{said}");
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    drop(open(&path));
    let (code, _, error) = run(&path, &["client", "show", "0123456789abcdef"]);
    assert_eq!(code, 3);
    assert!(error.contains("there is no such client in these books"), "{error}");
    let (code, _, error) = run(&path, &["client", "show", "me"]);
    assert!(code == 2 && error.contains("64 hex digits"), "{error}");
}
