//! Both directions with the Express middleware on the same server.

use std::{sync::Arc, time::Duration};

use redis::{Client, aio::MultiplexedConnection};
use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posted, Posting},
    store::{Accounts as _, Customers as _, Redis, Reports as _, StoreError},
};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{Batch, Deduction, DeductionOutcome, Void, VoidOutcome},
};
use uuid::Uuid;

use super::{open, server::Server};

/// What the middleware does to deduct: look, compare, write.
const DEDUCT: &str = "
    local balance = tonumber(redis.call('HGET', KEYS[1], 'balance'))
    if not balance or balance < tonumber(ARGV[1]) then return -1 end
    redis.call('HSET', KEYS[1], 'balance', tostring(balance - tonumber(ARGV[1])))
    return balance - tonumber(ARGV[1])";

/// A server that ledger and middleware share.
struct World {
    _server: Server,
    store: Arc<Redis>,
    raw: MultiplexedConnection,
    client: ClientId,
}

impl World {
    async fn new() -> Self {
        let server = Server::start(&[]);
        let store = open(&server.url(), Duration::from_secs(24 * 3600));
        let raw = Client::open(server.url()).unwrap();
        let raw = raw.get_multiplexed_async_connection().await.unwrap();
        let client = ClientId::derive(b"express", &Uuid::new_v4().to_string());
        Self { _server: server, store, raw, client }
    }

    fn record(&self) -> String {
        format!("stripe402:client:{}", self.client.to_hex())
    }

    fn key(&self) -> AccountKey {
        AccountKey { client: self.client, currency: Currency::USD }
    }

    /// As the middleware writes a new client.
    async fn express_creates(&mut self, balance: &str, currency: &str) {
        let mut command = redis::cmd("HSET");
        command.arg(self.record()).arg("clientId").arg(self.client.to_hex());
        command.arg("stripeCustomerId").arg("cus_express").arg("balance").arg(balance);
        command.arg("currency").arg(currency);
        command.arg("createdAt").arg("2026-01-01T00:00:00.000Z");
        command.arg("updatedAt").arg("2026-01-01T00:00:00.000Z");
        command.query_async::<()>(&mut self.raw).await.unwrap();
    }

    async fn express_deducts(&mut self, amount: u32) -> i64 {
        let script = redis::Script::new(DEDUCT);
        let mut call = script.key(self.record());
        call.arg(amount).invoke_async(&mut self.raw).await.unwrap()
    }

    async fn express_credits(&mut self, amount: i64) {
        let mut command = redis::cmd("HINCRBY");
        command.arg(self.record()).arg("balance").arg(amount);
        command.query_async::<()>(&mut self.raw).await.unwrap();
    }

    async fn field(&mut self, name: &str) -> Option<String> {
        let mut command = redis::cmd("HGET");
        command.arg(self.record()).arg(name);
        command.query_async(&mut self.raw).await.unwrap()
    }

    fn charge(&self, amount: u32) -> Deduction {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let random = *Uuid::new_v4().as_bytes().first_chunk::<10>().unwrap();
        Deduction {
            id: DeductionId::mint(u64::try_from(now).unwrap(), random),
            client_id: self.client,
            currency: Currency::USD,
            amount: Units::from_u32(amount),
            route: "joke".to_owned(),
            hold: None,
        }
    }

    async fn spend(&self, amount: u32) -> DeductionOutcome {
        let batch = Batch {
            version: 1,
            deductions: vec![self.charge(amount)],
            voids: vec![],
            captures: vec![],
        };
        self.store.batch(batch).await.unwrap().deductions[0].1
    }

    async fn post(&self, kind: Kind, reference: &str, amount: u32) -> Posted {
        let amount = Units::from_u32(amount);
        let posting = Posting { kind, reference: reference.into(), amount, note: None };
        self.store.post(self.key(), posting).await.unwrap()
    }

    async fn left(&self) -> i64 {
        self.store.account(self.key()).await.unwrap().available.get()
    }

    /// What was paid for, and what is left of each grant.
    async fn kinds(&self) -> (i64, Vec<i64>) {
        let balance = self.store.balance(self.key()).await.unwrap();
        let lots = balance.grants.lots().into_iter().map(|lot| lot.left.get()).collect();
        (balance.grants.paid(&balance.account).get(), lots)
    }

    async fn postings(&self) -> Vec<(Kind, i64)> {
        let movements = self.store.movements(self.key()).await.unwrap();
        movements.iter().map(|m| (m.posting.kind, m.posting.amount.get())).collect()
    }

    /// The account is what its movements and sums come to.
    async fn verify(&self) {
        let account = self.store.account(self.key()).await.unwrap();
        let movements = self.store.movements(self.key()).await.unwrap();
        let moved: i64 = movements.iter().map(|m| m.posting.kind.net(m.posting.amount)).sum();
        let tallies = self.store.tallies(self.key()).await.unwrap();
        let spent: i64 = tallies.iter().map(|tally| tally.amount).sum();
        assert_eq!(moved - spent, account.net(), "{account:?} is not explained");
    }
}

fn charged(left: u32) -> DeductionOutcome {
    DeductionOutcome::Deducted(Units::from_u32(left))
}

#[tokio::test]
async fn a_record_of_the_middleware_is_adopted_and_spent() {
    let mut world = World::new().await;
    world.express_creates("500", "USD").await;
    assert_eq!(world.spend(100).await, charged(400));
    assert_eq!(world.field("balance").await.as_deref(), Some("400"));
    assert_eq!(world.postings().await, [(Kind::ExternalUp, 500)]);
    let customer = world.store.remember_customer(world.client, "cus_ours".into()).await.unwrap();
    assert_eq!(customer, "cus_express", "the first one stays");
    assert_eq!(world.field("createdAt").await.as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_ne!(world.field("updatedAt").await.as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(world.store.accounts(None, None, 9).await.unwrap(), [world.key()]);
    world.verify().await;
}

#[tokio::test]
async fn the_middleware_spends_and_credits_what_is_ours() {
    let mut world = World::new().await;
    world.post(Kind::TopUp, "pi_1", 1_000).await;
    for (field, value) in [("balance", "1000"), ("currency", "usd")] {
        assert_eq!(world.field(field).await.as_deref(), Some(value));
    }
    assert_eq!(world.field("clientId").await, Some(world.client.to_hex()));
    let created = world.field("createdAt").await.unwrap();
    assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let written = humantime::parse_rfc3339(&created).unwrap();
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(now.abs_diff(written) < Duration::from_secs(60), "{created} is not now");

    assert_eq!(world.express_deducts(300).await, 700);
    assert_eq!(world.spend(100).await, charged(600));
    world.express_credits(50).await;
    assert_eq!(world.left().await, 650);
    assert_eq!(world.express_deducts(651).await, -1, "it sees what can be spent");
    let expected = [(Kind::TopUp, 1_000), (Kind::ExternalDown, 300), (Kind::ExternalUp, 50)];
    assert_eq!(world.postings().await, expected);
    world.verify().await;
}

#[tokio::test]
async fn what_the_middleware_credits_settles_a_debt_first() {
    let mut world = World::new().await;
    world.post(Kind::TopUp, "pi_1", 100).await;
    world.post(Kind::DisputeOpened, "dp_1", 180).await;
    world.express_credits(100).await;
    assert_eq!(world.left().await, 20);
    assert_eq!(world.field("balance").await.as_deref(), Some("20"));
    world.verify().await;
}

#[tokio::test]
async fn what_is_frozen_the_middleware_cannot_spend_either() {
    let mut world = World::new().await;
    world.post(Kind::TopUp, "pi_1", 100).await;
    world.post(Kind::Freeze, "case", 0).await;
    assert_eq!(world.field("balance").await.as_deref(), Some("0"));
    assert_eq!(world.express_deducts(1).await, -1);
    world.express_credits(30).await;
    assert_eq!(world.spend(1).await, DeductionOutcome::Frozen);
    assert_eq!(world.field("balance").await.as_deref(), Some("0"), "moved away as well");
    world.post(Kind::TopUp, "pi_2", 5).await;
    assert_eq!(world.left().await, 135);
    world.post(Kind::Unfreeze, "case", 0).await;
    assert_eq!(world.express_deducts(135).await, 0);
    assert_eq!(world.left().await, 0);
    world.verify().await;
}

#[tokio::test]
async fn a_customer_alone_is_no_money_and_takes_no_currency() {
    let mut world = World::new().await;
    world.store.remember_customer(world.client, "cus_1".into()).await.unwrap();
    assert_eq!(world.express_deducts(1).await, -1);
    assert_eq!(world.spend(1).await, DeductionOutcome::Insufficient);
    assert!(world.store.accounts(None, None, 9).await.unwrap().is_empty());
    world.post(Kind::TopUp, "pi_1", 10).await;
    assert_eq!(world.field("currency").await.as_deref(), Some("usd"));
    assert_eq!(world.field("stripeCustomerId").await.as_deref(), Some("cus_1"));
    assert_eq!(world.spend(10).await, charged(0));
    world.verify().await;
}

#[tokio::test]
async fn a_balance_that_is_no_amount_is_refused_and_left_alone() {
    let mut world = World::new().await;
    world.express_creates("100", "usd").await;
    assert_eq!(world.spend(1).await, charged(99));
    for wrong in ["-1", "1.5", "1e3", "abc", "", " 5", "007", "9007199254740992", "0x10", "nan"] {
        let mut command = redis::cmd("HSET");
        command.arg(world.record()).arg("balance").arg(wrong);
        command.query_async::<()>(&mut world.raw).await.unwrap();
        let batch = Batch {
            version: 1,
            deductions: vec![world.charge(1)],
            voids: vec![],
            captures: vec![],
        };
        let answer = world.store.batch(batch).await.unwrap();
        assert_eq!(answer.deductions[0].1, DeductionOutcome::Frozen, "{wrong}");
        let refused = world.store.account(world.key()).await.unwrap_err();
        let StoreError::Damaged(what) = refused else { panic!("{wrong}: {refused:?}") };
        assert!(what.contains("balance") && what.contains(&world.client.subject()), "{what}");
        assert!(!what.contains(&world.client.to_hex()), "a client id is a credential: {what}");
        assert_eq!(world.field("balance").await.as_deref(), Some(wrong));
    }
    // Others of the same batch are served all the same.
    let other = ClientId::derive(b"express", "other");
    let key = AccountKey { client: other, ..world.key() };
    let amount = Units::from_u32(10);
    let posting = Posting { kind: Kind::TopUp, reference: "pi".into(), amount, note: None };
    world.store.post(key, posting).await.unwrap();
    let good = Deduction { client_id: other, ..world.charge(10) };
    let bad = world.charge(1);
    let void = Void { id: bad.id, client_id: Some(world.client) };
    let batch =
        Batch { version: 1, deductions: vec![bad, good], voids: vec![void], captures: vec![] };
    let answer = world.store.batch(batch).await.unwrap();
    assert_eq!(answer.deductions[0].1, DeductionOutcome::Frozen);
    assert_eq!(answer.deductions[1].1, charged(0));
    assert_eq!(answer.voids[0].1, VoidOutcome::Conflict);
}

#[tokio::test]
async fn a_key_of_another_type_fails_its_own_client_only() {
    let mut world = World::new().await;
    let other = ClientId::derive(b"express", "other");
    let key = AccountKey { client: other, ..world.key() };
    let amount = Units::from_u32(10);
    let posting = Posting { kind: Kind::TopUp, reference: "pi".into(), amount, note: None };
    world.store.post(key, posting).await.unwrap();
    let (bad, lost) = (world.charge(1), world.charge(1));
    let entry = format!("stripe402:charge:{}", lost.id);
    for (key, value) in [(world.record(), "text"), (entry, "text")] {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value);
        command.query_async::<()>(&mut world.raw).await.unwrap();
    }
    let good = Deduction { client_id: other, ..world.charge(10) };
    let batch = Batch {
        version: 1,
        deductions: vec![bad, good],
        voids: vec![Void { id: lost.id, client_id: None }],
        captures: vec![],
    };
    let answer = world.store.batch(batch).await.unwrap();
    assert_eq!(answer.deductions[0].1, DeductionOutcome::Frozen);
    assert_eq!(answer.deductions[1].1, charged(0));
    assert_eq!(answer.voids[0].1, VoidOutcome::Conflict);
}

/// What the middleware credits was paid for; what it deducts is taken from grants first.
#[tokio::test]
async fn the_middleware_spends_what_was_granted_first() {
    let mut world = World::new().await;
    world.express_creates("100", "USD").await;
    world.post(Kind::Grant, "g", 50).await;
    world.express_credits(30).await;
    assert_eq!(world.kinds().await, (130, vec![50]));
    world.express_deducts(20).await;
    assert_eq!(world.kinds().await, (130, vec![30]));
    world.express_credits(5).await;
    world.post(Kind::Freeze, "f", 0).await;
    world.express_credits(7).await;
    assert_eq!(world.kinds().await, (142, vec![30]), "while it is frozen, too");
    world.post(Kind::Unfreeze, "f", 0).await;
    world.express_deducts(40).await;
    assert_eq!(world.kinds().await, (132, vec![]));
    world.verify().await;
}

#[tokio::test]
async fn both_at_once_lose_no_unit() {
    let world = World::new().await;
    world.post(Kind::TopUp, "pi_1", 1_000).await;
    let raw = world.raw.clone();
    let record = world.record();
    let express = tokio::spawn(async move {
        let mut taken = 0;
        for _ in 0..200 {
            let script = redis::Script::new(DEDUCT);
            let mut call = script.key(&record);
            let left: i64 = call.arg(1).invoke_async(&mut raw.clone()).await.unwrap();
            taken += i64::from(left >= 0);
        }
        taken
    });
    let mut ours = 0;
    for _ in 0..200 {
        if matches!(world.spend(2).await, DeductionOutcome::Deducted(_)) {
            ours += 2;
        }
    }
    assert_eq!(world.left().await, 1_000 - ours - express.await.unwrap());
    world.verify().await;
}
