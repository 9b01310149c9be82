//! Scenes, played by hand over the simulation's Stripe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "all of this file is tests, their helpers too"
)]

mod changes;
mod metadata;

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use stripe402_ledger::{
    accounting::{AccountKey, Kind, Posting},
    clock::Clock as _,
    options::PaymentOptions,
    postings::Unavailable,
    store::Accounts as _,
    stripe::{DisputePhase, IntentStatus},
    wiring::{Edges, Parts},
};
use stripe402_protocol::{
    ClientId, Currency, DeductionId, Units,
    message::{CardAnswer, CardPayment},
};
use stripe402_simulation::{
    bank::{Paid, line::Line},
    ledger::Life,
    plan::{Bank, Plan},
    world::{BEGINNING_MS, World, WorldIds},
};
use tokio::task::JoinHandle;

const BLOCK: u32 = 50_000;

struct Scene {
    world: Arc<World>,
    parts: Parts,
    key: AccountKey,
}

impl Scene {
    fn new() -> Self {
        let plan = Plan { faults: Vec::new(), acts: Vec::new(), ..Plan::draw(1) };
        let world = World::new(plan, false);
        world.bank.add_method("pm_1", "fingerprint", Bank::Pays);
        let line = Line {
            world: Arc::clone(&world),
            spent: Arc::default(),
            life: Life::new(0),
            dice: Arc::new(world.dice("line")),
        };
        let edges = Edges {
            store: world.books.clone(),
            provider: Arc::new(line),
            clock: Arc::new(world.clock(0)),
            ids: Arc::new(WorldIds(world.dice("ids"))),
        };
        let secrets = vec![SecretString::from("secret")];
        let parts = Parts::new(edges, secrets, PaymentOptions::default());
        let client = ClientId::derive(b"secret", "fingerprint");
        Self { world, parts, key: AccountKey { client, currency: Currency::USD } }
    }

    /// A request that costs so much, with the card.
    fn ask(&self, number: u8, price: u32) -> CardPayment {
        CardPayment {
            version: 1,
            deduction_id: DeductionId::mint(self.world.clock(0).now_ms(), [number; 10]),
            instrument: "pm_1".parse().unwrap(),
            price: Units::from_u32(price),
            currency: Currency::USD,
            min_top_up: Units::from_u32(BLOCK),
            max_top_up: Units::from_u32(BLOCK),
            route: "joke".into(),
            top_up_amount: None,
            payment_intent_id: None,
            idempotency_key: None,
            source: None,
            live: None,
            hold: None,
            trial: None,
        }
    }

    async fn pay(&self, number: u8, price: u32) {
        let answer = self.parts.payments.pay(&self.ask(number, price)).await.unwrap();
        assert!(matches!(answer, CardAnswer::Paid { .. }), "{answer:?}");
    }

    async fn available(&self) -> i64 {
        self.world.books.account(self.key).await.unwrap().available.get()
    }

    fn change(&self, intent: &str, change: impl FnOnce(&mut Paid)) {
        self.world.bank.with(|state| change(state.intents.get_mut(intent).unwrap()));
    }

    /// The PaymentIntents that were paid, oldest first.
    fn paid(&self) -> Vec<Paid> {
        self.world.bank.with(|state| {
            let paid = state.intents.values();
            paid.filter(|intent| intent.status == IntentStatus::Succeeded).cloned().collect()
        })
    }

    /// A first block is paid and spent, and the charge for the second one is on its way.
    async fn paid_and_paying(&self) -> (Paid, JoinHandle<Result<CardAnswer, Unavailable>>) {
        self.pay(1, BLOCK).await;
        let first = self.paid()[0].clone();
        let parts = self.parts.clone();
        let asked = self.ask(2, 100);
        let under_way = tokio::spawn(async move { parts.payments.pay(&asked).await });
        while !self.world.has_open_top_ups() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (first, under_way)
    }

    async fn repair(&self) -> Vec<&'static str> {
        let accounts = [self.key];
        let found = self.parts.sync.differences(&accounts, BEGINNING_MS).await.unwrap();
        for difference in &found {
            self.parts.sync.repair(difference).await.unwrap();
        }
        let left = self.parts.sync.differences(&accounts, BEGINNING_MS).await.unwrap();
        left.iter().map(|difference| difference.problem.as_str()).collect()
    }
}
