//! A card that was declined, a month later.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::{
    accounting::UNCHARGED_KEPT,
    clock::Clock,
    postings::Unavailable,
    store::{Accounts as _, TopUps as _},
    sync::DifferenceKind,
};

/// A clock that goes on when it is told to.
#[derive(Clone)]
pub(super) struct Time(Arc<AtomicU64>);

impl Time {
    pub(super) fn pass(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Time {
    /// It stands still.
    pub(super) fn now() -> Self {
        Self(Arc::new(AtomicU64::new(SystemClock.now_ms())))
    }
}

impl Clock for Time {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Payments over books in memory, and a bank that has just declined a card.
struct Case {
    parts: Parts,
    store: Arc<Meddling>,
    bank: Arc<Bank>,
    time: Time,
    account: AccountKey,
}

impl Case {
    async fn declined() -> Self {
        let time = Time::now();
        let books = InMemory::new(time.clone(), Duration::from_secs(7 * 24 * 3600));
        let store = Arc::new(Meddling::over(books));
        let bank = Arc::new(Bank::default());
        *bank.card.lock().unwrap() = ("fp", None);
        *bank.status.lock().unwrap() = IntentStatus::RequiresPaymentMethod;
        let (clock, ids) = (Arc::new(time.clone()), Arc::new(RandomIds));
        let edges = Edges { store: store.clone(), provider: bank.clone(), clock, ids };
        let secrets = vec![SecretString::from("secret")];
        let parts = Parts::new(edges, secrets, PaymentOptions::default());
        let client = ClientId::derive(b"secret", "fp");
        let account = AccountKey { client, currency: Currency::USD };
        let case = Self { parts, store, bank, time, account };
        let CardAnswer::Refused { refusal, .. } = case.pay(1).await.unwrap() else { panic!() };
        assert_eq!(refusal.error_code, Code::CardDeclined);
        assert_eq!(case.customer().await.as_deref(), Some("cus_1"));
        case
    }

    async fn pay(&self, number: u8) -> Result<CardAnswer, Unavailable> {
        let deduction_id = DeductionId::mint(self.time.now_ms(), [number; 10]);
        self.parts.payments.pay(&CardPayment { deduction_id, ..request() }).await
    }

    async fn customer(&self) -> Option<String> {
        self.store.customer(self.account.client).await.unwrap()
    }

    async fn available(&self) -> i64 {
        self.store.account(self.account).await.unwrap().available.get()
    }

    /// So much later, what is due is forgotten; and then the declined charge has succeeded.
    async fn succeeds_after(&self, by: Duration) -> PaymentIntentId {
        self.time.pass(by);
        self.store.books.upkeep(self.time.now_ms()).await.unwrap();
        let mut intents = self.bank.intents.lock().unwrap();
        let intent = intents.values_mut().next().unwrap();
        intent.status = IntentStatus::Succeeded;
        intent.id.parse().unwrap()
    }
}

/// Within the month its client gets the credits by itself.
#[tokio::test]
async fn a_declined_charge_that_succeeds_within_a_month_is_credited() {
    let case = Case::declined().await;
    let intent = case.succeeds_after(UNCHARGED_KEPT - Duration::from_millis(1)).await;
    case.parts.sync.sync_intent(&intent).await.unwrap();
    assert_eq!(case.available().await, 50_000);
    assert_eq!(case.parts.sync.differences(&[case.account], 0).await.unwrap(), []);
}

/// Later, it is a charge that the books do not know: nobody is credited, and reconciling says so.
#[tokio::test]
async fn a_charge_whose_top_up_was_forgotten_is_reported() {
    let case = Case::declined().await;
    let intent = case.succeeds_after(UNCHARGED_KEPT).await;
    assert_eq!(case.customer().await, None);
    case.parts.sync.sync_intent(&intent).await.unwrap();
    assert_eq!(case.available().await, 0);
    let found = case.parts.sync.differences(&[], 0).await.unwrap();
    let [difference] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(difference.problem, DifferenceKind::NotCredited);
    assert_eq!(difference.reference, intent.as_str());
    // Also if nobody can tell any more whose card it is: an older secret is gone, say.
    *case.bank.card.lock().unwrap() = ("another fingerprint", None);
    assert_eq!(case.parts.sync.differences(&[], 0).await.unwrap(), found);
    case.parts.sync.repair(difference).await.unwrap();
    assert_eq!(case.available().await, 0);
    *case.bank.card.lock().unwrap() = ("fp", None);
    // An operator who has it repaired gives it to whose card it is, once.
    for _ in 0..2 {
        case.parts.sync.repair(difference).await.unwrap();
        assert_eq!(case.available().await, 50_000);
    }
    assert_eq!(case.customer().await.as_deref(), Some("cus_1"));
    assert_eq!(case.parts.sync.differences(&[case.account], 0).await.unwrap(), []);
}

/// The client's names are forgotten while it comes back, and a ledger with other secrets knows it by
/// another id meanwhile: the card is not charged for both.
#[tokio::test]
async fn a_client_that_is_forgotten_while_it_comes_back_is_not_charged_twice() {
    let case = Case::declined().await;
    case.time.pass(UNCHARGED_KEPT - Duration::from_secs(1));
    *case.bank.status.lock().unwrap() = IntentStatus::Succeeded;
    let passes = (case.time.clone(), Duration::from_secs(1), case.account.client);
    *case.store.passes.lock().unwrap() = Some(passes);
    let before = case.bank.charges.load(Ordering::SeqCst);
    let answer = case.pay(2).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(case.bank.charges.load(Ordering::SeqCst), before);
    assert_eq!(case.store.unfinished_top_ups().await.unwrap(), []);
}
