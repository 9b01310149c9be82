//! The operator API and `--json` of the commands show the same objects of the same books.

use serde_json::{Value, json};
use stripe402_tests::{
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{paid_client, pay},
    command::ledger,
    operator::{get, hold, post, subject},
};

#[tokio::test]
async fn the_commands_show_what_the_api_shows() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let client = paid_client(&stack).await;
    pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    paid_client(&stack).await;
    let subject = subject(&client);
    let command = |arguments: &[&str], code: i32| {
        let said = ledger(&stack, &redis.url(), arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.error);
        said.json
    };

    // What acts answers the same when it is asked for again, by the other way.
    let freeze = ["client", "freeze", &subject, "--reason", "a test"];
    let path = |what: &str| format!("/clients/{subject}/{what}");
    let frozen = post(&stack, &path("freeze"), json!({"reason": "a test"})).await.body;
    assert_eq!(frozen["accounts"][0]["frozen"], true);
    assert_eq!(command(&freeze, 0), frozen);
    command(&["client", "unfreeze", &subject, "--reason", "a test"], 0);
    let adjust = ["client", "adjust", &subject, "--units=600", "--reference=up", "--reason=a test"];
    let up = json!({"units": 600, "currency": "usd", "reference": "up", "reason": "a test"});
    command(&adjust, 0);
    let adjusted = post(&stack, &path("adjustments"), up).await.body;
    assert_eq!(adjusted["repeated"], true);
    assert_eq!(command(&adjust, 0), adjusted);
    // Half a cent is less than Stripe refunds.
    let refund = ["client", "refund", &subject, "--amount=10050", "--reference=back"];
    let back = json!({"units": 10_050, "currency": "usd", "reference": "back"});
    let refunded = post(&stack, &path("refunds"), back).await.body;
    assert_eq!((&refunded["short"], &refunded["refunded"]), (&json!(true), &json!(10_000)));
    assert_eq!(command(&refund, 1), refunded);

    // What looks shows the same. How old a hold is has gone on meanwhile.
    hold(&stack, &client, ("chat", 900), (5, 600)).await;
    let without_age = |mut shown: Value| {
        for hold in shown["holds"].as_array_mut().unwrap() {
            assert!(hold.as_object_mut().unwrap().remove("age_seconds").is_some(), "{hold}");
        }
        shown
    };
    let held = without_age(get(&stack, "/holds").await);
    assert_eq!(held["holds"].as_array().unwrap().len(), 1, "{held}");
    assert_eq!(without_age(command(&["holds"], 0)), held);
    assert_eq!(without_age(command(&["holds", "--client", &subject], 0)), held);
    let shown = get(&stack, &format!("/clients/{subject}")).await;
    assert_eq!(shown["accounts"][0]["requests"], 2);
    assert_eq!(shown["holds"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(without_age(command(&["client", "show", &subject], 0)), without_age(shown));
    let movements = get(&stack, "/transfers?limit=500").await;
    assert!(movements["movements"].as_array().unwrap().len() > 5, "{movements}");
    assert_eq!(command(&["transfers"], 0), movements);
    let own = get(&stack, &path("movements?limit=500")).await;
    assert_eq!(command(&["transfers", "--client", &subject], 0), own);
    for by in ["route", "day"] {
        let revenue = get(&stack, &format!("/revenue?by={by}&days=36500")).await;
        assert!(!revenue["lines"].as_array().unwrap().is_empty(), "{revenue}");
        assert_eq!(command(&["revenue", "--by", by], 0), revenue, "by {by}");
    }
    the_statement_adds_up(&stack, &|month| command(&["statement", "--month", month], 0)).await;
}

/// What clients have is what the month's statement ends with, and the next one's begins with. What is held
/// for a request counts as used until it is captured.
async fn the_statement_adds_up(stack: &Stack, command: &dyn Fn(&str) -> Value) {
    let amount = |of: &Value, name: &str| of[name].as_i64().unwrap();
    let clients = get(stack, "/clients?limit=500").await;
    let mut theirs = 0;
    for client in clients["clients"].as_array().unwrap() {
        for account in client["accounts"].as_array().unwrap() {
            theirs +=
                amount(account, "available") + amount(account, "pending") - amount(account, "debt");
        }
    }
    // No earlier month has anything, so the last one that is not over has all.
    let mut before = 0;
    for month in ["2001-01", "2999-11", "2999-12"] {
        let statement = get(stack, &format!("/statement?month={month}")).await;
        assert_eq!(command(month), statement, "{month}");
        let of = &statement["currencies"][0];
        assert_eq!(
            (of["currency"].as_str(), amount(of, "opening")),
            (Some("usd"), before),
            "{month}"
        );
        before = if month == "2001-01" { theirs } else { amount(of, "closing") };
    }
    assert_eq!(before, theirs);
    let day =
        get(stack, "/revenue?by=day&days=36500").await["lines"][0]["from_ms"].as_i64().unwrap();
    let statement = get(stack, &format!("/statement?month={}", month_of(day))).await;
    let of = &statement["currencies"][0];
    let lines: i64 = of["lines"].as_array().unwrap().iter().map(|line| amount(line, "units")).sum();
    let used = amount(of, "used");
    assert!(used > 0 && amount(of, "requests") > 0, "{statement}");
    assert_eq!(amount(of, "opening") + lines - used, amount(of, "closing"), "{statement}");
    assert_eq!(amount(of, "closing"), theirs, "{statement}");
}

/// Of a moment, Unix milliseconds, such as 2026-11.
fn month_of(ms: i64) -> String {
    let at = format!("@{}", ms / 1_000);
    let said =
        std::process::Command::new("date").args(["-u", "-d", &at, "+%Y-%m"]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}
