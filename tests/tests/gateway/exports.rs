//! Whole tables as files, which add up to the statement.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{paid_client, pay},
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
    let found = export(stack, &format!("{table}?format=jsonl")).await;
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

/// Card charges, presents, corrections with a formula in them, a refund, a dispute: what the files have is what
/// the statement of the month says, and what clients have.
async fn exports_add_up(store: Option<&str>, corrections: usize) {
    let options = StackOptions::new();
    let options = store.map_or_else(StackOptions::new, |store| options.store(store));
    let stack = Stack::start(options).await.unwrap();
    let began_ms = now_ms();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(paid_client(&stack).await);
    }
    let declined = stack.sim.payment_method("4000000000000002", "123").await.unwrap();
    pay(&stack, "/api/weather", json!({"paymentMethodId": declined})).await.refused();
    for number in 0..corrections {
        let path = format!("/clients/{}/adjustments", subject(&clients[number % 3]));
        let units = if number % 3 == 0 { -7 } else { 11 };
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
    assert_eq!(found["top_up"].0, 3, "{found:?}");
    assert_eq!(found["capture"], (1, 10_000));
    let corrected = i64::try_from(corrections).unwrap();
    assert_eq!(found["adjustment_up"].0 + found["adjustment_down"].0, corrected);
    // Each row once, newest first, nobody's id.
    let names: std::collections::BTreeSet<_> =
        movements.iter().map(|row| format!("{} {}", row["kind"], row["reference"])).collect();
    assert_eq!(names.len(), movements.len());
    assert!(movements.windows(2).all(|two| two[0]["at_ms"].as_u64() >= two[1]["at_ms"].as_u64()));
    let all = serde_json::to_string(&movements).unwrap();
    assert!(clients.iter().all(|client| !all.contains(client.as_str())), "an id spends");

    // The statement of this month has the same sums; holds and freezes move nothing.
    let newest = export(&stack, "movements").await.text;
    let month = &newest.lines().nth(1).unwrap()[..7];
    let statement =
        get(&stack, &format!("/statement?month={month}")).await["currencies"][0].clone();
    for line in statement["lines"].as_array().unwrap() {
        let (count, units) = found[line["kind"].as_str().unwrap()];
        let said = (line["count"].as_i64().unwrap(), line["units"].as_i64().unwrap().abs());
        assert_eq!(said, (count, units), "{line}");
    }
    let accounts = rows(&stack, "clients").await;
    let has = |field: &str| accounts.iter().map(|row| row[field].as_i64().unwrap()).sum::<i64>();
    assert_eq!(accounts.len(), 3);
    assert_eq!(
        has("available") + has("pending") - has("debt"),
        statement["closing"].as_i64().unwrap()
    );

    // As a spreadsheet reads it.
    let csv = export(&stack, "movements").await;
    assert_eq!(csv.kind, "text/csv; charset=utf-8");
    assert!(csv.text.starts_with("time,at_ms,subject,currency,kind,amount,reference,note\r\n"));
    assert_eq!(csv.text.matches("\r\n").count(), movements.len() + 1);
    assert!(csv.text.contains(",'=r0,\"'=1+1, \"\"x\"\"\"\r\n"), "{}", csv.text);
    let charges = rows(&stack, "card-charges").await;
    let states: Vec<_> = charges.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|of| **of == "credited").count(), 3, "{states:?}");
    let refused = states.iter().filter(|of| **of == "refused").count();
    assert_eq!(
        refused,
        usize::from(!store.is_some_and(|store| store.starts_with("redis"))),
        "{states:?}"
    );
    assert_eq!(sums(&rows(&stack, "refunds").await)["capture"], (1, 10_000));
    assert!(rows(&stack, "disputes").await.is_empty());
    let audit = rows(&stack, "audit").await;
    assert_eq!(audit.len(), 2 * (corrections + 2), "two entries for each action");
    // A period ends before its end.
    let period = async |bound: &str| {
        let found = export(&stack, &format!("movements?format=jsonl&{bound}_ms={began_ms}")).await;
        found.text.lines().count()
    };
    assert_eq!((period("until").await, period("from").await), (0, movements.len()));
}

#[tokio::test]
async fn exports_add_up_in_a_file() {
    exports_add_up(None, MANY).await;
}

#[tokio::test]
async fn exports_add_up_on_redis() {
    let redis = Redis::start().await.unwrap();
    exports_add_up(Some(&redis.url()), 30).await;
}

#[tokio::test]
async fn exports_add_up_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    exports_add_up(Some(&postgres.url()), MANY).await;
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
