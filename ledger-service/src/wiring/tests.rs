//! Card payments where the schedule matters: a store and a provider that act at a chosen moment.

use crate::store::Customers as _;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId, Code, Currency, DeductionId, PaymentIntentId, PaymentMethodId, Reason, Refusal,
    Units,
    message::{Batch, BatchAnswer, CardAnswer, CardPayment, DeductionOutcome},
};
use uuid::Uuid;

use super::*;
use crate::{
    accounting::{
        AccountKey, AuditEntry, Claim, Kind, Limit, NewTopUp, Opened, Posted, Posting, State,
        TopUpId,
    },
    clock::{RandomIds, SystemClock},
    options::{LimitOptions, WithoutIdentity},
    refunds::RefundError,
    store::{InMemory, StoreError},
    stripe::{
        Card, CardCharge, Changed, Dispute, Failure, Intent, IntentStatus, NewRefund, Refund,
        Verification,
    },
};
mod accounts;
mod bank;
mod forgotten;
mod meddling;
mod trial;

use bank::Bank;
use forgotten::Time;
use meddling::Meddling;

fn request() -> CardPayment {
    CardPayment {
        version: 1,
        deduction_id: DeductionId::mint(SystemClock.now_ms(), [1; 10]),
        instrument: "pm_1".parse().unwrap(),
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
    }
}

/// Two first requests with one card: the second looks at the balance before the first one's
/// credit, and would open a top-up after it. The card must be charged once.
#[tokio::test]
async fn a_credit_between_the_look_and_the_charge_is_seen() {
    let books = InMemory::new(SystemClock, Duration::from_secs(7 * 24 * 3600));
    let store = Arc::new(Meddling::over(books));
    let bank = Arc::new(Bank::default());
    let client = ClientId::derive(b"secret", "fp");
    store.remember_customer(client, "cus_1".into()).await.unwrap();
    let options = PaymentOptions {
        deadline: Duration::from_secs(5),
        poll: Duration::from_millis(1),
        retry_first: Duration::from_millis(1),
        retry_most: Duration::from_millis(1),
        confirmation: Duration::from_secs(900),
        settle_after: Duration::from_secs(600),
        in_flight: Duration::from_millis(1),
        limits: LimitOptions::default(),
        unknown_memory: Duration::from_secs(300),
        live: false,
        verify_cards: true,
        without_identity: WithoutIdentity::Refuse,
        decline_details: false,
        refund_debt: false,
        most_keys: 100,
        lost_books: None,
    };
    let secrets = vec![SecretString::from("secret")];
    let (shared, clock) = (Arc::clone(&bank), Arc::new(SystemClock));
    let ids = Arc::new(RandomIds);
    let edges = Edges { store: store.clone(), provider: shared, clock, ids };
    let parts = Parts::new(edges, secrets, options);
    let answer = parts.payments.pay(&request()).await.unwrap();
    let CardAnswer::Paid { credits_remaining, payment_intent_id, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((credits_remaining.get(), payment_intent_id), (49_900, None));
    assert_eq!(store.meddled.load(Ordering::SeqCst), 1, "the schedule did not happen");
    assert_eq!(bank.charges.load(Ordering::SeqCst), 0, "the card was charged a second time");
}

/// A charge that was given up succeeds after another one has taken its place.
#[tokio::test]
async fn a_card_that_was_charged_twice_gets_one_back() {
    let books = InMemory::new(SystemClock, Duration::from_secs(7 * 24 * 3600));
    let store: Arc<dyn Store> = Arc::new(books);
    let bank = Arc::new(Bank::default());
    let secrets = vec![SecretString::from("secret")];
    let options = PaymentOptions::default();
    let clock = Arc::new(SystemClock);
    let ids = Arc::new(RandomIds);
    let provider: Arc<dyn Provider> = bank.clone();
    let edges = Edges { store: Arc::clone(&store), provider, clock, ids };
    let parts = Parts::new(edges, secrets, options);
    let account = AccountKey { client: ClientId::derive(b"secret", "fp"), currency: Currency::USD };
    let wanted = || NewTopUp {
        id: TopUpId(Uuid::new_v4()),
        account,
        amount: Units::from_u32(50_000),
        needed: Units::MAX,
        payment_method: "pm_1".parse().unwrap(),
        card: None,
        idempotency_key: None,
        now_ms: SystemClock.now_ms(),
    };
    let credited = |intent: &str| State::Credited {
        payment_intent: intent.to_owned(),
        amount: Units::from_u32(50_000),
    };
    let lapsed = async |wanted: NewTopUp| {
        let Opened::New(top_up) = store.open_top_up(wanted).await.unwrap() else { panic!() };
        store.advance_top_up(top_up.id, None, State::Lapsed).await.unwrap();
        store.top_up(top_up.id).await.unwrap().unwrap()
    };
    let available = async || store.account(account).await.unwrap().available;
    // Late, but the only one.
    let first = lapsed(wanted()).await;
    parts.topups.close(first.id, credited("pi_1")).await.unwrap();
    assert_eq!(available().await, Units::from_u32(50_000));
    // Late, and another one was charged in its place.
    let given_up = lapsed(wanted()).await;
    let Opened::New(other) = store.open_top_up(wanted()).await.unwrap() else { panic!() };
    parts.topups.close(other.id, credited("pi_3")).await.unwrap();
    parts.topups.close(given_up.id, credited("pi_2")).await.unwrap();
    assert_eq!(available().await, Units::from_u32(100_000));
    assert_eq!(*bank.refunded.lock().unwrap(), ["pi_2 500"]);
    // Told of again, it goes back once.
    parts.topups.close(given_up.id, credited("pi_2")).await.unwrap();
    assert_eq!(bank.refunded.lock().unwrap().len(), 1);
}

/// Whoever asks again under a key hears what became of it, though no card may be tried any more.
#[tokio::test]
async fn a_key_that_is_repeated_has_its_answer_when_a_limit_is_full() {
    let books = InMemory::new(SystemClock, Duration::from_secs(7 * 24 * 3600));
    let store: Arc<dyn Store> = Arc::new(books);
    let bank = Arc::new(Bank::default());
    store.remember_customer(ClientId::derive(b"secret", "fp"), "cus_1".into()).await.unwrap();
    let limits = LimitOptions { source_attempts: 1, ..LimitOptions::default() };
    let options = PaymentOptions { limits, ..PaymentOptions::default() };
    let provider: Arc<dyn Provider> = bank.clone();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let edges = Edges { store, provider, clock, ids };
    let parts = Parts::new(edges, vec![SecretString::from("secret")], options);
    let ask = async |random: u8, name: &str| {
        let asked = CardPayment {
            deduction_id: DeductionId::mint(SystemClock.now_ms(), [random; 10]),
            price: Units::from_u32(50_000),
            idempotency_key: Some(name.to_owned()),
            source: Some("192.0.2.1".to_owned()),
            ..request()
        };
        parts.payments.pay(&asked).await.unwrap()
    };
    assert!(matches!(ask(1, "k").await, CardAnswer::Paid { .. }));
    // It was spent, and so the answer is that there is nothing left: not that there were too many.
    assert!(matches!(ask(2, "k").await, CardAnswer::Insufficient { .. }));
    let CardAnswer::Refused { refusal, .. } = ask(3, "other").await else { panic!() };
    assert_eq!(refusal.reason, Some(Reason::RateLimited));
    assert_eq!(bank.charges.load(Ordering::SeqCst), 1);
}
