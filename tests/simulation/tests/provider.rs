//! The bank of the simulation and the Stripe stand-in, put to the same questions: what the simulation
//! shows of the ledger is worth as much as the two agree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "all of this file is tests, their helpers too"
)]

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use stripe402_ledger::stripe::{
    CardCharge, DisputePhase, Failure, IntentStatus, NewRefund, Provider, Stripe, StripeOptions,
    Verification,
};
use stripe402_protocol::{Currency, PaymentIntentId, PaymentMethodId};
use stripe402_simulation::{
    bank::line::Line,
    ledger::Life,
    plan::{Bank, Plan},
    world::World,
};
use stripe402_tests::{
    card, ports,
    stripe_sim::{SECRET_KEY, StripeSim, StripeSimOptions},
};

/// A provider, and what happens outside of its API.
#[async_trait]
trait Stand {
    fn provider(&self) -> &dyn Provider;
    /// Two PaymentMethods of one card number that nobody used before.
    async fn methods(&self, bank: Bank) -> [PaymentMethodId; 2];
    async fn confirm(&self, intent: &str, confirms: bool);
    async fn fail_refund(&self, id: &str);
    async fn dispute(&self, intent: &str) -> String;
    async fn close_dispute(&self, id: &str, won: bool);
}

struct Simulated {
    world: Arc<World>,
    line: Line,
}

impl Simulated {
    fn new() -> Self {
        let plan = Plan { faults: Vec::new(), acts: Vec::new(), ..Plan::draw(1) };
        let world = World::new(plan, false);
        let dice = Arc::new(world.dice("line"));
        let line =
            Line { world: Arc::clone(&world), spent: Arc::default(), life: Life::new(0), dice };
        Self { world, line }
    }
}

#[async_trait]
impl Stand for Simulated {
    fn provider(&self) -> &dyn Provider {
        &self.line
    }
    async fn methods(&self, bank: Bank) -> [PaymentMethodId; 2] {
        let number = self.world.dice("numbers").bits() ^ self.world.now_ms();
        [1, 2].map(|of| {
            let id = format!("pm_{number}_{of}");
            self.world.bank.add_method(&id, &number.to_string(), bank);
            id.parse().unwrap()
        })
    }
    async fn confirm(&self, intent: &str, confirms: bool) {
        self.world.bank.confirm(intent, confirms, self.world.now_ms());
    }
    async fn fail_refund(&self, id: &str) {
        self.world.bank.fail_refund(id, self.world.now_ms());
    }
    async fn dispute(&self, intent: &str) -> String {
        self.world.bank.open_dispute(intent, self.world.now_ms()).unwrap()
    }
    async fn close_dispute(&self, id: &str, won: bool) {
        let phase = if won { DisputePhase::Won } else { DisputePhase::Lost };
        self.world.bank.move_dispute(id, phase, self.world.now_ms());
    }
}

struct StandIn {
    sim: StripeSim,
    stripe: Stripe,
}

#[async_trait]
impl Stand for StandIn {
    fn provider(&self) -> &dyn Provider {
        &self.stripe
    }
    async fn methods(&self, bank: Bank) -> [PaymentMethodId; 2] {
        let number = match bank {
            Bank::Pays => card::fresh().unwrap(),
            Bank::Declines(_) => "4000000000000002".to_owned(),
            Bank::Asks => "4000002760003184".to_owned(),
        };
        let made = async || self.sim.payment_method(&number, "123").await.unwrap().parse().unwrap();
        [made().await, made().await]
    }
    async fn confirm(&self, intent: &str, confirms: bool) {
        self.sim.authenticate(intent, confirms).await.unwrap();
    }
    async fn fail_refund(&self, id: &str) {
        self.sim.control(&format!("refunds/{id}/fail"), &json!({})).await.unwrap();
    }
    async fn dispute(&self, intent: &str) -> String {
        let wish = json!({"payment_intent": intent});
        let opened = self.sim.control("disputes", &wish).await.unwrap();
        opened["id"].as_str().unwrap().to_owned()
    }
    async fn close_dispute(&self, id: &str, won: bool) {
        let status = json!({"status": if won { "won" } else { "lost" }});
        self.sim.control(&format!("disputes/{id}/close"), &status).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_simulations_bank() {
    put_to_the_questions(&Simulated::new()).await;
}

#[tokio::test]
async fn the_stand_in() {
    let folder = tempfile::tempdir().unwrap();
    let options = StripeSimOptions {
        port: ports::free().unwrap(),
        state_dir: folder.path().join("state"),
        webhook_url: "http://127.0.0.1:9/nobody".to_owned(),
        webhook_secret: "whsec_x".to_owned(),
        log: folder.path().join("log"),
    };
    let sim = StripeSim::start(&options).await.unwrap();
    let stripe = Stripe::new(&StripeOptions {
        secret_key: SECRET_KEY.into(),
        api_base: sim.url("/"),
        timeout: std::time::Duration::from_secs(10),
    });
    put_to_the_questions(&StandIn { sim, stripe: stripe.unwrap() }).await;
}

async fn put_to_the_questions(stand: &dyn Stand) {
    cards_and_customers(stand).await;
    charges_and_their_keys(stand).await;
    cards_that_do_not_simply_pay(stand).await;
    cards_off_session(stand).await;
    refunds(stand).await;
    disputes(stand).await;
    verifications(stand).await;
}

fn charge(customer: &str, card: &PaymentMethodId, top_up: &str) -> CardCharge {
    CardCharge {
        top_up: top_up.to_owned(),
        subject: "0123456789abcdef".to_owned(),
        books: "books".to_owned(),
        customer: customer.to_owned(),
        card: card.clone().into(),
        amount_minor: 500,
        currency: Currency::USD,
        off_session: false,
    }
}

/// A top-up that nobody charged before.
fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn invalid<T: std::fmt::Debug>(answer: Result<T, Failure>) -> String {
    match answer {
        Err(Failure::Invalid(code)) => code,
        other => panic!("{other:?}"),
    }
}

async fn customer(stand: &dyn Stand) -> String {
    stand.provider().create_customer("0123456789abcdef", &fresh()).await.unwrap()
}

async fn cards_and_customers(stand: &dyn Stand) {
    let provider = stand.provider();
    let [one, other] = stand.methods(Bank::Pays).await;
    let (one, other) = (provider.card(&one).await.unwrap(), provider.card(&other).await.unwrap());
    assert_eq!(one.fingerprint, other.fingerprint, "of one number");
    assert_eq!(one.customer, None);
    let nobody = "pm_that_nobody_made".parse().unwrap();
    assert_eq!(invalid(provider.card(&nobody).await), "resource_missing");
    let key = fresh();
    let made = provider.create_customer("0123456789abcdef", &key).await.unwrap();
    assert_eq!(provider.create_customer("0123456789abcdef", &key).await.unwrap(), made);
    assert!(provider.has_customer(&made).await.unwrap());
    assert!(!provider.has_customer("cus_that_nobody_made").await.unwrap());
}

async fn charges_and_their_keys(stand: &dyn Stand) {
    let provider = stand.provider();
    let ([card, second], customer, name) =
        (stand.methods(Bank::Pays).await, customer(stand).await, fresh());
    let wanted = charge(&customer, &card, &name);
    let paid = provider.charge(&wanted).await.unwrap();
    assert_eq!(paid.status, IntentStatus::Succeeded);
    assert_eq!((paid.amount_minor, paid.received_minor), (500, 500));
    assert_eq!(paid.customer.as_deref(), Some(customer.as_str()));
    assert_eq!(paid.top_up.as_deref(), Some(name.as_str()));
    assert_eq!(paid.books.as_deref(), Some("books"));
    assert_eq!(provider.charge(&wanted).await.unwrap().id, paid.id, "the same key");
    let other_amount = CardCharge { amount_minor: 600, ..wanted.clone() };
    assert!(matches!(provider.charge(&other_amount).await, Err(Failure::Unknown(_))));
    assert_eq!(provider.card(&card).await.unwrap().customer, Some(customer.clone()), "attached");
    assert_eq!(provider.card(&second).await.unwrap().customer, None);
    // Whom a card is attached to, nobody else can charge.
    let stranger = self::customer(stand).await;
    let foreign = provider.charge(&charge(&stranger, &card, &fresh())).await;
    assert!(matches!(foreign, Err(Failure::Invalid(_))), "{foreign:?}");
    let nobody = charge("cus_that_nobody_made", &second, &fresh());
    assert_eq!(invalid(provider.charge(&nobody).await), "resource_missing");
    let id: PaymentIntentId = paid.id.parse().unwrap();
    assert_eq!(provider.intent(&id).await.unwrap().received_minor, 500);
    assert_eq!(
        invalid(provider.intent(&"pi_that_nobody_made".parse().unwrap()).await),
        "resource_missing"
    );
    let again = provider.charge(&charge(&customer, &card, &fresh())).await.unwrap();
    let listed = provider.intents_of(&customer, 0).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|intent| intent.id).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&again.id) && listed.contains(&paid.id));
    assert!(provider.intents_since(0).await.unwrap().iter().any(|intent| intent.id == paid.id));
    assert!(provider.changed_since(0).await.unwrap().intents.contains(&paid.id));
    assert!(matches!(provider.cancel(&id, &fresh()).await, Err(Failure::Invalid(_))));
}

async fn cards_that_do_not_simply_pay(stand: &dyn Stand) {
    let provider = stand.provider();
    let customer = customer(stand).await;
    let [declined, _] = stand.methods(Bank::Declines(u32::MAX)).await;
    let wanted = charge(&customer, &declined, &fresh());
    for _ in 0..2 {
        match provider.charge(&wanted).await {
            Err(Failure::Card(decline)) => assert_eq!(decline.code, "card_declined"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(provider.card(&declined).await.unwrap().customer, None);

    for confirms in [true, false] {
        let [asks, _] = stand.methods(Bank::Asks).await;
        let wanted = charge(&customer, &asks, &fresh());
        let open = provider.charge(&wanted).await.unwrap();
        assert_eq!((open.status, open.received_minor), (IntentStatus::RequiresAction, 0));
        assert!(open.client_secret.is_some());
        stand.confirm(&open.id, confirms).await;
        let id: PaymentIntentId = open.id.parse().unwrap();
        let now = provider.intent(&id).await.unwrap();
        if confirms {
            assert_eq!((now.status, now.received_minor), (IntentStatus::Succeeded, 500));
            assert_eq!(provider.card(&asks).await.unwrap().customer, Some(customer.clone()));
        } else {
            assert_eq!(now.status, IntentStatus::RequiresPaymentMethod);
            let cancelled = provider.cancel(&id, &fresh()).await.unwrap();
            assert_eq!(cancelled.status, IntentStatus::Canceled);
            assert!(matches!(provider.cancel(&id, &fresh()).await, Err(Failure::Invalid(_))));
        }
        // The key brings what it brought first.
        assert_eq!(provider.charge(&wanted).await.unwrap().status, IntentStatus::RequiresAction);
    }
}

/// While nobody is there: the customer's card pays, and one that asks is declined.
async fn cards_off_session(stand: &dyn Stand) {
    let provider = stand.provider();
    let ([pays, _], customer) = (stand.methods(Bank::Pays).await, customer(stand).await);
    provider.charge(&charge(&customer, &pays, &fresh())).await.unwrap();
    let alone = |card: &PaymentMethodId| CardCharge {
        off_session: true,
        ..charge(&customer, card, &fresh())
    };
    assert_eq!(provider.charge(&alone(&pays)).await.unwrap().status, IntentStatus::Succeeded);
    let [asks, _] = stand.methods(Bank::Asks).await;
    let open = provider.charge(&charge(&customer, &asks, &fresh())).await.unwrap();
    stand.confirm(&open.id, true).await;
    match provider.charge(&alone(&asks)).await {
        Err(Failure::Card(decline)) => assert_eq!(decline.code, "authentication_required"),
        other => panic!("{other:?}"),
    }
}

async fn refunds(stand: &dyn Stand) {
    let provider = stand.provider();
    let ([card, _], customer) = (stand.methods(Bank::Pays).await, customer(stand).await);
    let paid = provider.charge(&charge(&customer, &card, &fresh())).await.unwrap();
    let intent: PaymentIntentId = paid.id.parse().unwrap();
    let refund = |amount_minor, hold: &str, attempt| NewRefund {
        intent: intent.clone(),
        amount_minor,
        hold: hold.to_owned(),
        subject: "0123456789abcdef".to_owned(),
        attempt,
    };
    let hold = fresh();
    let first = provider.refund(&refund(200, &hold, 0)).await.unwrap();
    assert_eq!((first.amount_minor, first.failed), (200, false));
    assert_eq!(first.hold.as_deref(), Some(hold.as_str()));
    assert_eq!(provider.refund(&refund(200, &hold, 0)).await.unwrap().id, first.id);
    let second = provider.refund(&refund(100, &hold, 1)).await.unwrap();
    assert_ne!(second.id, first.id, "another key");
    assert!(matches!(provider.refund(&refund(300, &fresh(), 0)).await, Err(Failure::Invalid(_))));
    stand.fail_refund(&first.id).await;
    let listed = provider.refunds(&intent).await.unwrap();
    let failed: Vec<_> = listed.iter().map(|of| (of.id == first.id, of.failed)).collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.contains(&(true, true)) && failed.contains(&(false, false)));
    let changed = provider.changed_since(0).await.unwrap();
    assert!(changed.refunds[intent.as_str()].contains(&first.id), "{changed:?}");
    // What failed can go back after all.
    provider.refund(&refund(400, &fresh(), 0)).await.unwrap();
    assert!(provider.refunds_since(0).await.unwrap().len() >= 3);
}

async fn disputes(stand: &dyn Stand) {
    let provider = stand.provider();
    let ([card, _], customer) = (stand.methods(Bank::Pays).await, customer(stand).await);
    let paid = provider.charge(&charge(&customer, &card, &fresh())).await.unwrap();
    let id = stand.dispute(&paid.id).await;
    let open = provider.dispute(&id).await.unwrap();
    assert_eq!((open.phase, open.amount_minor), (DisputePhase::Open, 500));
    assert_eq!(open.intent.as_deref(), Some(paid.id.as_str()));
    let refund = NewRefund {
        intent: paid.id.parse().unwrap(),
        amount_minor: 500,
        hold: fresh(),
        subject: String::from("0123456789abcdef"),
        attempt: 0,
    };
    assert!(matches!(provider.refund(&refund).await, Err(Failure::Invalid(_))));
    stand.close_dispute(&id, true).await;
    assert_eq!(provider.dispute(&id).await.unwrap().phase, DisputePhase::Won);
    assert!(provider.disputes_since(0).await.unwrap().iter().any(|of| of.id == id));
    assert!(provider.changed_since(0).await.unwrap().disputes.contains(&id));
    assert!(matches!(provider.dispute("dp_that_nobody_opened").await, Err(Failure::Invalid(_))));
}

async fn verifications(stand: &dyn Stand) {
    let provider = stand.provider();
    let customer = customer(stand).await;
    let [good, _] = stand.methods(Bank::Pays).await;
    let verified = provider.verify(&customer, &good, &fresh()).await.unwrap();
    assert!(matches!(verified, Verification::Verified));
    assert_eq!(provider.card(&good).await.unwrap().customer, Some(customer.clone()));
    let [asks, _] = stand.methods(Bank::Asks).await;
    let waits = provider.verify(&customer, &asks, &fresh()).await.unwrap();
    assert!(matches!(waits, Verification::RequiresAction(Some(_))));
    let [declined, _] = stand.methods(Bank::Declines(u32::MAX)).await;
    let refused = provider.verify(&customer, &declined, &fresh()).await;
    assert!(matches!(refused, Err(Failure::Card(_))), "{refused:?}");
    let nobody = provider.verify("cus_that_nobody_made", &good, &fresh()).await;
    assert!(matches!(nobody, Err(Failure::Invalid(_))), "{nobody:?}");
}
