//! What becomes of accounts by refunds, disputes, debts, changed card numbers and full limits.

use super::*;
use crate::{
    operator::work::{self, Actor, Operations},
    refunds::hold_name::HoldName,
    store::Accounts as _,
    stripe::DisputePhase,
};

mod refunds;

/// Payments over books in memory, and a bank.
struct Case {
    parts: Parts,
    store: Arc<dyn Store>,
    bank: Arc<Bank>,
    requests: AtomicU32,
}

impl Case {
    fn new(options: PaymentOptions) -> Self {
        let books = InMemory::new(SystemClock, Duration::from_secs(7 * 24 * 3600));
        let store: Arc<dyn Store> = Arc::new(books);
        let bank = Arc::new(Bank::default());
        *bank.card.lock().unwrap() = ("fp", None);
        let provider: Arc<dyn Provider> = bank.clone();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
        let edges = Edges { store: Arc::clone(&store), provider, clock, ids };
        let parts = Parts::new(edges, vec![SecretString::from("secret")], options);
        Self { parts, store, bank, requests: AtomicU32::default() }
    }

    /// Pays with a PaymentMethod that this case has not shown yet.
    async fn pay(&self, how: impl FnOnce(&mut CardPayment)) -> CardAnswer {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let [.., last] = number.to_be_bytes();
        let mut asked = CardPayment {
            deduction_id: DeductionId::mint(SystemClock.now_ms(), [last; 10]),
            instrument: format!("pm_{number}").parse().unwrap(),
            ..request()
        };
        how(&mut asked);
        self.parts.payments.pay(&asked).await.unwrap()
    }

    async fn topped_up(&self) -> (AccountKey, PaymentIntentId) {
        let CardAnswer::Paid { client_id, payment_intent_id, .. } = self.pay(|_| ()).await else {
            panic!("the card is good")
        };
        let key = AccountKey { client: client_id, currency: Currency::USD };
        (key, payment_intent_id.unwrap().parse().unwrap())
    }

    async fn post(&self, key: AccountKey, kind: Kind, reference: &str, amount: u32) {
        let (reference, amount) = (reference.to_owned(), Units::from_u32(amount));
        let posting = Posting { kind, reference, amount, note: None };
        assert!(matches!(self.store.post(key, posting).await.unwrap(), Posted::Done(_)));
    }

    /// Available, debt, whether it is frozen.
    async fn stands(&self, key: AccountKey) -> (i64, i64, bool) {
        let account = self.store.account(key).await.unwrap();
        (account.available.get(), account.debt.get(), account.frozen)
    }

    fn list(&self, refund: Refund) {
        *self.bank.refunds.lock().unwrap() = vec![refund];
    }
}

fn refund_of(amount_minor: i64) -> Refund {
    Refund {
        id: "re_1".into(),
        intent: None,
        hold: None,
        amount_minor,
        currency: "usd".into(),
        failed: false,
    }
}

fn refused(answer: CardAnswer) -> Refusal {
    match answer {
        CardAnswer::Refused { refusal, .. } => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_in_debt_is_not_charged_for_nothing() {
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    case.post(key, Kind::DisputeOpened, "dp_0", 299_900).await;
    assert_eq!(case.stands(key).await, (0, 250_000, false));
    for _ in 0..5 {
        let refusal = refused(case.pay(|_| ()).await);
        assert_eq!(refusal.reason, Some(Reason::Debt));
        assert_eq!(refusal.error_code, Code::TopUpBelowMinimum);
        assert_eq!(refusal.amount_owed, Some(Units::from_u32(250_000)));
        assert!(refusal.error.contains("250100 units"), "{}", refusal.error);
    }
    assert_eq!(case.bank.charges.load(Ordering::SeqCst), 1, "only the first one");
    // One that settles the debt but does not pay for the request is nothing, either.
    let offer = |amount: i64| {
        move |asked: &mut CardPayment| {
            asked.max_top_up = Units::from_u32(1_000_000);
            asked.top_up_amount = Some(amount);
        }
    };
    assert_eq!(refused(case.pay(offer(250_000)).await).reason, Some(Reason::Debt));
    let answer = case.pay(offer(250_100)).await;
    assert!(
        matches!(answer, CardAnswer::Paid { credits_remaining: Units::ZERO, .. }),
        "{answer:?}"
    );
    assert_eq!(case.stands(key).await, (0, 0, false));
}

#[tokio::test]
async fn a_refund_that_nobody_ordered_takes_what_is_there() {
    for (refund_debt, hold, taken, debt) in [
        (false, None, 49_900, 0),
        (true, None, 50_000, 100),
        // One that was ordered here names the PaymentIntent that it is about.
        (false, Some("refund:{intent}:order:0"), 50_000, 100),
        (false, Some("refund:pi_another:order:0"), 49_900, 0),
    ] {
        let case = Case::new(PaymentOptions { refund_debt, ..PaymentOptions::default() });
        let (key, intent) = case.topped_up().await;
        let hold = hold.map(|hold| hold.replace("{intent}", intent.as_str()));
        case.list(Refund { hold, ..refund_of(500) });
        // Told twice, it is taken once.
        for _ in 0..2 {
            case.parts.sync.sync_refunds(&intent).await.unwrap();
            assert_eq!(case.stands(key).await, (0, debt, false));
        }
        let movement = case.store.movement(key, Kind::Refund, "re_1").await.unwrap().unwrap();
        assert_eq!(movement.posting.amount.get(), taken);
        // What comes later is not taken after all.
        case.post(key, Kind::AdjustmentUp, "later", 1_000).await;
        case.parts.sync.sync_refunds(&intent).await.unwrap();
        assert_eq!(case.stands(key).await.0, 1_000 - debt);
        // It fails: what it took comes back, and no more.
        let failed = case.bank.refunds.lock().unwrap()[0].clone();
        case.list(Refund { failed: true, ..failed });
        case.parts.sync.sync_refunds(&intent).await.unwrap();
        assert_eq!(case.stands(key).await, (50_900, 0, false));
    }
}

#[tokio::test]
async fn what_stripe_says_in_another_currency_is_not_posted() {
    let case = Case::new(PaymentOptions::default());
    let (key, intent) = case.topped_up().await;
    case.list(Refund { currency: "jpy".into(), ..refund_of(500) });
    case.parts.sync.sync_refunds(&intent).await.unwrap();
    *case.bank.dispute.lock().unwrap() = Some(Dispute {
        id: "dp_1".into(),
        intent: Some(intent.as_str().to_owned()),
        amount_minor: 500,
        currency: "jpy".into(),
        phase: DisputePhase::Open,
    });
    case.parts.sync.sync_dispute("dp_1").await.unwrap();
    assert_eq!(case.stands(key).await, (49_900, 0, false));
}

#[tokio::test]
async fn a_dispute_freezes_every_currency_and_its_end_thaws_them() {
    let case = Case::new(PaymentOptions::default());
    let (key, intent) = case.topped_up().await;
    let other = AccountKey { currency: "eur".parse().unwrap(), ..key };
    case.post(other, Kind::AdjustmentUp, "given", 700).await;
    let dispute = |phase| Dispute {
        id: "dp_1".into(),
        intent: Some(intent.as_str().to_owned()),
        amount_minor: 500,
        currency: "usd".into(),
        phase,
    };
    *case.bank.dispute.lock().unwrap() = Some(dispute(DisputePhase::Open));
    case.parts.sync.sync_dispute("dp_1").await.unwrap();
    assert_eq!(case.stands(key).await, (0, 100, true));
    assert_eq!(case.stands(other).await, (700, 0, true));
    // Nor in a currency that the client has not paid in yet.
    let yen = |asked: &mut CardPayment| {
        asked.currency = "jpy".parse().unwrap();
        asked.max_top_up = Units::from_u32(10_000_000);
        asked.min_top_up = Units::from_u32(5_000_000);
    };
    assert_eq!(refused(case.pay(yen).await).reason, Some(Reason::Frozen));
    assert_eq!(case.bank.charges.load(Ordering::SeqCst), 1);
    // An account whose first credit was on its way is frozen with it.
    let late = AccountKey { currency: "gbp".parse().unwrap(), ..key };
    case.post(late, Kind::AdjustmentUp, "late", 5).await;
    case.parts.postings.freeze_like_others(late).await.unwrap();
    assert_eq!(case.stands(late).await, (5, 0, true));
    *case.bank.dispute.lock().unwrap() = Some(dispute(DisputePhase::Won));
    case.parts.sync.sync_dispute("dp_1").await.unwrap();
    for (key, available) in [(key, 49_900), (other, 700), (late, 5)] {
        assert_eq!(case.stands(key).await, (available, 0, false));
    }
    let record = case.store.audit(crate::store::Page::newest(100)).await.unwrap();
    let acted = |kind, outcome| {
        let is = |entry: &&AuditEntry| entry.order.kind == kind && entry.outcome == outcome;
        let (entries, dispute) = (record.iter().filter(is), "dispute");
        entries.inspect(|entry| assert_eq!(entry.actor, dispute)).count()
    };
    use crate::accounting::{OrderKind, Outcome};
    assert_eq!(acted(OrderKind::Freeze, Outcome::Begun), 3);
    assert_eq!(acted(OrderKind::Freeze, Outcome::Done), 3);
    assert_eq!(acted(OrderKind::Unfreeze, Outcome::Done), 3);
    assert!(record.iter().any(|entry| entry.order.reference.as_deref() == Some("dp_1")));
}

#[tokio::test]
async fn a_saved_card_with_a_new_number_is_still_its_owners() {
    let case = Case::new(PaymentOptions::default());
    let (key, _) = case.topped_up().await;
    let charges = || case.bank.charges.load(Ordering::SeqCst);
    let spends = async || match case.pay(|_| ()).await {
        CardAnswer::Paid { client_id, .. } => client_id,
        other => panic!("{other:?}"),
    };
    *case.bank.card.lock().unwrap() = ("fp_new", Some("cus_1"));
    assert_eq!(spends().await, key.client);
    // The new number alone names the client from now on, once it is verified.
    *case.bank.card.lock().unwrap() = ("fp_new", None);
    assert_eq!(spends().await, key.client);
    assert_eq!(charges(), 1);
    // A customer that the books do not know says nothing.
    *case.bank.card.lock().unwrap() = ("fp_other", Some("cus_2"));
    let refusal = refused(case.pay(|_| ()).await);
    assert_eq!(refusal.reason, Some(Reason::PaymentMethodNotYours));
    assert_eq!(charges(), 1);
}

#[tokio::test]
async fn a_payment_intent_that_never_ends_is_cancelled() {
    let options = PaymentOptions {
        settle_after: Duration::ZERO,
        in_flight: Duration::ZERO,
        retry_first: Duration::from_millis(1),
        deadline: Duration::from_secs(5),
        ..PaymentOptions::default()
    };
    let case = Case::new(options);
    *case.bank.status.lock().unwrap() = IntentStatus::Open;
    let asked = CardPayment { instrument: "pm_0".parse().unwrap(), ..request() };
    let answer = case.parts.payments.pay(&asked).await;
    assert!(answer.is_err(), "{answer:?}");
    assert!(case.bank.cancelled.load(Ordering::SeqCst) >= 1);
    assert!(case.store.unfinished_top_ups().await.unwrap().is_empty(), "nobody waits for it");
}

#[tokio::test]
async fn past_the_limits_for_all_a_quiet_address_goes_on() {
    let limits = LimitOptions { all_declines: 0, quiet_attempts: 2, ..LimitOptions::default() };
    let case = Case::new(PaymentOptions { limits, ..PaymentOptions::default() });
    const NUMBERS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let pay = async |number: usize, address: &str| {
        *case.bank.card.lock().unwrap() = (NUMBERS[number], None);
        let source = Some(address.to_owned());
        case.pay(|asked| asked.source = source).await
    };
    assert!(matches!(pay(0, "192.0.2.1").await, CardAnswer::Paid { .. }));
    assert!(matches!(pay(1, "192.0.2.1").await, CardAnswer::Paid { .. }));
    assert_eq!(refused(pay(2, "192.0.2.1").await).reason, Some(Reason::RateLimited));
    // One network of IPv6 is one address, however it is cut.
    assert!(matches!(pay(3, "2001:db8:0:1::1").await, CardAnswer::Paid { .. }));
    // Without an address nobody is quiet.
    *case.bank.card.lock().unwrap() = (NUMBERS[4], None);
    assert_eq!(refused(case.pay(|_| ()).await).reason, Some(Reason::RateLimited));
    // Nor is one with a decline.
    let declined = Limit {
        name: "declines:192.0.2.9".into(),
        most: u64::MAX,
        window: LimitOptions::default().window,
    };
    case.store.check_and_count(&declined, true).await.unwrap();
    assert_eq!(refused(pay(4, "192.0.2.9").await).reason, Some(Reason::RateLimited));
}

/// A million accounts are read twice, and what is mended costs no more than itself.
#[tokio::test]
async fn comparing_is_linear_in_accounts_and_mending_in_differences() {
    const ACCOUNTS: u32 = 1_000_000;
    const DIFFERENT: u32 = 1_000;
    let books = InMemory::new(SystemClock, Duration::from_secs(7 * 24 * 3600));
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let (client, currency) = (ClientId::from_bytes(bytes), Currency::USD);
        let (kind, reference) = (Kind::TopUp, format!("pi_{number}"));
        let posting = Posting { kind, reference, amount: Units::from_u32(50_000), note: None };
        books.post(AccountKey { client, currency }, posting).await.unwrap();
        accounts.push(AccountKey { client, currency });
    }
    let meddling = Meddling::over(books);
    let store = Arc::new(meddling);
    let bank = Arc::new(Bank::default());
    let refund = |number: u32| {
        let (id, intent) = (format!("re_{number}"), Some(format!("pi_{}", number * 999)));
        Refund { id, intent, ..refund_of(100) }
    };
    *bank.refunds.lock().unwrap() = (0..DIFFERENT).map(refund).collect();
    let provider: Arc<dyn Provider> = bank.clone();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let edges = Edges { store: store.clone(), provider, clock, ids };
    let secrets = vec![SecretString::from("secret")];
    let parts = Parts::new(edges, secrets, PaymentOptions::default());
    let now_ms = SystemClock.now_ms() + 1;
    let read = || store.read.swap(0, Ordering::SeqCst);
    let found = parts.sync.differences(&accounts, now_ms).await.unwrap();
    assert_eq!((found.len(), read()), (1_000, ACCOUNTS));
    for difference in &found {
        parts.sync.repair(difference).await.unwrap();
    }
    let each = read() / DIFFERENT;
    assert!(each <= 3, "{each} accounts were read for each difference");
    assert_eq!(parts.sync.differences(&accounts, now_ms).await.unwrap(), []);
}

/// A ledger that has lost its claim while it made the customer does not charge any more.
#[tokio::test]
async fn nothing_is_sent_that_another_ledger_looks_for() {
    let deadline = Duration::from_millis(300);
    let case = Case::new(PaymentOptions { deadline, ..PaymentOptions::default() });
    *case.bank.taken_on_at.lock().unwrap() = Some(Arc::clone(&case.store));
    let asked = CardPayment { instrument: "pm_0".parse().unwrap(), ..request() };
    let answer = case.parts.payments.pay(&asked).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(case.bank.charges.load(Ordering::SeqCst), 0);
}
