//! Card payments where the schedule matters: a store and a provider that act at a chosen moment.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use stripe402_protocol::{
    ChargeId, ClientId, Currency, PaymentIntentId, PaymentMethodId, Units,
    message::{Batch, BatchAnswer, CardAnswer, CardPayment, ChargeOutcome},
};

use super::*;
use crate::{
    clock::{RandomIds, SystemClock},
    ledger::{
        Account, Advance, AuditEntry, AuditKey, Kind, Limit, Movement, NewTopUp, Posted, Posting,
        TopUp,
    },
    store::{InMemory, KeptCharge, StoreError, Tally},
    stripe::{CardCharge, Dispute, Failure, Intent, IntentStatus, NewRefund, Refund, Verification},
};

/// Credits the account once, just after somebody was told that it is short.
struct Meddling {
    books: InMemory,
    meddled: AtomicU32,
    /// How often an account's movements were read.
    read: AtomicU32,
}

#[async_trait]
impl Store for Meddling {
    async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let answer = self.books.batch(batch.clone()).await?;
        let short =
            answer.charges.iter().any(|(_, outcome)| *outcome == ChargeOutcome::Insufficient);
        if short && self.meddled.fetch_add(1, Ordering::SeqCst) == 0 {
            let charge = &batch.charges[0];
            let key = AccountKey { client: charge.client_id, currency: charge.currency };
            let posting = Posting {
                kind: Kind::TopUp,
                reference: "pi_of_another_request".into(),
                amount: Units::from_u32(50_000),
                note: None,
            };
            self.books.post(key, posting).await?;
        }
        Ok(answer)
    }
    async fn account(&self, key: AccountKey) -> Result<Account, StoreError> {
        self.books.account(key).await
    }
    async fn post(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.books.post(key, posting).await
    }
    async fn post_up_to(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.books.post_up_to(key, posting).await
    }
    async fn post_together(
        &self,
        key: AccountKey,
        postings: Vec<Posting>,
    ) -> Result<Posted, StoreError> {
        self.books.post_together(key, postings).await
    }
    async fn movements(&self, key: AccountKey) -> Result<Vec<Movement>, StoreError> {
        self.read.fetch_add(1, Ordering::SeqCst);
        self.books.movements(key).await
    }
    async fn movement(
        &self,
        key: AccountKey,
        kind: Kind,
        reference: &str,
    ) -> Result<Option<Movement>, StoreError> {
        self.books.movement(key, kind, reference).await
    }
    async fn accounts(
        &self,
        client: Option<ClientId>,
        after: Option<AccountKey>,
        most: usize,
    ) -> Result<Vec<AccountKey>, StoreError> {
        self.books.accounts(client, after, most).await
    }
    async fn tallies(&self, key: AccountKey) -> Result<Vec<Tally>, StoreError> {
        self.books.tallies(key).await
    }
    async fn charges(&self, key: AccountKey, most: usize) -> Result<Vec<KeptCharge>, StoreError> {
        self.books.charges(key, most).await
    }
    async fn customer(&self, client: ClientId) -> Result<Option<String>, StoreError> {
        self.books.customer(client).await
    }
    async fn remember_customer(&self, client: ClientId, id: String) -> Result<String, StoreError> {
        self.books.remember_customer(client, id).await
    }
    async fn replace_customer(
        &self,
        client: ClientId,
        gone: &str,
        id: String,
    ) -> Result<String, StoreError> {
        self.books.replace_customer(client, gone, id).await
    }
    async fn payer(&self, intent: &str) -> Result<Option<AccountKey>, StoreError> {
        self.books.payer(intent).await
    }
    async fn agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        self.books.agreed(anchor, wanted).await
    }
    async fn identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        self.books.identity(fresh).await
    }
    async fn within(&self, limit: &Limit, count: bool) -> Result<Option<Duration>, StoreError> {
        self.books.within(limit, count).await
    }
    async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        self.books.open_top_up(wanted).await
    }
    async fn advance_top_up(
        &self,
        id: TopUpId,
        from: Option<State>,
        to: State,
    ) -> Result<Advance, StoreError> {
        self.books.advance_top_up(id, from, to).await
    }
    async fn top_up(&self, id: TopUpId) -> Result<Option<TopUp>, StoreError> {
        self.books.top_up(id).await
    }
    async fn unfinished_top_ups(&self) -> Result<Vec<TopUp>, StoreError> {
        self.books.unfinished_top_ups().await
    }
    async fn recent_top_ups(&self, most: usize) -> Result<Vec<TopUp>, StoreError> {
        self.books.recent_top_ups(most).await
    }
    async fn record_action(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.books.record_action(entry).await
    }
    async fn audit(
        &self,
        before: Option<AuditKey>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.books.audit(before, most).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.books.ping().await
    }
}

/// A bank that takes every card, and counts.
struct Bank {
    charges: AtomicU32,
    refunded: Mutex<Vec<String>>,
    /// How it shows every card.
    card: Mutex<(&'static str, Option<&'static str>)>,
    /// How charges end.
    status: Mutex<IntentStatus>,
    /// What it lists of refunds.
    refunds: Mutex<Vec<Refund>>,
    /// What it says of every dispute.
    dispute: Mutex<Option<Dispute>>,
    cancelled: AtomicU32,
    /// What was made.
    intents: Mutex<BTreeMap<String, Intent>>,
}

impl Default for Bank {
    fn default() -> Self {
        Self {
            charges: AtomicU32::default(),
            refunded: Mutex::default(),
            card: Mutex::new(("fp", Some("cus_1"))),
            status: Mutex::new(IntentStatus::Succeeded),
            refunds: Mutex::default(),
            dispute: Mutex::default(),
            cancelled: AtomicU32::default(),
            intents: Mutex::default(),
        }
    }
}

#[async_trait]
impl Provider for Bank {
    async fn card(&self, id: &PaymentMethodId) -> Result<Card, Failure> {
        let (fingerprint, customer) = *self.card.lock().unwrap();
        let customer = customer.map(ToOwned::to_owned);
        Ok(Card { id: id.clone(), fingerprint: fingerprint.into(), customer })
    }
    async fn create_customer(&self, _: &str, _: &str) -> Result<String, Failure> {
        Ok("cus_1".into())
    }
    async fn has_customer(&self, _: &str) -> Result<bool, Failure> {
        Ok(true)
    }
    async fn charge(&self, charge: &CardCharge) -> Result<Intent, Failure> {
        self.charges.fetch_add(1, Ordering::SeqCst);
        let intent = Intent {
            id: format!("pi_{}", charge.top_up.replace('-', "")),
            status: *self.status.lock().unwrap(),
            amount_minor: charge.amount_minor,
            received_minor: charge.amount_minor,
            books: Some(charge.books.clone()),
            currency: charge.currency.to_string(),
            card: Some(charge.card.as_str().to_owned()),
            client_secret: None,
            top_up: Some(charge.top_up.clone()),
            customer: Some(charge.customer.clone()),
            subject: Some(charge.subject.clone()),
        };
        self.intents.lock().unwrap().insert(intent.id.clone(), intent.clone());
        Ok(intent)
    }
    async fn intent(&self, id: &PaymentIntentId) -> Result<Intent, Failure> {
        let known = self.intents.lock().unwrap().get(id.as_str()).cloned();
        known.ok_or_else(|| Failure::Invalid("none".into()))
    }
    async fn intents_of(&self, _: &str, _: u64) -> Result<Vec<Intent>, Failure> {
        Ok(Vec::new())
    }
    async fn refund(&self, wanted: &NewRefund) -> Result<Refund, Failure> {
        let line = format!("{} {}", wanted.intent.as_str(), wanted.amount_minor);
        self.refunded.lock().unwrap().push(line);
        Ok(Refund {
            id: "re_1".into(),
            intent: Some(wanted.intent.as_str().to_owned()),
            hold: Some(wanted.hold.clone()),
            amount_minor: wanted.amount_minor,
            currency: "usd".into(),
            failed: false,
        })
    }
    async fn intents_since(&self, _: u64) -> Result<Vec<Intent>, Failure> {
        Ok(Vec::new())
    }
    async fn refunds_since(&self, _: u64) -> Result<Vec<Refund>, Failure> {
        Ok(self.refunds.lock().unwrap().clone())
    }
    async fn disputes_since(&self, _: u64) -> Result<Vec<Dispute>, Failure> {
        Ok(Vec::new())
    }
    async fn refunds(&self, id: &PaymentIntentId) -> Result<Vec<Refund>, Failure> {
        let all = self.refunds.lock().unwrap();
        let of = |refund: &&Refund| refund.intent.as_deref().is_none_or(|of| of == id.as_str());
        Ok(all.iter().filter(of).cloned().collect())
    }
    async fn dispute(&self, _: &str) -> Result<Dispute, Failure> {
        self.dispute.lock().unwrap().clone().ok_or_else(|| Failure::Invalid("none".into()))
    }
    async fn cancel(&self, id: &PaymentIntentId, _: &str) -> Result<Intent, Failure> {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
        Ok(Intent { status: IntentStatus::Canceled, ..self.intent(id).await? })
    }
    async fn verify(&self, _: &str, _: &PaymentMethodId, _: &str) -> Result<Verification, Failure> {
        Ok(Verification::Verified)
    }
}

fn request() -> CardPayment {
    CardPayment {
        version: 1,
        charge_id: ChargeId::mint(SystemClock.now_ms(), [1; 10]),
        payment_method_id: "pm_1".parse().unwrap(),
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
    }
}

/// Two first requests with one card: the second looks at the balance before the first one's
/// credit, and would open a top-up after it. The card must be charged once.
#[tokio::test]
async fn a_credit_between_the_look_and_the_charge_is_seen() {
    let books = InMemory::new(SystemClock, Duration::from_secs(7 * 24 * 3600));
    let store = Arc::new(Meddling { books, meddled: AtomicU32::new(0), read: AtomicU32::new(0) });
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
        decline_details: false,
        refund_debt: false,
        lost_books: None,
    };
    let secrets = vec![SecretString::from("secret")];
    let (shared, clock) = (Arc::clone(&bank), Arc::new(SystemClock));
    let ids = Arc::new(RandomIds);
    let edges = Edges { store: store.clone(), provider: shared, clock, ids };
    let payments = Payments::new(edges, secrets, options);
    let answer = payments.pay(&request()).await.unwrap();
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
    let payments = Payments::new(edges, secrets, options);
    let account = AccountKey { client: ClientId::derive(b"secret", "fp"), currency: Currency::USD };
    let wanted = || NewTopUp {
        id: TopUpId(Uuid::new_v4()),
        account,
        amount: Units::from_u32(50_000),
        needed: Units::MAX,
        payment_method: "pm_1".parse().unwrap(),
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
    payments.close(first.id, credited("pi_1")).await.unwrap();
    assert_eq!(available().await, Units::from_u32(50_000));
    // Late, and another one was charged in its place.
    let given_up = lapsed(wanted()).await;
    let Opened::New(other) = store.open_top_up(wanted()).await.unwrap() else { panic!() };
    payments.close(other.id, credited("pi_3")).await.unwrap();
    payments.close(given_up.id, credited("pi_2")).await.unwrap();
    assert_eq!(available().await, Units::from_u32(100_000));
    assert_eq!(*bank.refunded.lock().unwrap(), ["pi_2 500"]);
    // Told of again, it goes back once.
    payments.close(given_up.id, credited("pi_2")).await.unwrap();
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
    let payments = Payments::new(edges, vec![SecretString::from("secret")], options);
    let ask = async |random: u8, name: &str| {
        let asked = CardPayment {
            charge_id: ChargeId::mint(SystemClock.now_ms(), [random; 10]),
            price: Units::from_u32(50_000),
            idempotency_key: Some(name.to_owned()),
            source: Some("192.0.2.1".to_owned()),
            ..request()
        };
        payments.pay(&asked).await.unwrap()
    };
    assert!(matches!(ask(1, "k").await, CardAnswer::Paid { .. }));
    // It was spent, and so the answer is that there is nothing left: not that there were too many.
    assert!(matches!(ask(2, "k").await, CardAnswer::Insufficient { .. }));
    let CardAnswer::Refused { refusal, .. } = ask(3, "other").await else { panic!() };
    assert_eq!(refusal.reason, Some(Reason::RateLimited));
    assert_eq!(bank.charges.load(Ordering::SeqCst), 1);
}

mod accounts;
