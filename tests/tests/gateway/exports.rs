//! Whole tables as files, which add up to the statement.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::{Value, json};
use stripe402_protocol::ClientId;
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{paid_client, pay, send},
    command::{on_ledger, on_store},
    operator::{get, now_ms, post, request, subject},
};

/// More than a piece of what is read at once.
const MANY: usize = 520;

struct Export {
    kind: String,
    text: String,
}

async fn export(stack: &Stack, table: &str) -> Export {
    let path = format!("/exports/{table}");
    let answer = request(stack, reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{table}");
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    Export { kind, text: answer.text().await.unwrap() }
}

async fn rows(stack: &Stack, table: &str) -> Vec<Value> {
    let separator = if table.contains('?') { '&' } else { '?' };
    let found = export(stack, &format!("{table}{separator}format=jsonl")).await;
    assert_eq!(found.kind, "application/jsonl");
    found.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Movements of each kind: how many, and how much.
fn sums(rows: &[Value]) -> BTreeMap<String, (i64, i64)> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in rows {
        let (count, units) = sums.entry(row["kind"].as_str().unwrap().to_owned()).or_default();
        *count += 1;
        *units += row["amount"].as_i64().unwrap();
    }
    sums
}

/// The movements of each month are its statement, kind by kind; what accounts hold is its end; and the records
/// explain it.
async fn agrees_with_the_books(stack: &Stack, clients: &[String]) {
    let accounts = rows(stack, "clients").await;
    let has = |field: &str| accounts.iter().map(|row| row[field].as_i64().unwrap()).sum::<i64>();
    assert_eq!(accounts.len(), clients.len());
    let held = has("available") + has("pending") - has("debt");
    let (text, movements) = (export(stack, "movements").await.text, rows(stack, "movements").await);
    // The test may run over the end of one.
    let months: BTreeSet<&str> = text.lines().skip(1).map(|line| &line[..7]).collect();
    let mut credit = 0;
    for month in &months {
        let of = get(stack, &format!("/statement?month={month}")).await["currencies"][0].clone();
        assert_eq!(of["opening"], credit, "{month}");
        let lines = text.lines().skip(1).zip(&movements);
        let own: Vec<Value> =
            lines.filter(|(line, _)| line.starts_with(month)).map(|(_, row)| row.clone()).collect();
        let mut found = sums(&own);
        found.retain(|kind, _| !["hold", "release", "freeze", "unfreeze"].contains(&kind.as_str()));
        let mut said = BTreeMap::new();
        for line in of["lines"].as_array().unwrap() {
            let (count, units) = (line["count"].as_i64().unwrap(), line["units"].as_i64().unwrap());
            said.insert(line["kind"].as_str().unwrap().to_owned(), (count, units.abs()));
        }
        assert_eq!(said, found, "{month}");
        credit = of["closing"].as_i64().unwrap();
    }
    assert_eq!(held, credit);
    let verified = post(stack, "/verify", json!({})).await;
    assert_eq!(verified.body["differ"], json!([]), "{verified:?}");
    assert_eq!(verified.body["accounts"], clients.len());
}

/// Card charges, presents, corrections with a formula in them, a refund, a dispute: what the files have is what
/// the statement of the month says, and what clients have.
async fn exports_add_up(store: Option<&str>) {
    let options = StackOptions::new();
    let options = store.map_or_else(StackOptions::new, |store| options.store(store));
    let stack = Stack::start(options).await.unwrap();
    let began_ms = now_ms();
    let seed = began_ms.to_string();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(paid_client(&stack).await);
    }
    let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    pay(&stack, "/api/weather", json!({"paymentMethodId": declined})).await.refused();
    for number in 0..MANY {
        let dice = ClientId::derive(seed.as_bytes(), &number.to_string());
        let dice = dice.as_bytes();
        let path = format!("/clients/{}/adjustments", subject(&clients[usize::from(dice[0]) % 3]));
        let units = i64::from(dice[1]) - 100;
        let units = if units == 0 { 1 } else { units };
        let order = json!({
            "units": units, "currency": "usd", "reference": format!("=r{number}"), "reason": "=1+1, \"x\"",
        });
        assert_eq!(post(&stack, &path, order).await.status, 200);
    }
    let path = format!("/clients/{}", subject(&clients[0]));
    let gift = json!({"units": 900, "currency": "usd", "reference": "g", "reason": "sorry"});
    assert_eq!(post(&stack, &format!("{path}/grants"), gift).await.status, 200);
    let back = json!({"units": 10_000, "currency": "usd", "reference": "b"});
    assert_eq!(post(&stack, &format!("{path}/refunds"), back).await.status, 200);

    let movements = rows(&stack, "movements").await;
    let found = sums(&movements);
    assert_eq!(found["top_up"].0, 3, "seed {seed}: {found:?}");
    assert_eq!(found["capture"], (1, 10_000));
    let corrected = i64::try_from(MANY).unwrap();
    assert_eq!(found["adjustment_up"].0 + found["adjustment_down"].0, corrected);
    // Each row once, newest first, nobody's id.
    let names: BTreeSet<_> =
        movements.iter().map(|row| format!("{} {}", row["kind"], row["reference"])).collect();
    assert_eq!(names.len(), movements.len());
    assert!(movements.windows(2).all(|two| two[0]["at_ms"].as_u64() >= two[1]["at_ms"].as_u64()));
    let all = serde_json::to_string(&movements).unwrap();
    assert!(clients.iter().all(|client| !all.contains(client.as_str())), "an id spends");

    agrees_with_the_books(&stack, &clients).await;

    // As a spreadsheet reads it.
    let csv = export(&stack, "movements").await;
    assert_eq!(csv.kind, "text/csv; charset=utf-8");
    assert!(csv.text.starts_with("time,at_ms,subject,currency,kind,amount,reference,note\r\n"));
    assert_eq!(csv.text.matches("\r\n").count(), movements.len() + 1);
    assert!(csv.text.contains(",'=r0,\"'=1+1, \"\"x\"\"\"\r\n"), "{}", csv.text);
    let charges = rows(&stack, "card-charges").await;
    let states: Vec<_> = charges.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|of| **of == "credited").count(), 3, "{states:?}");
    assert_eq!(states.iter().filter(|of| **of == "refused").count(), 1, "{states:?}");
    assert_eq!(sums(&rows(&stack, "refunds").await)["capture"], (1, 10_000));
    assert!(rows(&stack, "disputes").await.is_empty());
    let audit = rows(&stack, "audit").await;
    assert_eq!(audit.len(), 2 * (MANY + 2), "two entries for each action");
    // A period ends before its end.
    let period = async |bound: &str| {
        let found = export(&stack, &format!("movements?format=jsonl&{bound}_ms={began_ms}")).await;
        found.text.lines().count()
    };
    assert_eq!((period("until").await, period("from").await), (0, movements.len()));
}

#[tokio::test]
async fn exports_add_up_in_a_file() {
    exports_add_up(None).await;
}

#[tokio::test]
async fn exports_add_up_on_redis() {
    let redis = Redis::start().await.unwrap();
    exports_add_up(Some(&redis.url())).await;
}

#[tokio::test]
async fn exports_add_up_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    exports_add_up(Some(&postgres.url())).await;
}

/// What the command writes, on the store and through the ledger, is what the API sends.
#[tokio::test]
async fn the_command_writes_the_same() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = paid_client(&stack).await;
    paid_client(&stack).await;
    let all = export(&stack, "movements").await.text;
    let one = export(&stack, &format!("movements?client={}", subject(&client))).await.text;
    assert!(all.lines().count() == 3 && one.lines().count() == 2, "{all}{one}");
    let month = &all.lines().nth(1).unwrap()[..10];
    let lines = export(&stack, "card-charges?format=jsonl").await.text;
    let clients = export(&stack, "clients?currency=usd").await.text;
    for (arguments, expected) in [
        (vec!["movements"], &all),
        (vec!["movements", "--client", client.as_str()], &one),
        (vec!["movements", "--until", month], &all),
        (vec!["card-charges", "--json"], &lines),
        (vec!["clients", "--currency", "usd"], &clients),
    ] {
        let arguments = [vec!["export"], arguments].concat();
        let here = on_store(&stack, &redis.url(), &arguments);
        let there = on_ledger(&stack, &arguments);
        assert_eq!((here.code, &here.text), (0, expected), "{arguments:?}: {}", here.error);
        assert_eq!((there.code, &there.text), (0, expected), "{arguments:?}: {}", there.error);
    }
    let nothing = on_ledger(&stack, &["export", "movements", "--from", "2100-01-01"]);
    assert_eq!((nothing.code, nothing.text.lines().count()), (0, 1));
    for (arguments, said) in [
        (vec!["movements", "--from", "May"], "--from: must be a day (UTC) such as"),
        (vec!["clients", "--from", "2026-11-01"], "--from, --until: clients are exported as"),
        (vec!["movements", "--client", "x"], "name a client by its id"),
    ] {
        let arguments = [vec!["export"], arguments].concat();
        for wrong in [on_store(&stack, &redis.url(), &arguments), on_ledger(&stack, &arguments)] {
            assert_eq!(wrong.code, 2, "{arguments:?}: {}", wrong.error);
            assert!(wrong.error.contains(said), "{arguments:?}: {}", wrong.error);
            assert_eq!(wrong.text, "");
        }
    }
}

/// A record that cannot be read lies behind the first rows: what was sent by then must not look whole.
#[tokio::test]
async fn an_export_that_breaks_off_has_no_end() {
    let postgres = Postgres::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&postgres.url())).await.unwrap();
    let path = format!("/clients/{}/adjustments", subject(&paid_client(&stack).await));
    for number in 0..MANY / 2 {
        let order = json!({
            "units": 1, "currency": "usd", "reference": format!("r{number}"), "reason": "x",
        });
        assert_eq!(post(&stack, &path, order).await.status, 200);
    }
    assert_eq!(rows(&stack, "audit").await.len(), MANY, "more than a piece");
    let sql = |statement: &str| {
        let url = postgres.url();
        let output = Command::new("psql").args([&url, "-Atc", statement]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    sql("ALTER TABLE stripe402.audit DISABLE TRIGGER ALL;
         UPDATE stripe402.audit SET record = '{}'
         WHERE at_ms = (SELECT min(at_ms) FROM stripe402.audit)");
    for table in ["audit", "audit?format=jsonl"] {
        let path = format!("/exports/{table}");
        let answer = request(&stack, reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "the first rows can be read");
        let broken = answer.text().await;
        assert!(broken.is_err(), "it looks whole");
    }
    let said = on_ledger(&stack, &["export", "audit"]);
    assert_ne!(said.code, 0);
    assert!(said.text.lines().count() > 100, "what came by then is there: {}", said.text);
    assert!(said.error.contains("no answer of the ledger"), "{}", said.error);
    let said = on_store(&stack, &postgres.url(), &["export", "audit"]);
    assert_ne!(said.code, 0, "{}", said.error);
    // What cannot be read at all is an answer.
    sql("UPDATE stripe402.audit SET record = '{}'");
    let answer = send(request(&stack, reqwest::Method::GET, "/exports/audit")).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (503, &json!("damaged")));
}

/// Four run at once; when they have ended, so do others.
#[tokio::test]
async fn so_many_exports_run_at_once() {
    let postgres = Postgres::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&postgres.url())).await.unwrap();
    paid_client(&stack).await;
    let lock = "BEGIN; LOCK TABLE stripe402.audit IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(10)";
    let mut locked = Command::new("psql").args([&postgres.url(), "-Atc", lock]).spawn().unwrap();
    let ask = || {
        let asked = request(&stack, reqwest::Method::GET, "/exports/audit");
        tokio::spawn(async move { send(asked).await })
    };
    // Once the lock is there, one waits for it.
    loop {
        let mut asked = ask();
        let soon = std::time::Duration::from_millis(300);
        if tokio::time::timeout(soon, &mut asked).await.is_err() {
            asked.await.unwrap();
            break;
        }
    }
    let asked: Vec<_> = (0..6).map(|_| ask()).collect();
    let mut busy = 0;
    for asked in asked {
        let answer = asked.await.unwrap();
        if answer.body["error"]["code"] == "busy" {
            assert_eq!(answer.status, 503);
            let said = answer.body["error"]["message"].as_str().unwrap();
            assert!(said.starts_with("the ledger writes 4 exports already"), "{said}");
            busy += 1;
        }
    }
    assert_eq!(busy, 2, "four of six wait");
    locked.kill().unwrap();
    locked.wait().unwrap();
    while ask().await.unwrap().status != 200 {}
}

#[tokio::test]
async fn a_wish_in_the_header_is_heard() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for (accept, kind) in [
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/jsonl", "application/jsonl"),
        ("application/x-ndjson, text/csv;q=0.5", "application/jsonl"),
        ("*/*", "text/csv; charset=utf-8"),
    ] {
        let asked = request(&stack, reqwest::Method::GET, "/exports/audit");
        let answer = asked.header("accept", accept).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], kind, "{accept}");
    }
}

#[tokio::test]
async fn what_is_no_table_is_not_found() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    for (path, status) in [
        ("/exports/deductions", 404),
        ("/exports/audit?format=xml", 400),
        ("/exports/audit?limit=1", 400),
    ] {
        let answer = request(&stack, reqwest::Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
}
