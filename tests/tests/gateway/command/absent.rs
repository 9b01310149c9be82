//! Where no ledger has served, a command says so and leaves everything as it is.

use std::process::Command;

use serde_json::json;
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use super::{ledger, run};
use crate::answer::paid_client;

/// Every command that works on books that are there.
const COMMANDS: [&[&str]; 13] = [
    &["verify"],
    &["revenue"],
    &["statement", "--month=2026-11"],
    &["transfers"],
    &["holds"],
    &["reconcile"],
    &["reconcile", "--repair"],
    &["client", "show", "0123456789abcdef"],
    &["client", "freeze", "0123456789abcdef", "--reason=x"],
    &["client", "unfreeze", "0123456789abcdef", "--reason=x"],
    &["client", "adjust", "0123456789abcdef", "--units=1", "--reason=x", "--reference=x"],
    &["client", "refund", "0123456789abcdef", "--all", "--reference=x"],
    &["client", "grant", "0123456789abcdef", "--units=1", "--reason=x", "--reference=x"],
];

/// All of them exit with 3 and say this.
fn all_refused(store: &str, expected: &str) {
    for command in COMMANDS {
        let key = ("STRIPE_SECRET_KEY", "sk_test_x");
        let said = run(&[command, &["--store", store]].concat(), &[key]);
        assert_eq!(said.code, 3, "{command:?}: {}", said.error);
        assert!(said.error.contains(expected), "{command:?}: {}", said.error);
    }
}

#[test]
fn a_path_without_a_ledger_file_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let missing = at("a/folder/ledger.redb");
    all_refused(
        &format!("file:{missing}"),
        &format!("there is no ledger file at {missing}. Check --store (LEDGER_STORE)"),
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something was made");
    for (name, content, expected) in
        [("empty", "", "the file is empty"), ("notes", "a text, not a ledger", "of another kind")]
    {
        let path = at(name);
        std::fs::write(&path, content).unwrap();
        all_refused(&format!("file:{path}"), expected);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    all_refused(&format!("file:{}", dir.path().display()), "it is not a file");
}

#[tokio::test]
async fn a_database_without_the_tables_is_refused_and_gets_none() {
    let server = Postgres::start().await.unwrap();
    let url = server.url();
    let sql = |statement: &str| {
        let output = Command::new("psql").args([&url, "-Atc", statement]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'stripe402'";
    all_refused(&url, "there is no ledger in this PostgreSQL database");
    assert_eq!(sql(schemas), "0", "a command made the schema");
    let (server_only, _) = url.rsplit_once('/').unwrap();
    let other = run(&["verify", "--store", &format!("{server_only}/nobody")], &[]);
    assert_eq!(other.code, 3, "{}", other.error);
    assert!(other.error.contains("there is no such PostgreSQL database"), "{}", other.error);

    // A ledger makes them; then it has no clients, then one.
    let stack = Stack::start(StackOptions::new().store(&url)).await.unwrap();
    assert_eq!(ledger(&stack, &url, &["transfers"]).json, json!({"movements": []}));
    assert_eq!(ledger(&stack, &url, &["verify"]).code, 3);
    paid_client(&stack).await;
    assert_eq!(ledger(&stack, &url, &["verify"]).code, 0);

    // A program of a later version migrates nothing.
    let newest = "FROM stripe402._sqlx_migrations";
    sql(&format!("DELETE {newest} WHERE version = (SELECT max(version) {newest})"));
    let count = format!("SELECT count(*) {newest}");
    let before = sql(&count);
    all_refused(&url, "of an earlier version than this program");
    assert_eq!(sql(&count), before);
}

#[tokio::test]
async fn books_without_an_account_do_not_pass_for_sound() {
    let redis = Redis::start().await.unwrap();
    let said = run(&["verify", "--json", "--store", &redis.url()], &[]);
    assert_eq!((said.code, &said.json["accounts"]), (3, &json!(0)), "{}", said.error);
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 3, "a new ledger is told so, too");
    paid_client(&stack).await;
    let said = ledger(&stack, &redis.url(), &["verify"]);
    assert_eq!((said.code, &said.json["accounts"]), (0, &json!(1)), "{}", said.error);
}
