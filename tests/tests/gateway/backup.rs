//! The store is lost, and put back from a backup by the commands of `docs/operations.md`.

use std::{path::Path, process::Command, time::Duration};

use serde_json::{Value, json};
use stripe402_tests::{
    binary,
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{answer::pay, command::ledger};

/// What a card is charged here, and what a request costs.
const TOP_UP: i64 = 5_000;
const PRICE: i64 = 500;

fn options() -> StackOptions {
    StackOptions::new()
        .filter(|filter| filter["min_top_up"] = TOP_UP.into())
        .filter(|filter| filter["routes"][0]["min_top_up"] = TOP_UP.into())
        .filter(|filter| filter["routes"][0]["price"] = PRICE.into())
}

/// Runs the block of the document that begins with this comment.
fn as_documented(what: &str, variables: &[(&str, &str)]) {
    let document = binary::workspace().join("docs/operations.md");
    let document = std::fs::read_to_string(document).unwrap();
    let block = document.split("\n```bash\n").find(|block| block.starts_with(what)).unwrap();
    let block = block.split("\n```").next().unwrap();
    // What a block starts ends with it, should it fail.
    let script = format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{block}\n");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).envs(variables.iter().copied());
    let output = bash.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}");
}

/// Clients, their cards, and what they bought before the backup and after it.
struct Story {
    old_card: String,
    old: String,
    new_card: String,
}

async fn paid(stack: &Stack, payment: Value) -> Value {
    pay(stack, "/api/joke", payment).await.receipt()
}

impl Story {
    /// A client spends all that it bought: what it is charged next, the backup does not know.
    async fn before_the_backup(stack: &Stack) -> Self {
        let old_card = stack.sim.fresh_card().await.unwrap();
        let first = paid(stack, json!({"paymentMethodId": old_card})).await;
        let old = first["clientId"].as_str().unwrap().to_owned();
        for _ in 1..TOP_UP / PRICE {
            paid(stack, json!({"clientId": old})).await;
        }
        Self { old_card, old, new_card: stack.sim.fresh_card().await.unwrap() }
    }

    /// The client is charged again, and somebody comes of whom the backup has never heard.
    async fn after_the_backup(&self, stack: &Stack) {
        for card in [&self.old_card, &self.new_card] {
            let receipt = paid(stack, json!({"paymentMethodId": card})).await;
            assert_eq!(receipt["creditsRemaining"], TOP_UP - PRICE);
        }
        assert_eq!(stack.sim.totals("usd").await.unwrap().charged * 100, 3 * TOP_UP);
    }

    /// The books are back as they were at the backup; with Stripe's help they have every top-up.
    fn repaired(stack: &Stack, store: &str) {
        let verified = |when: &str| {
            let said = ledger(stack, store, &["verify"]);
            assert_eq!(said.code, 0, "{when}: {} {}", said.json, said.error);
            said.json["accounts"].as_u64().unwrap()
        };
        assert_eq!(verified("restored"), 1);
        let missing = ledger(stack, store, &["reconcile"]);
        assert_eq!(missing.code, 1, "{} {}", missing.json, missing.error);
        for expected in [2, 0] {
            let said = ledger(stack, store, &["reconcile", "--repair"]);
            assert_eq!(said.code, 0, "{} {}", said.json, said.error);
            assert_eq!(said.json["repaired"].as_array().unwrap().len(), expected);
        }
        assert_eq!(verified("repaired"), 2);
    }

    /// Everybody has what they bought less what the backup knows as spent, and nobody pays twice.
    async fn goes_on(&self, stack: &Stack) {
        let new = paid(stack, json!({"paymentMethodId": self.new_card})).await;
        for client in [json!(self.old), new["clientId"].clone()] {
            let spent = if client == new["clientId"] { 2 } else { 1 };
            let receipt = paid(stack, json!({"clientId": client})).await;
            assert_eq!(receipt["creditsRemaining"], TOP_UP - spent * PRICE);
        }
        assert_eq!(stack.sim.totals("usd").await.unwrap().charged * 100, 3 * TOP_UP);
    }
}

async fn started_again(stack: &mut Stack, store: &str) {
    let process = stack.ledger().unwrap().process();
    process.spec_mut().env.insert("LEDGER_STORE".to_owned(), store.to_owned());
    stack.ledger().unwrap().restart().await.unwrap();
    stack.healthy_ledgers(1).await.unwrap();
}

/// Waits for a copy that was begun after now.
async fn next_copy(path: &Path) {
    let written = || std::fs::metadata(path).ok().and_then(|file| file.modified().ok());
    for _ in 0..2 {
        let before = written();
        let mut looks = 0;
        while written() == before {
            looks += 1;
            assert!(looks < 500, "no copy is written to {}", path.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_lost_file_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (file, copy, backup) = (at("ledger.redb"), at("copy.redb"), at("backup.redb"));
    let store = format!("file:{file}");
    let options = options()
        .store(&store)
        .ledger_env("LEDGER_BACKUP", &copy)
        .ledger_env("LEDGER_BACKUP_EVERY", "200ms");
    let mut stack = Stack::start(options).await.unwrap();
    let story = Story::before_the_backup(&stack).await;
    next_copy(Path::new(&copy)).await;
    let names = [("LEDGER_FILE", &*file), ("LEDGER_BACKUP", &*copy), ("BACKUP", &*backup)];
    as_documented("# back up: file", &names);
    story.after_the_backup(&stack).await;

    stack.ledger().unwrap().process().kill9();
    std::fs::remove_file(&file).unwrap();
    as_documented("# restore: file", &names);
    Story::repaired(&stack, &store);
    started_again(&mut stack, &store).await;
    story.goes_on(&stack).await;
}

#[tokio::test]
async fn a_lost_redis_is_put_back() {
    let mut redis = Redis::start().await.unwrap();
    let store = redis.url();
    let mut stack = Stack::start(options().store(&store)).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let backup = dir.path().join("backup.rdb");
    let (data, port) = (redis.data(), redis.port().to_string());
    let names = [
        ("REDIS_URL", &*store),
        ("BACKUP", backup.to_str().unwrap()),
        ("DATA", data.to_str().unwrap()),
        ("PORT", &*port),
    ];
    let story = Story::before_the_backup(&stack).await;
    as_documented("# back up: Redis", &names);
    story.after_the_backup(&stack).await;

    stack.ledger().unwrap().process().kill9();
    redis.lose().unwrap();
    as_documented("# restore: Redis", &names);
    redis.restart().await.unwrap();
    Story::repaired(&stack, &store);
    started_again(&mut stack, &store).await;
    story.goes_on(&stack).await;
}

#[tokio::test]
async fn a_lost_postgresql_is_put_back() {
    let mut lost = Postgres::start().await.unwrap();
    let mut stack = Stack::start(options().store(&lost.url())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let backup = dir.path().join("backup.dump");
    let backup = ("BACKUP", backup.to_str().unwrap());
    let story = Story::before_the_backup(&stack).await;
    as_documented("# back up: PostgreSQL", &[("DATABASE_URL", &*lost.url()), backup]);
    story.after_the_backup(&stack).await;

    stack.ledger().unwrap().process().kill9();
    lost.process().kill9();
    let new = Postgres::start().await.unwrap();
    let store = new.url();
    as_documented("# restore: PostgreSQL", &[("DATABASE_URL", &*store), backup]);
    Story::repaired(&stack, &store);
    started_again(&mut stack, &store).await;
    story.goes_on(&stack).await;
}
