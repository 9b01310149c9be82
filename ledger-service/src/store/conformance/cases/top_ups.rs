//! Card charges, customers, and how often cards may be tried.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use stripe402_protocol::{Code, Currency, Reason, Refusal, Units};

use super::{
    super::{
        StoreUnderTest,
        fixture::{new_account, units, wanted},
    },
    open,
};
use crate::accounting::{AccountKey, Advance, Claim, Limit, NewTopUp, Opened, State, TopUp};

pub async fn one_open_top_up_at_a_time(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let replica = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    let key = new_account();
    let mut tasks = Vec::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { store.clone() } else { replica.clone() };
        let open = async move { store.0.open_top_up(wanted(key, 100, None)).await.unwrap() };
        tasks.push(tokio::spawn(open));
    }
    let (mut opened, mut busy) = (BTreeSet::new(), BTreeSet::new());
    for task in tasks {
        match task.await.unwrap() {
            Opened::New(top_up) => opened.insert(top_up.id),
            Opened::Busy(top_up) => busy.insert(top_up.id),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(opened.len(), 1);
    assert_eq!(busy, opened, "those who come second learn of the first");
    let euros = AccountKey { currency: "eur".parse().unwrap(), ..key };
    store.open(euros, 100).await;
}

/// Whoever looked at the balance just before a top-up was credited must not charge again.
pub async fn nothing_is_charged_where_the_balance_suffices_by_now(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let mut enough = wanted(key, 50, None);
    enough.needed = units(100);
    assert_eq!(store.0.open_top_up(enough).await.unwrap(), Opened::Enough);
    let mut short = wanted(key, 50, None);
    short.needed = units(101);
    assert!(matches!(store.0.open_top_up(short).await.unwrap(), Opened::New(_)));
    // Even while one is under way.
    let mut enough = wanted(key, 50, None);
    enough.needed = units(100);
    assert_eq!(store.0.open_top_up(enough).await.unwrap(), Opened::Enough);
}

pub async fn a_top_up_is_credited_once(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = new_account();
    let top_up = store.open(key, 100).await;
    let waits = State::RequiresAction { payment_intent: "pi_w".into() };
    let moved = store.0.advance_top_up(top_up.id, None, waits.clone()).await.unwrap();
    assert!(matches!(moved, Advance::Done(now) if now.state == waits));
    assert_eq!(store.left(key).await, 0);
    let credited = State::Credited {
        payment_intent: format!("pi_{}", top_up.id),
        // Stripe took another amount than was asked for: it is what counts.
        amount: units(120),
    };
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (store, to) = (store.clone(), credited.clone());
        tasks.push(tokio::spawn(async move { store.0.advance_top_up(top_up.id, None, to).await }));
    }
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap().unwrap() {
            Advance::Done(_) => done += 1,
            Advance::Finished(now) => assert_eq!(now.state, credited),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(store.left(key).await, 120);
    let stored = store.0.top_up(top_up.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.amount, stored.account), (credited, units(100), key));
    let unknown =
        store.0.advance_top_up(wanted(key, 1, None).id, None, State::opened()).await.unwrap();
    assert_eq!(unknown, Advance::Unknown);
    store.open(key, 100).await;
    store.verify(&[key]).await;
}

pub async fn a_refused_top_up_credits_nothing(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = new_account();
    let top_up = store.open(key, 100).await;
    let refusal = Box::new(Refusal::new(Code::CardDeclined, "nö"));
    let refused = State::Refused { refusal };
    let moved = store.0.advance_top_up(top_up.id, None, refused.clone()).await.unwrap();
    assert!(matches!(moved, Advance::Done(now) if now.state == refused));
    assert_eq!(store.left(key).await, 0);
    assert!(store.0.movements(key).await.unwrap().is_empty());
    // Stripe took the money after all: it is credited, once, and no other top-up is disturbed.
    let other = store.open(key, 100).await;
    let late = State::Credited { payment_intent: "pi_late".into(), amount: units(100) };
    let moved = store.0.advance_top_up(top_up.id, None, late.clone()).await.unwrap();
    assert!(matches!(moved, Advance::Done(now) if now.state == late));
    let moved = store.0.advance_top_up(top_up.id, None, late.clone()).await.unwrap();
    assert!(matches!(moved, Advance::Finished(now) if now.state == late));
    assert_eq!(store.left(key).await, 100);
    let again = store.0.open_top_up(wanted(key, 100, None)).await.unwrap();
    assert!(matches!(again, Opened::Busy(busy) if busy.id == other.id));
    store.0.advance_top_up(other.id, None, refused).await.unwrap();
    store.verify(&[key]).await;
}

/// Of many ledgers that take a claim at once, one holds it; who holds it no longer changes nothing.
pub async fn a_claim_is_held_by_one(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let replica = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    let key = new_account();
    let top_up = store.open(key, 100).await;
    let mut from = State::opened();
    for round in 1..=5_u32 {
        let tasks =
            (0..10_u64).map(|number| {
                let store = if number % 2 == 0 { store.clone() } else { replica.clone() };
                let claim = Claim { epoch: round, until_ms: number, looking: round > 3 };
                let (from, to) = (from.clone(), State::Charging(claim));
                async move {
                    (to.clone(), store.0.advance_top_up(top_up.id, Some(from), to).await.unwrap())
                }
            });
        let mut holders = Vec::new();
        for (to, advance) in join_all(tasks).await {
            match advance {
                Advance::Done(now) => {
                    assert_eq!(now.state, to);
                    holders.push(to);
                }
                Advance::Moved(now) => assert!(matches!(now.state, State::Charging(_))),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(holders.len(), 1, "in round {round}");
        let late = store.0.advance_top_up(top_up.id, Some(from), State::Lapsed).await.unwrap();
        assert!(matches!(late, Advance::Moved(now) if now.state == holders[0]));
        from = holders.remove(0);
    }
    let lapsed = store.0.advance_top_up(top_up.id, Some(from), State::Lapsed).await.unwrap();
    assert!(matches!(lapsed, Advance::Done(now) if now.state == State::Lapsed));
    // What Stripe took after all is credited, and the account is free for another one.
    let late = State::Credited { payment_intent: "pi_after_all".into(), amount: units(100) };
    store.0.advance_top_up(top_up.id, None, late).await.unwrap();
    assert_eq!(store.left(key).await, 100);
    let other = store.open(key, 1_000_000).await;
    store.0.advance_top_up(other.id, None, State::Lapsed).await.unwrap();
    store.verify(&[key]).await;
}

/// Stripe failed and took nothing: a repeat of the same request is not bound to that.
pub async fn a_lapsed_top_up_frees_its_key(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = new_account();
    let named = || wanted(key, 100, Some("k"));
    let Opened::New(first) = store.0.open_top_up(named()).await.unwrap() else { panic!() };
    store.0.advance_top_up(first.id, None, State::Lapsed).await.unwrap();
    let again = store.0.open_top_up(named()).await.unwrap();
    assert!(matches!(&again, Opened::New(other) if other.id != first.id), "{again:?}");
}

pub async fn an_idempotency_key_names_its_top_up(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = new_account();
    let named = |amount| wanted(key, amount, Some("k:1 {x}"));
    let Opened::New(first) = store.0.open_top_up(named(100)).await.unwrap() else { panic!() };
    assert_eq!(store.0.open_top_up(named(100)).await.unwrap(), Opened::Repeated(first.clone()));
    assert_eq!(store.0.open_top_up(named(200)).await.unwrap(), Opened::Mismatch);
    let mut other_card = named(100);
    other_card.payment_method = "pm_2".parse().unwrap();
    assert_eq!(store.0.open_top_up(other_card).await.unwrap(), Opened::Mismatch);
    let to = State::Credited { payment_intent: "pi_k".into(), amount: units(100) };
    store.0.advance_top_up(first.id, None, to).await.unwrap();
    assert!(matches!(
        store.0.open_top_up(named(100)).await.unwrap(),
        Opened::Repeated(again) if again.id == first.id && again.state.is_finished()
    ));
    // Another client's key of the same spelling, and the next day.
    let stranger = wanted(new_account(), 100, Some("k:1 {x}"));
    assert!(matches!(store.0.open_top_up(stranger).await.unwrap(), Opened::New(_)));
    let mut tomorrow = named(200);
    tomorrow.now_ms += 24 * 3_600_000 + 1;
    assert!(matches!(store.0.open_top_up(tomorrow).await.unwrap(), Opened::New(_)));
    // Refused for their number, Stripe has not heard of it: the key is free.
    let limited = new_account();
    let Opened::New(first) = store.0.open_top_up(wanted(limited, 100, Some("k"))).await.unwrap()
    else {
        panic!("not opened")
    };
    let refusal = Refusal::new(Code::PaymentFailed, "wait").because(Reason::RateLimited);
    let refused = State::Refused { refusal: Box::new(refusal) };
    store.0.advance_top_up(first.id, None, refused).await.unwrap();
    let again = store.0.open_top_up(wanted(limited, 200, Some("k"))).await.unwrap();
    assert!(matches!(again, Opened::New(_)), "{again:?}");
}

/// Neither the one that was changed last, nor the one that a clock says is the youngest: were a lapsed
/// one named, whose key is free, another card charge would be opened under a key that has been paid.
pub async fn a_key_names_the_top_up_that_was_opened_last(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let credited = |of: &TopUp| State::Credited {
        payment_intent: format!("pi_{}", of.id),
        amount: units(100),
    };
    for is_charged_after_all in [false, true] {
        let key = new_account();
        let named = || wanted(key, 100, Some("k"));
        let names = async || store.0.open_top_up(named()).await.unwrap();
        let Opened::New(first) = names().await else { panic!() };
        store.0.advance_top_up(first.id, None, State::Lapsed).await.unwrap();
        // By a ledger whose clock is behind.
        let behind = NewTopUp { now_ms: first.created_ms - 5_000, ..named() };
        let Opened::New(second) = store.0.open_top_up(behind).await.unwrap() else { panic!() };
        assert_eq!(names().await, Opened::Repeated(second.clone()));
        if is_charged_after_all {
            let late = store.0.advance_top_up(first.id, None, credited(&first)).await.unwrap();
            assert!(matches!(late, Advance::Done(_)), "{late:?}");
            assert_eq!(names().await, Opened::Repeated(second.clone()));
        }
        let ended = store.0.advance_top_up(second.id, None, credited(&second)).await.unwrap();
        let Advance::Done(second) = ended else { panic!("{ended:?}") };
        assert_eq!(names().await, Opened::Repeated(second));
    }
}

pub async fn unfinished_top_ups_are_listed(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (waiting, closed) = (store.open(new_account(), 1).await, new_account());
    let finished = store.top_up(closed, 1).await;
    let listed = store.0.unfinished_top_ups().await.unwrap();
    assert!(listed.contains(&waiting));
    assert!(listed.iter().all(|top_up| top_up.id != finished.id && !top_up.state.is_finished()));
    // Leave nothing behind that a ledger on this store would take up.
    let refusal = Box::new(Refusal::new(Code::PaymentFailed, "test"));
    store.0.advance_top_up(waiting.id, None, State::Refused { refusal }).await.unwrap();
    let listed = store.0.unfinished_top_ups().await.unwrap();
    assert!(listed.iter().all(|top_up| top_up.id != waiting.id));
}

/// Whoever wants a top-up by an id that is there already is answered that one: it is charged once.
pub async fn a_top_up_is_opened_once_by_its_id(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let wish = NewTopUp { needed: Units::MAX, ..wanted(new_account(), 100, None) };
    let Opened::New(first) = store.0.open_top_up(wish.clone()).await.unwrap() else { panic!() };
    assert_eq!(store.0.open_top_up(wish.clone()).await.unwrap(), Opened::New(first.clone()));
    let ended = store.0.advance_top_up(first.id, None, State::Lapsed).await.unwrap();
    let Advance::Done(ended) = ended else { panic!("{ended:?}") };
    let again = NewTopUp { now_ms: wish.now_ms + 1, ..wish };
    assert_eq!(store.0.open_top_up(again).await.unwrap(), Opened::New(ended));
    assert_eq!(
        store.0.unfinished_top_ups().await.unwrap().iter().find(|of| of.id == first.id),
        None
    );
}

pub async fn the_first_customer_stays(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let client = new_account().client;
    assert_eq!(store.0.customer(client).await.unwrap(), None);
    assert_eq!(store.0.remember_customer(client, "cus_1".into()).await.unwrap(), "cus_1");
    assert_eq!(store.0.remember_customer(client, "cus_2".into()).await.unwrap(), "cus_1");
    assert_eq!(store.0.customer(client).await.unwrap().as_deref(), Some("cus_1"));
    let replace = async |gone, by: &str| store.0.replace_customer(client, gone, by.into()).await;
    assert_eq!(replace("cus_9", "cus_4").await.unwrap(), "cus_1");
    assert_eq!(replace("cus_1", "cus_4").await.unwrap(), "cus_4");
    assert_eq!(replace("cus_1", "cus_5").await.unwrap(), "cus_4");
    assert_eq!(replace("cus_4", "cus_1").await.unwrap(), "cus_1");
    // Where none was remembered, the new one is: it must not be answered and then be unknown.
    let other = new_account().client;
    let first = store.0.replace_customer(other, "cus_9", "cus_1".into()).await.unwrap();
    assert_eq!(first, "cus_1");
    assert_eq!(store.0.customer(other).await.unwrap().as_deref(), Some("cus_1"));
    // A record over an existing one must not wipe its balance, nor the other way round.
    let key = AccountKey { client, currency: Currency::USD };
    store.top_up(key, 100).await;
    store.0.remember_customer(client, "cus_3".into()).await.unwrap();
    assert_eq!(store.left(key).await, 100);
    assert_eq!(store.0.customer(client).await.unwrap().as_deref(), Some("cus_1"));
}

pub async fn limits_let_so_many_through(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await.0;
    let limit = |name: &str, most, millis| Limit {
        name: format!("{name} {}", uuid::Uuid::new_v4()),
        most,
        window: Duration::from_millis(millis),
    };
    // Looking counts nothing; of many at once exactly so many get through.
    let tight = limit("a", 7, 60_000);
    for _ in 0..10 {
        assert_eq!(store.check_and_count(&tight, false).await.unwrap(), None);
    }
    let all = (0..40).map(|_| store.check_and_count(&tight, true));
    let through = join_all(all).await.into_iter().filter(|wait| wait.as_ref().unwrap().is_none());
    assert_eq!(through.count(), 7);
    let wait = store.check_and_count(&tight, false).await.unwrap().unwrap();
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(66), "{wait:?}");
    // Other names have limits of their own, and one that has passed is none any more.
    let brief = limit("b", 1, 300);
    assert_eq!(store.check_and_count(&brief, true).await.unwrap(), None);
    let wait = store.check_and_count(&brief, true).await.unwrap().unwrap();
    assert!(wait <= Duration::from_millis(330), "{wait:?}");
    tokio::time::sleep(wait + Duration::from_millis(5)).await;
    assert_eq!(store.check_and_count(&brief, true).await.unwrap(), None);
}
