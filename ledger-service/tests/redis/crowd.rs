//! A batch of many clients on one server: one script for many of them, and each fails alone.

use std::time::Duration;

use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posting},
    store::{Accounts as _, Redis},
};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, Deduction, DeductionOutcome, HoldTerms},
};
use uuid::Uuid;

use super::{open, server::Server};

const CROWD: usize = 300;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn account(number: usize) -> AccountKey {
    let client = ClientId::derive(b"crowd", &number.to_string());
    AccountKey { client, currency: Currency::USD }
}

fn now_ms() -> u64 {
    u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn deduction(key: AccountKey, amount: u32) -> Deduction {
    let random = *Uuid::new_v4().as_bytes().first_chunk::<10>().unwrap();
    Deduction {
        id: DeductionId::mint(now_ms(), random),
        client_id: key.client,
        currency: key.currency,
        amount: Units::from_u32(amount),
        route: "joke".to_owned(),
        hold: None,
    }
}

fn hold(key: AccountKey, amount: u32) -> Deduction {
    let terms = HoldTerms { ends_ms: now_ms() + 3_600_000, at_end: Units::ZERO, lease: None };
    Deduction { hold: Some(terms), ..deduction(key, amount) }
}

fn left(units: u32) -> DeductionOutcome {
    DeductionOutcome::Deducted(Units::from_u32(units))
}

async fn credit(store: &Redis, key: AccountKey) {
    let amount = Units::from_u32(10);
    let posting = Posting { kind: Kind::TopUp, reference: "pi".into(), amount, note: None };
    store.post(key, posting).await.unwrap();
}

async fn answers(store: &Redis, deductions: Vec<Deduction>) -> Vec<DeductionOutcome> {
    let batch = Batch { version: 3, deductions, voids: vec![], captures: vec![] };
    let answer = store.batch(batch).await.unwrap();
    answer.deductions.into_iter().map(|(_, outcome)| outcome).collect()
}

/// All that the server has of a client, in an order.
fn everything_of(server: &Server, key: AccountKey) -> Vec<(String, String)> {
    let pattern = format!("*{}*", key.client.to_hex());
    let keys = server.cli(&["--raw", "keys", &pattern]);
    let mut keys: Vec<_> = keys.lines().map(str::to_owned).collect();
    keys.sort();
    keys.into_iter().map(|key| (key.clone(), server.cli(&["--no-raw", "dump", &key]))).collect()
}

fn scripts_run(server: &Server) -> usize {
    let calls = server.cli(&["info", "commandstats"]);
    let line = calls.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap();
    line.split("calls=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_script_serves_many_clients() {
    let server = Server::start(&[]);
    let store = open(&server.url(), DAY);
    for number in 0..CROWD {
        credit(&store, account(number)).await;
    }
    answers(&store, vec![deduction(account(0), 1)]).await;
    let before = scripts_run(&server);
    let asked = (1..CROWD).map(|number| deduction(account(number), 1)).collect();
    assert!(answers(&store, asked).await.iter().all(|outcome| *outcome == left(9)));
    let run = scripts_run(&server) - before;
    assert!(run * 32 < CROWD, "{run} scripts for {CROWD} clients");
    assert!(run > 2, "one script for all would keep other ledgers waiting");
}

/// In each way in which a client's keys can be damaged: its part changes nothing, the others' go on.
#[tokio::test]
async fn whose_keys_are_damaged_fails_alone_and_is_left_as_it_was() {
    let server = Server::start(&[]);
    let store = open(&server.url(), DAY);
    for number in 0..CROWD {
        credit(&store, account(number)).await;
        answers(&store, vec![deduction(account(number), 1)]).await;
    }
    let record = |number: usize| format!("stripe402:client:{}", account(number).client.to_hex());
    let of = |number: usize, name: &str| format!("{{{}}}:{name}", record(number));
    server.cli(&["hset", &of(5, "state"), "account:usd", "1 2"]);
    for (number, name) in [(70, "state"), (90, "sums"), (140, "movements"), (200, "holds")] {
        server.cli(&["set", &of(number, name), "text"]);
    }
    server.cli(&["set", &of(230, "holds:ends"), "text"]);
    // Its own movements are needed: the middleware has spent some.
    server.cli(&["hset", &record(140), "balance", "8"]);
    server.cli(&["hset", &record(250), "balance", "1.5"]);
    let damaged = [5, 70, 90, 140, 200, 230, 250];
    let before: Vec<_> = damaged.map(|number| everything_of(&server, account(number))).into();
    let mut asked: Vec<_> = (0..CROWD).map(|number| deduction(account(number), 1)).collect();
    // A part that has written its sums must not fail at its holds.
    asked.extend([hold(account(200), 1), hold(account(230), 1)]);
    let outcomes = answers(&store, asked.clone()).await;
    for (at, (deduction, outcome)) in asked.iter().zip(&outcomes).enumerate() {
        let is_damaged = damaged.iter().any(|of| account(*of).client == deduction.client_id);
        let expected = if is_damaged { DeductionOutcome::Frozen } else { left(8) };
        assert_eq!(*outcome, expected, "{at}");
    }
    let after: Vec<_> = damaged.map(|number| everything_of(&server, account(number))).into();
    assert_eq!(after, before);
}
