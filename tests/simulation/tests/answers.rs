//! The table of `docs/stripe.md`, cell by cell: Stripe answers one kind of call in one way, and the
//! client hears what the cell says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "all of this file is tests, their helpers too"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use stripe402_ledger::{
    clock::Clock as _,
    options::PaymentOptions,
    store::Store,
    stripe::{
        Card, CardCharge, Changed, Decline, Dispute, Failure, Intent, IntentStatus, NewRefund,
        Provider, Refund, Verification,
    },
    wiring::{Edges, Parts},
};
use stripe402_protocol::{
    Currency, DeductionId, PaymentIntentId, PaymentMethodId, Units,
    message::{CardAnswer, CardPayment},
};
use stripe402_simulation::{
    bank::line::Line,
    ledger::Life,
    plan::{Bank, Plan},
    world::{World, WorldIds},
};
use tokio::time::Instant;

const TABLE: &str = include_str!("../../../docs/stripe.md");

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Read,
    Customer,
    Charge,
    Verify,
}

/// How it is answered.
#[derive(Clone, Debug)]
struct Way {
    failure: Failure,
    /// Only the first call, or all of them until then.
    until: Until,
    /// The work is done all the same.
    after: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Until {
    Once,
    Later,
    /// As long as the key is the same; a read has none, and fails on.
    KeyChanges,
}

fn way(row: &str) -> Way {
    let broken = || Failure::Broken { cause: "status 500".into(), log: Some("req_1".into()) };
    let unknown = |cause: &str| Failure::Unknown(cause.to_owned());
    let (failure, until) = match row {
        "none, once" => (unknown("timed out"), Until::Once),
        "none, for 20 s" => (unknown("timed out"), Until::Later),
        "409 or 429, once" => (unknown("status 429"), Until::Once),
        "500, once" => (broken(), Until::Once),
        "500, for 20 s" => {
            (Failure::Broken { cause: "status 500".into(), log: None }, Until::Later)
        }
        "500, stored under the key" | "500, stored, and the work was done" => {
            (broken(), Until::KeyChanges)
        }
        "401 or 403, or an error of the account" => {
            (Failure::Account("status 401".into()), Until::Later)
        }
        "the card is declined" => {
            let decline = Decline { code: "card_declined".into(), decline_code: None };
            (Failure::Card(decline), Until::Once)
        }
        "the request is refused (400, 404)" => {
            (Failure::Invalid("parameter_invalid".into()), Until::Once)
        }
        other => panic!("the table has a row that nobody plays: {other}"),
    };
    Way { failure, until, after: row.ends_with("the work was done") }
}

/// A provider that answers one kind of call in one way, and is Stripe otherwise.
struct Scripted {
    line: Line,
    step: Step,
    way: Way,
    began: Instant,
    seen: Mutex<Vec<String>>,
}

impl Scripted {
    /// Whether this call fails.
    fn strikes(&self, step: Step, key: &str) -> Option<Failure> {
        if step != self.step {
            return None;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.push(key.to_owned());
        let strikes = match self.way.until {
            Until::Once => seen.len() == 1,
            Until::Later => self.began.elapsed() < Duration::from_secs(20),
            Until::KeyChanges => {
                seen.iter().all(|other| other == key)
                    && self.began.elapsed() < Duration::from_secs(30)
            }
        };
        strikes.then(|| self.way.failure.clone())
    }

    async fn struck<T>(
        &self,
        step: Step,
        key: &str,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        match self.strikes(step, key) {
            None => work.await,
            Some(failure) => {
                if self.way.after {
                    let _ = work.await;
                }
                Err(failure)
            }
        }
    }
}

#[async_trait]
impl Provider for Scripted {
    async fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure> {
        self.struck(Step::Read, "", self.line.card(id)).await
    }
    async fn create_customer(&self, subject: &str, key: &str) -> Result<String, Failure> {
        self.struck(Step::Customer, key, self.line.create_customer(subject, key)).await
    }
    async fn charge(&self, charge: &CardCharge) -> Result<Intent, Failure> {
        self.struck(Step::Charge, &charge.top_up, self.line.charge(charge)).await
    }
    async fn verify(
        &self,
        customer: &str,
        card: &PaymentMethodId,
        key: &str,
    ) -> Result<Verification, Failure> {
        self.struck(Step::Verify, key, self.line.verify(customer, card, key)).await
    }
    async fn has_customer(&self, customer: &str) -> Result<bool, Failure> {
        self.line.has_customer(customer).await
    }
    async fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        self.line.intent(id).await
    }
    async fn intents_of(&self, customer: &str, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        self.line.intents_of(customer, since_ms).await
    }
    async fn refund(&self, wanted: &NewRefund) -> Result<Refund, Failure> {
        self.line.refund(wanted).await
    }
    async fn intents_since(&self, since_ms: u64) -> Result<Vec<Intent>, Failure> {
        self.line.intents_since(since_ms).await
    }
    async fn refunds_since(&self, since_ms: u64) -> Result<Vec<Refund>, Failure> {
        self.line.refunds_since(since_ms).await
    }
    async fn disputes_since(&self, since_ms: u64) -> Result<Vec<Dispute>, Failure> {
        self.line.disputes_since(since_ms).await
    }
    async fn changed_since(&self, since_ms: u64) -> Result<Changed, Failure> {
        self.line.changed_since(since_ms).await
    }
    async fn refunds(&self, intent: &PaymentIntentId) -> Result<Vec<Refund>, Failure> {
        self.line.refunds(intent).await
    }
    async fn dispute(&self, id: &str) -> Result<Dispute, Failure> {
        self.line.dispute(id).await
    }
    async fn cancel(&self, id: &PaymentIntentId, key: &str) -> Result<Intent, Failure> {
        self.line.cancel(id, key).await
    }
}

struct Scene {
    world: Arc<World>,
    parts: Parts,
    asked: Mutex<u8>,
}

impl Scene {
    fn new(step: Step, way: Way) -> Self {
        let plan = Plan { faults: Vec::new(), acts: Vec::new(), ..Plan::draw(1) };
        let world = World::new(plan, false);
        for card in ["pm_first", "pm_second"] {
            world.bank.add_method(card, "fingerprint", Bank::Pays);
        }
        let dice = Arc::new(world.dice("line"));
        let line =
            Line { world: Arc::clone(&world), spent: Arc::default(), life: Life::new(0), dice };
        let (began, seen) = (Instant::now(), Mutex::default());
        let provider = Arc::new(Scripted { line, step, way, began, seen });
        let store: Arc<dyn Store> = world.books.clone();
        let ids = Arc::new(WorldIds(world.dice("ids")));
        let edges = Edges { store, provider, clock: Arc::new(world.clock(0)), ids };
        let secrets = vec![SecretString::from("secret")];
        let parts = Parts::new(edges, secrets, PaymentOptions::default());
        Self { world, parts, asked: Mutex::new(0) }
    }

    /// What a client hears that asks with this card.
    async fn ask(&self, card: &str) -> String {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        let request = CardPayment {
            version: 1,
            deduction_id: DeductionId::mint(self.world.clock(0).now_ms(), [number; 10]),
            instrument: card.parse().unwrap(),
            price: Units::from_u32(100),
            currency: Currency::USD,
            min_top_up: Units::from_u32(50_000),
            max_top_up: Units::from_u32(100_000),
            route: "joke".into(),
            top_up_amount: None,
            payment_intent_id: None,
            idempotency_key: None,
            source: None,
            live: None,
            hold: None,
            trial: None,
        };
        match self.parts.payments.pay(&request).await {
            Ok(CardAnswer::Paid { .. }) => "served".to_owned(),
            Ok(CardAnswer::Refused { refusal, .. }) => {
                let code = serde_json::to_value(refusal.error_code).unwrap();
                format!("402 {}", code.as_str().unwrap())
            }
            Ok(CardAnswer::Insufficient { .. }) => "402 insufficient_credits".to_owned(),
            Err(_) => "503".to_owned(),
        }
    }

    fn charged(&self) -> usize {
        self.world.bank.with(|state| {
            let paid = state.intents.values();
            paid.filter(|intent| intent.status == IntentStatus::Succeeded).count()
        })
    }
}

async fn play(step: Step, way: Way) -> String {
    let scene = Scene::new(step, way.clone());
    let card = if step == Step::Verify {
        // The first card has paid before the trouble begins.
        assert_eq!(scene.ask("pm_first").await, "served");
        "pm_second"
    } else {
        "pm_first"
    };
    let heard = scene.ask(card).await;
    tokio::time::sleep(Duration::from_secs(45)).await;
    let again = scene.ask(card).await;
    assert_eq!(scene.charged(), 1, "{step:?} {way:?}: charged");
    assert_eq!(again, "served", "{step:?} {way:?}: asked again");
    if heard == "served" { heard } else { format!("{heard}, then {again}") }
}

/// The table's cells, by row and column.
fn cells() -> BTreeMap<(String, usize), String> {
    let rows = TABLE.lines().skip_while(|line| !line.starts_with("| Stripe's answer")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = rows.flat_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let row = cells[0].to_owned();
        let all = cells.into_iter().skip(1).map(str::to_owned).enumerate();
        all.map(move |(column, cell)| ((row.clone(), column), cell)).collect::<Vec<_>>()
    });
    cells.collect()
}

#[tokio::test(start_paused = true)]
async fn every_cell_is_what_a_client_hears() {
    let cells = cells();
    let mut wrong = Vec::new();
    for ((row, column), cell) in &cells {
        let step = [Step::Read, Step::Customer, Step::Charge, Step::Verify][*column];
        if cell.is_empty() {
            continue;
        }
        let heard = play(step, way(row)).await;
        if heard != *cell {
            wrong.push(format!("{row}, {step:?}: the table has {cell:?}, it is {heard:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(cells.len(), 40);
}
