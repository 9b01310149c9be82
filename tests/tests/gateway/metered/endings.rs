//! What is captured, by how usage is known and how the request ends, on every store.
//!
//! One store has the whole table here, and the others the endings that touch a store; `make soak` has all
//! of it everywhere (`STRIPE402_ENDINGS`).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use stripe402_tests::{
    binary, postgres::Postgres, redis::Redis, redis_cluster::RedisCluster, stack::Stack, wire,
};
use tokio::time::sleep;

use self::{
    api::Api,
    call::Call,
    expected::{
        ENDINGS,
        Ending::{
            self, ApiResetBefore, ApiResetMidway, ClientGoneBefore, ClientGoneMidway, Done,
            GatewayKilled, LedgerAway, LedgerKilled, VmTrapped,
        },
        OF_A_STORE, ROWS, expected,
    },
};
use super::{account, scene::before};
use crate::{answer::pay, command};

mod api;
mod call;
mod expected;

/// What each client buys.
const BOUGHT: i64 = 100_000;
/// Captures come at once; only what a dead gateway held waits for the holds' own end, at ten seconds, and
/// for the ledger's next look.
const SOON: Duration = Duration::from_secs(5);
const AT_ITS_END: Duration = Duration::from_secs(25);
/// What each call takes at least, for those that are paid by time.
const BETWEEN: Duration = Duration::from_millis(200);

/// Clients, and what each had left at the last look.
type Payers = Vec<(String, i64)>;

struct Table {
    stack: Stack,
    api: Api,
    /// One for each row.
    clients: Payers,
    /// Whose holds wait for their own end since a VM died.
    bereft: Option<Payers>,
    /// What was captured, by ending.
    captured: Vec<(Ending, Vec<i64>)>,
}

impl Table {
    async fn start(store: Option<&str>) -> Self {
        let api = api::start().await;
        let mut prices: Vec<_> =
            ROWS.iter().map(|(source, _)| (source.path(), source.price())).collect();
        prices.dedup_by_key(|(path, _)| *path);
        let options = before(api.address, &prices).config(|config| {
            config.module(&binary::filter_that_traps()?)?;
            config.cluster("own")?["typed_extension_protocol_options"] = json!({
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                },
            });
            Ok(())
        });
        let options = match store {
            Some(store) => options.store(store),
            None => options,
        };
        let stack = Stack::start(options).await.unwrap();
        let clients = payers(&stack).await;
        Self { stack, api, clients, bereft: None, captured: Vec::new() }
    }

    /// One call of each row.
    async fn calls(&self, what: &str) -> Vec<Call> {
        self.api.go_on.send_replace(false);
        let calls = ROWS.iter().zip(&self.clients).map(|((source, protocol), (client, _))| {
            let payment = wire::encode(&json!({"clientId": client}));
            let path = format!("{}?{what}", source.path());
            let at = self.stack.envoy.address();
            async move { Call::open(at, *protocol, &path, &payment).await }
        });
        join_all(calls).await
    }

    /// One call of each row, whose answer's first part is here.
    async fn begun(&self, what: &str) -> Vec<Call> {
        let mut calls = self.calls(what).await;
        join_all(calls.iter_mut().map(Call::begin)).await;
        sleep(BETWEEN).await;
        calls
    }

    /// The API ends its answers.
    async fn finish(&self, mut calls: Vec<Call>) {
        self.api.go_on.send_replace(true);
        join_all(calls.iter_mut().map(Call::finish)).await;
    }

    async fn end(&mut self, ending: Ending) {
        let before = *self.api.seen.borrow();
        match ending {
            Done => self.finish(self.begun("").await).await,
            ApiResetBefore => self.finish(self.calls("resets-before").await).await,
            ApiResetMidway => self.finish(self.begun("resets").await).await,
            ClientGoneBefore => {
                let calls = self.calls("silent").await;
                let all = before + ROWS.len();
                self.api.seen.wait_for(|seen| *seen == all).await.unwrap();
                sleep(BETWEEN).await;
                drop(calls);
            }
            ClientGoneMidway => drop(self.begun("").await),
            LedgerAway => {
                let calls = self.begun("").await;
                self.stack.ledgers[0].process().pause();
                self.finish(calls).await;
                // Longer than a batch may take.
                sleep(Duration::from_millis(1_500)).await;
                self.stack.ledgers[0].process().resume();
            }
            LedgerKilled => {
                let calls = self.begun("").await;
                self.stack.ledgers[0].process().kill9();
                self.finish(calls).await;
                self.stack.ledgers[0].restart().await.unwrap();
            }
            VmTrapped => {
                let calls = self.begun("").await;
                let dies = reqwest::Client::new().get(self.stack.url("/api/health"));
                let _dies = dies.header("x-stripe402-trap", "1").send().await;
                drop(calls);
                self.another_vm().await;
                let others = payers(&self.stack).await;
                self.bereft = Some(std::mem::replace(&mut self.clients, others));
                return;
            }
            GatewayKilled => {
                let calls = self.begun("").await;
                self.stack.envoy.process().kill9();
                drop(calls);
            }
        }
        let within = if ending == GatewayKilled { AT_ITS_END } else { SOON };
        let captured = look(&self.stack, &mut self.clients, within).await;
        self.captured.push((ending, captured));
        if let Some(mut bereft) = self.bereft.take() {
            self.captured.push((VmTrapped, look(&self.stack, &mut bereft, AT_ITS_END).await));
        }
        if matches!(ending, LedgerAway | LedgerKilled) {
            self.stack.healthy_ledgers(1).await.unwrap();
        }
    }

    async fn another_vm(&self) {
        let start = Instant::now();
        loop {
            let answer = self.stack.get("/api/health").send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(start.elapsed() < SOON, "no VM takes the dead one's place");
            sleep(Duration::from_millis(100)).await;
        }
    }

    #[expect(clippy::print_stdout, reason = "the table is for people to read")]
    fn print(&self, store: &str) {
        println!("\n{store}: units captured of {} held", api::MOST);
        for (row, (source, protocol)) in ROWS.iter().enumerate() {
            let name = format!("{} {protocol:?}", &source.path()[5..]);
            let cells =
                self.captured.iter().map(|(ending, cells)| format!("{ending:?} {}", cells[row]));
            println!("{name:20} | {}", cells.collect::<Vec<_>>().join(" | "));
        }
    }
}

/// A client with credits for each row.
async fn payers(stack: &Stack) -> Payers {
    let mut clients = Vec::new();
    for _ in ROWS {
        let card = stack.sim.fresh_card().await.unwrap();
        let top_up = json!({"paymentMethodId": card, "topUpAmount": BOUGHT});
        let receipt = pay(stack, "/api/joke", top_up).await.receipt();
        clients.push((receipt["clientId"].as_str().unwrap().to_owned(), BOUGHT - 100));
    }
    clients
}

/// What was captured of each row since the last look, once nothing is held any more.
async fn look(stack: &Stack, clients: &mut Payers, within: Duration) -> Vec<i64> {
    let (start, mut captured) = (Instant::now(), Vec::new());
    for (client, left) in clients {
        let subject = client.parse::<stripe402_protocol::ClientId>().unwrap().subject();
        let now = loop {
            let account = account(stack, &subject).await;
            if account["pending"] == 0 {
                break account["available"].as_i64().unwrap();
            }
            assert!(start.elapsed() < within, "held for ever: {account} {captured:?}");
            sleep(Duration::from_millis(50)).await;
        };
        captured.push(*left - now);
        *left = now;
    }
    captured
}

async fn check(name: &str, store: Option<String>, endings: &[Ending]) {
    let all = std::env::var_os("STRIPE402_ENDINGS").is_some();
    let mut table = Table::start(store.as_deref()).await;
    for ending in if all { &ENDINGS[..] } else { endings } {
        table.end(*ending).await;
    }
    table.print(name);
    let mut wrong = Vec::new();
    for (ending, cells) in &table.captured {
        for ((source, protocol), units) in ROWS.iter().zip(cells) {
            let expected = expected(*source, *ending);
            if !expected.contains(units) {
                wrong
                    .push(format!("{source:?} {protocol:?} {ending:?}: {units}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    table.stack.ledgers[0].process().stop();
    let file = format!("file:{}", table.stack.dir().join("ledger.redb").display());
    let said = command::ledger(&table.stack, store.as_ref().unwrap_or(&file), &["verify"]);
    assert_eq!(said.code, 0, "{name}: {} {}", said.json, said.error);
}

#[tokio::test]
async fn every_ending_captures_what_was_used_in_a_file() {
    check("file", None, &ENDINGS).await;
}

#[tokio::test]
async fn every_ending_captures_what_was_used_in_redis() {
    let redis = Redis::start().await.unwrap();
    check("redis", Some(redis.url()), &OF_A_STORE).await;
}

#[tokio::test]
async fn every_ending_captures_what_was_used_in_a_redis_cluster() {
    let redis = RedisCluster::start().await.unwrap();
    // How a hold ends by itself is the same script as on one Redis.
    check("redis cluster", Some(redis.url()), &[Done, LedgerKilled]).await;
}

#[tokio::test]
async fn every_ending_captures_what_was_used_in_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    check("postgres", Some(postgres.url()), &OF_A_STORE).await;
}
