//! Trial credit where several ledgers meet one card at the same moment.

use stripe402_protocol::message::CardTrial;

use super::*;
use crate::{accounting::UNCHARGED_KEPT, store::Reports as _};

/// A store in which everybody else has a turn before each call.
struct Turns(InMemory);

macro_rules! turns {
    ($self:ident $method:ident($($argument:ident),*)) => {{
        tokio::task::yield_now().await;
        $self.0.$method($($argument),*).await
    }};
}

crate::forward_store!(Turns, turns);

/// Two ledgers on one store.
struct Case {
    time: Time,
    store: Arc<Turns>,
    bank: Arc<Bank>,
    ledgers: [Parts; 2],
}

impl Case {
    fn new() -> Self {
        let time = Time::now();
        let books = InMemory::new(time.clone(), Duration::from_secs(7 * 24 * 3600));
        let store = Arc::new(Turns(books));
        let bank = Arc::new(Bank::default());
        *bank.card.lock().unwrap() = ("fp", None);
        let ledgers = [["a secret", "b secret"], ["b secret", "a secret"]].map(|secrets| {
            let (clock, ids) = (Arc::new(time.clone()), Arc::new(RandomIds));
            let edges = Edges { store: store.clone(), provider: bank.clone(), clock, ids };
            let options = PaymentOptions { poll: Duration::from_millis(1), ..Default::default() };
            Parts::new(edges, secrets.map(SecretString::from).to_vec(), options)
        });
        Self { time, store, bank, ledgers }
    }

    /// A request at the first.
    async fn ask(&self) -> CardAnswer {
        let trial = Some(CardTrial { units: Units::from_u32(200), lasts_ms: Some(3_600_000) });
        let deduction_id = DeductionId::mint(self.time.now_ms(), [9; 10]);
        let asked = CardPayment { deduction_id, trial, ..request() };
        self.ledgers[0].payments.pay(&asked).await.unwrap()
    }

    /// A first request at each ledger at once.
    async fn at_once(&self, currencies: [Currency; 2]) -> [Option<CardAnswer>; 2] {
        let trial = CardTrial { units: Units::from_u32(200), lasts_ms: None };
        let ask = async |at: usize| {
            let random = [u8::try_from(at).unwrap(); 10];
            let asked = CardPayment {
                deduction_id: DeductionId::mint(SystemClock.now_ms(), random),
                instrument: format!("pm_{at}").parse().unwrap(),
                currency: currencies[at],
                trial: Some(trial),
                ..request()
            };
            self.ledgers[at].payments.pay(&asked).await.ok()
        };
        let (one, other) = tokio::join!(ask(0), ask(1));
        [one, other]
    }

    async fn grants(&self) -> usize {
        let mut all = Vec::new();
        for key in self.store.accounts(None, None, usize::MAX).await.unwrap() {
            all.extend(self.store.movements(key).await.unwrap());
        }
        all.iter().filter(|of| of.posting.kind == Kind::Grant).count()
    }

    fn charges(&self) -> u32 {
        self.bank.charges.load(Ordering::SeqCst)
    }
}

/// By whichever secret, and neither is charged; one may have to ask again under the client's agreed id.
#[tokio::test]
async fn two_ledgers_give_one_trial() {
    let case = Case::new();
    let answers = case.at_once([Currency::USD; 2]).await;
    let free = |of: &CardAnswer| matches!(of, CardAnswer::Paid { payment_intent_id: None, .. });
    assert!(answers.iter().flatten().all(free), "{answers:?}");
    assert!(answers.iter().flatten().count() >= 1);
    assert_eq!((case.grants().await, case.charges()), (1, 0));
}

/// Neither account is there when they look: the card has its trial in one of them.
#[tokio::test]
async fn two_currencies_have_one_trial() {
    let case = Case::new();
    let of_one_secret = case.ledgers[0].clone();
    let case = Case { ledgers: [of_one_secret.clone(), of_one_secret], ..case };
    let answers = case.at_once([Currency::USD, "eur".parse().unwrap()]).await;
    assert!(answers.iter().all(Option::is_some), "{answers:?}");
    assert_eq!((case.grants().await, case.charges()), (1, 1));
}

/// A month after a card was declined nothing of it is left, as after a charge that was declined.
#[tokio::test]
async fn a_card_that_is_not_verified_is_forgotten() {
    let case = Case::new();
    *case.bank.verifies.lock().unwrap() = false;
    let answer = case.ask().await;
    let CardAnswer::Refused { refusal, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((refusal.error_code, case.charges()), (Code::CardDeclined, 0));
    let ids = ["a secret", "b secret"].map(|of| ClientId::derive(of.as_bytes(), "fp"));
    let known = async || {
        let customer = case.store.customer(ids[0]).await.unwrap();
        let anchor = *ids.iter().min().unwrap();
        (customer.is_some(), case.store.agreed(anchor, None).await.unwrap().is_some())
    };
    assert_eq!(known().await, (true, true));
    case.time.pass(UNCHARGED_KEPT);
    case.store.0.upkeep(case.time.now_ms()).await.unwrap();
    assert!(!known().await.0);
    // And it is as new as ever.
    *case.bank.verifies.lock().unwrap() = true;
    let answer = case.ask().await;
    assert!(matches!(answer, CardAnswer::Paid { payment_intent_id: None, .. }), "{answer:?}");
    assert_eq!((case.grants().await, case.charges()), (1, 0));
}
