//! What cards leave that were never charged goes in time; all else stays.

use std::time::{Duration, Instant};

use stripe402_protocol::{ClientId, Code, Currency, Refusal};

use super::{
    super::{
        Options, StoreUnderTest,
        fixture::{Asked, new_account, now_ms, units, wanted},
    },
    DAY,
};
use crate::accounting::{
    AccountKey, Advance, Kind, NewTopUp, Opened, State, TopUp, TopUpId, name_of_customer,
};

/// In place of a month. Long enough for a slow machine to look before it is over.
const KEPT: Duration = Duration::from_secs(4);
/// What clocks and servers may be late by.
const LATE: Duration = Duration::from_millis(300);

async fn forgetful(under_test: &dyn StoreUnderTest) -> Asked {
    Asked(under_test.open(Options { uncharged_kept: KEPT, ..Options::default() }).await)
}

/// What is left of a card's try: the top-up, the customer, and both names of the client.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    top_up: bool,
    customer: bool,
    names: (bool, bool),
}

const ALL: Left = Left { top_up: true, customer: true, names: (true, true) };
const NOTHING: Left = Left { top_up: false, customer: false, names: (false, false) };
/// The customer and the names, which a client that has anything keeps.
const CLIENT: Left = Left { top_up: false, customer: true, names: (true, true) };

impl Asked {
    /// A top-up as a card's first one is: the client is agreed on, then has a customer.
    async fn try_card(&self, key: AccountKey, name: Option<&str>) -> TopUp {
        self.0.agreed(key.client, Some(key.client)).await.unwrap();
        let opened = self.0.open_top_up(wanted(key, 100, name)).await.unwrap();
        let Opened::New(top_up) = opened else { panic!("{opened:?}") };
        let customer = customer_of(key.client);
        self.0.agreed(name_of_customer(&customer), Some(key.client)).await.unwrap();
        self.0.remember_customer(key.client, customer).await.unwrap();
        top_up
    }

    async fn end(&self, top_up: &TopUp, states: &[State]) {
        for state in states {
            let moved = self.0.advance_top_up(top_up.id, None, state.clone()).await.unwrap();
            assert!(matches!(&moved, Advance::Done(now) if now.state == *state), "{moved:?}");
        }
    }

    async fn refused(&self, key: AccountKey, name: Option<&str>) -> TopUp {
        let top_up = self.try_card(key, name).await;
        self.end(&top_up, &[refused()]).await;
        top_up
    }

    async fn left_of(&self, key: AccountKey, top_up: TopUpId) -> Left {
        let (client, store) = (key.client, &self.0);
        let customer = store.customer(client).await.unwrap();
        assert!(customer.as_ref().is_none_or(|known| *known == customer_of(client)));
        let name = name_of_customer(&customer_of(client));
        let names = async |anchor| store.agreed(anchor, None).await.unwrap() == Some(client);
        Left {
            top_up: store.top_up(top_up).await.unwrap().is_some(),
            customer: customer.is_some(),
            names: (names(client).await, names(name).await),
        }
    }

    /// Until then, whatever the store calls upkeep; a name may take as long again.
    async fn forgotten(&self, key: AccountKey, top_up: TopUpId) {
        let until = Instant::now() + KEPT + LATE;
        loop {
            self.0.upkeep(now_ms()).await.unwrap();
            let left = self.left_of(key, top_up).await;
            if left == NOTHING {
                return;
            }
            assert!(Instant::now() < until, "{left:?}");
            tokio::time::sleep(LATE).await;
        }
    }
}

fn customer_of(client: ClientId) -> String {
    format!("cus_{}", client.subject())
}

fn refused() -> State {
    State::Refused { refusal: Box::new(Refusal::new(Code::CardDeclined, "no")) }
}

fn credited(payment_intent: &str) -> State {
    State::Credited { payment_intent: payment_intent.to_owned(), amount: units(100) }
}

fn waits(payment_intent: &str) -> State {
    State::RequiresAction { payment_intent: payment_intent.to_owned() }
}

/// A name of Stripe's that no case used before.
fn intent(top_up: &TopUp) -> String {
    format!("pi_{}", top_up.id.0.simple())
}

pub async fn what_a_card_leaves_that_was_never_charged_is_forgotten(
    under_test: &dyn StoreUnderTest,
) {
    let store = forgetful(under_test).await;
    let key = new_account();
    let euros = AccountKey { currency: "eur".parse().unwrap(), ..key };
    let abandoned = store.try_card(key, Some("k")).await;
    let payment_intent = intent(&abandoned);
    store.end(&abandoned, &[waits(&payment_intent), refused()]).await;
    let lapsed = store.try_card(euros, None).await;
    store.end(&lapsed, &[State::Lapsed]).await;
    let limited = new_account();
    let never_sent = store.refused(limited, None).await;

    // Not before its time, by the store's clock and by the ledger's.
    store.0.upkeep(now_ms()).await.unwrap();
    let month = now_ms() - DAY.as_millis() as u64 * 31;
    store.0.upkeep(month).await.unwrap();
    assert_eq!(store.left_of(key, abandoned.id).await, ALL);
    assert_eq!(store.left_of(euros, lapsed.id).await, ALL);
    assert_eq!(store.0.payer(&payment_intent).await.unwrap(), Some(key));
    let again = store.0.open_top_up(wanted(key, 100, Some("k"))).await.unwrap();
    assert!(matches!(again, Opened::Repeated(of) if of.id == abandoned.id));

    tokio::time::sleep(KEPT + LATE).await;
    store.forgotten(key, abandoned.id).await;
    store.forgotten(euros, lapsed.id).await;
    store.forgotten(limited, never_sent.id).await;
    assert_eq!(store.0.payer(&payment_intent).await.unwrap(), None);
    let late = store.0.advance_top_up(abandoned.id, None, credited(&payment_intent)).await.unwrap();
    assert_eq!(late, Advance::Unknown, "nobody's account is guessed");
    // Its key names nothing any more, and a client that comes back is a new one.
    let again = store.try_card(key, Some("k")).await;
    assert_eq!(store.left_of(key, again.id).await, ALL);
    store.end(&again, &[credited(&payment_intent)]).await;
    assert_eq!(store.0.payer(&payment_intent).await.unwrap(), Some(key));
    store.verify(&[key]).await;
}

pub async fn what_was_charged_or_is_open_stays(under_test: &dyn StoreUnderTest) {
    let store = forgetful(under_test).await;

    let late = new_account();
    let charged_late = store.refused(late, None).await;
    store.end(&charged_late, &[credited(&intent(&charged_late))]).await;

    // Another one was credited since, under the same key and by the PaymentIntent that had waited.
    let paying = new_account();
    let given_up = store.try_card(paying, Some("k")).await;
    let shared = intent(&given_up);
    store.end(&given_up, &[waits(&shared), State::Lapsed]).await;
    let paid = store.try_card(paying, Some("k")).await;
    store.end(&paid, &[credited(&shared)]).await;

    let open = new_account();
    let before = store.refused(open, None).await;
    let euros = AccountKey { currency: "eur".parse().unwrap(), ..open };
    let waiting = store.try_card(euros, None).await;

    let given = new_account();
    let refused_one = store.refused(given, None).await;
    let dollars = AccountKey { currency: Currency::USD, ..given };
    store.post(dollars, Kind::AdjustmentUp, "for nothing", 0).await;

    let twice = new_account();
    let first = store.refused(twice, None).await;
    tokio::time::sleep(KEPT / 2).await;
    let second = store.refused(twice, None).await;

    tokio::time::sleep(KEPT / 2 + LATE).await;
    store.0.upkeep(now_ms()).await.unwrap();
    assert_eq!(store.left_of(late, charged_late.id).await, ALL);
    assert_eq!(store.0.payer(&intent(&charged_late)).await.unwrap(), Some(late));
    assert_eq!(store.left_of(paying, given_up.id).await, CLIENT);
    assert_eq!(store.left_of(paying, paid.id).await, ALL);
    assert_eq!(store.0.payer(&shared).await.unwrap(), Some(paying));
    let named = NewTopUp { needed: units(101), ..wanted(paying, 100, Some("k")) };
    let named = store.0.open_top_up(named).await.unwrap();
    assert!(matches!(&named, Opened::Repeated(of) if of.id == paid.id), "{named:?}");
    assert_eq!(store.left_of(open, before.id).await, CLIENT);
    assert_eq!(store.left_of(open, waiting.id).await, ALL);
    assert!(store.0.unfinished_top_ups().await.unwrap().contains(&waiting));
    assert_eq!(store.left_of(given, refused_one.id).await, CLIENT);
    assert_eq!(store.left_of(twice, first.id).await, CLIENT);
    assert_eq!(store.left_of(twice, second.id).await, ALL);

    // What was open, and what was younger, goes in its own time.
    store.end(&waiting, &[State::Lapsed]).await;
    tokio::time::sleep(KEPT + LATE).await;
    store.forgotten(euros, waiting.id).await;
    store.forgotten(twice, second.id).await;
    assert_eq!(store.left_of(late, charged_late.id).await, ALL);
    assert_eq!(store.left_of(paying, paid.id).await, ALL);
    assert_eq!(store.left_of(given, refused_one.id).await, CLIENT);
    store.verify(&[late, paying, open, given, twice]).await;
}
