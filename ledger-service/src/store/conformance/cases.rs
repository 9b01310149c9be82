//! The cases, each on clients of its own.
#![expect(missing_docs, reason = "their names say what they show")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use stripe402_protocol::{
    Code, Currency, Refusal, Units,
    message::{Charge, ChargeOutcome, Void, VoidOutcome},
};

use super::{
    Options, Subject,
    fixture::{Asked, batch, charge, charge_id, new_account, units, void, wanted},
    random,
};
use crate::{
    ledger::{Account, AccountKey, Advance, Kind, Limit, Opened, PostRefusal, Posted, State},
    store::Store,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn open(subject: &dyn Subject) -> Asked {
    Asked(subject.open(Options::default()).await)
}

fn charged(left: i64) -> ChargeOutcome {
    ChargeOutcome::Charged(units(left))
}

fn done(available: i64, pending: i64, debt: i64) -> Posted {
    Posted::Done(Account {
        available: units(available),
        pending: units(pending),
        debt: units(debt),
        frozen: false,
    })
}

pub async fn charges_are_taken_to_the_last_unit(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    assert_eq!(store.charge(&charge(key, 60)).await, charged(40));
    assert_eq!(store.charge(&charge(key, 41)).await, ChargeOutcome::Insufficient);
    assert_eq!(store.charge(&charge(key, 40)).await, charged(0));
    assert_eq!(store.charge(&charge(key, 1)).await, ChargeOutcome::Insufficient);
    assert_eq!(store.charge(&charge(new_account(), 1)).await, ChargeOutcome::Insufficient);
    store.verify(&[key]).await;
}

/// Stale, then conflict, then voided, then frozen, then insufficient.
pub async fn refusals_come_in_order(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    for ago in [DAY * 4, DAY * 30] {
        let old = Charge { id: charge_id(ago), ..charge(key, 1_000) };
        assert_eq!(store.charge(&old).await, ChargeOutcome::Stale, "{ago:?}");
    }
    let young = Charge { id: charge_id(DAY * 3), ..charge(key, 10) };
    assert_eq!(store.charge(&young).await, charged(90));
    let voided = charge(key, 10);
    store.void(&void(&voided)).await;
    store.post(key, Kind::Freeze, "f", 0).await;
    let dear = Charge { amount: units(1_000), ..voided.clone() };
    assert_eq!(store.charge(&dear).await, ChargeOutcome::Voided);
    let conflicting = Charge { amount: units(1_000), ..young.clone() };
    assert_eq!(store.charge(&conflicting).await, ChargeOutcome::Conflict);
    assert_eq!(store.charge(&young).await, charged(90), "what was paid stays paid");
    assert_eq!(store.charge(&charge(key, 1_000)).await, ChargeOutcome::Frozen);
    assert_eq!(store.left(key).await, 90);
}

pub async fn a_charge_that_is_repeated_has_one_effect_and_one_answer(subject: &dyn Subject) {
    let store = open(subject).await;
    let replica = if subject.is_shared() { open(subject).await } else { store.clone() };
    let key = store.account_with(100).await;
    let taken = charge(key, 60);
    for asked in [&store, &store, &replica] {
        assert_eq!(asked.charge(&taken).await, charged(40));
    }
    // In one batch, too, and with others between.
    let twice = batch(vec![taken.clone(), charge(key, 10), taken.clone()], vec![]);
    let answer = store.0.batch(twice).await.unwrap();
    let outcomes: Vec<_> = answer.charges.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, [charged(40), charged(30), charged(40)]);
    assert_eq!(store.left(key).await, 30);
    store.verify(&[key]).await;
}

pub async fn an_id_with_other_content_is_a_conflict(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let taken = charge(key, 10);
    assert_eq!(store.charge(&taken).await, charged(90));
    let route = "weather".to_owned();
    for other in [Charge { amount: units(11), ..taken.clone() }, Charge { route, ..taken.clone() }]
    {
        assert_eq!(store.charge(&other).await, ChargeOutcome::Conflict);
    }
    assert_eq!(store.left(key).await, 90);
}

pub async fn a_void_gives_back_once(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let taken = charge(key, 60);
    store.charge(&taken).await;
    assert_eq!(store.void(&void(&taken)).await, VoidOutcome::Voided);
    assert_eq!(store.void(&void(&taken)).await, VoidOutcome::Repeated);
    assert_eq!(store.charge(&taken).await, ChargeOutcome::Voided);
    assert_eq!(store.left(key).await, 100);
    store.verify(&[key]).await;
}

pub async fn a_void_that_comes_first_refuses_the_charge(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let late = charge(key, 60);
    assert_eq!(store.void(&void(&late)).await, VoidOutcome::Marked);
    assert_eq!(store.void(&void(&late)).await, VoidOutcome::Repeated);
    assert_eq!(store.charge(&late).await, ChargeOutcome::Voided);
    let forgotten = Void { id: charge_id(DAY * 8), client_id: Some(key.client) };
    assert_eq!(store.void(&forgotten).await, VoidOutcome::Stale);
    assert_eq!(store.left(key).await, 100);
}

/// A card payment whose answer was lost: the gateway does not know whose it was.
pub async fn a_void_without_a_client_finds_its_charge(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let (before, after) = (charge(key, 10), charge(key, 20));
    let nameless = |charge: &Charge| Void { id: charge.id, client_id: None };
    store.charge_for_card(&after).await;
    assert_eq!(store.void(&nameless(&after)).await, VoidOutcome::Voided);
    assert_eq!(store.void(&nameless(&after)).await, VoidOutcome::Repeated);
    assert_eq!(store.void(&nameless(&before)).await, VoidOutcome::Marked);
    assert_eq!(store.charge_for_card(&before).await, ChargeOutcome::Voided);
    // The charge came and could not be paid; the void comes, and then the charge again.
    let dear = charge(key, 101);
    assert_eq!(store.charge_for_card(&dear).await, ChargeOutcome::Insufficient);
    assert_eq!(store.void(&nameless(&dear)).await, VoidOutcome::Marked);
    store.top_up(key, 1).await;
    assert_eq!(store.charge_for_card(&dear).await, ChargeOutcome::Voided);
    // The gateway learnt the client's name in time.
    let named = charge(key, 30);
    assert_eq!(store.charge_for_card(&named).await, charged(71));
    assert_eq!(store.charge_for_card(&named).await, charged(71), "repeated");
    assert_eq!(store.void(&void(&named)).await, VoidOutcome::Voided);
    assert_eq!(store.void(&nameless(&named)).await, VoidOutcome::Repeated);
    assert_eq!(store.left(key).await, 101);
    store.verify(&[key]).await;
}

/// Both at once, many times: whichever comes first, nothing is taken for good.
pub async fn a_void_without_a_client_races_its_charge(subject: &dyn Subject) {
    let store = open(subject).await;
    let replica = if subject.is_shared() { open(subject).await } else { store.clone() };
    let key = store.account_with(100).await;
    for _ in 0..50 {
        let taken = charge(key, 100);
        let nameless = Void { id: taken.id, client_id: None };
        let (charging, voiding) = (store.clone(), replica.clone());
        let charging = tokio::spawn(async move { charging.charge_for_card(&taken).await });
        let voiding = tokio::spawn(async move { voiding.void(&nameless).await });
        let (outcome, void) = (charging.await.unwrap(), voiding.await.unwrap());
        assert_eq!(outcome == charged(0), void == VoidOutcome::Voided, "{outcome:?} {void:?}");
        assert_eq!(store.left(key).await, 100, "{outcome:?} {void:?}");
    }
    store.verify(&[key]).await;
}

pub async fn a_void_in_another_clients_name_does_nothing(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let taken = charge(key, 60);
    store.charge(&taken).await;
    let forged = Void { id: taken.id, client_id: Some(new_account().client) };
    let outcome = store.void(&forged).await;
    assert_ne!(outcome, VoidOutcome::Voided);
    assert_eq!(store.left(key).await, 40);
}

pub async fn voids_of_a_batch_come_before_its_charges(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let first = charge(key, 100);
    store.charge(&first).await;
    let second = charge(key, 100);
    let answer = store.0.batch(batch(vec![second.clone()], vec![void(&first)])).await.unwrap();
    assert_eq!(answer.voids, [(first.id, VoidOutcome::Voided)]);
    assert_eq!(answer.charges, [(second.id, charged(0))]);
}

pub async fn currencies_are_kept_apart(subject: &dyn Subject) {
    let store = open(subject).await;
    let dollars = store.account_with(100).await;
    let euros = AccountKey { currency: "eur".parse::<Currency>().unwrap(), ..dollars };
    assert_eq!(store.charge(&charge(euros, 1)).await, ChargeOutcome::Insufficient);
    store.top_up(euros, 7).await;
    assert_eq!(store.charge(&charge(euros, 2)).await, charged(5));
    assert_eq!((store.left(dollars).await, store.left(euros).await), (100, 5));
    store.verify(&[dollars, euros]).await;
}

/// Lua and JSON numbers are doubles: exact up to 2^53 − 1.
pub async fn amounts_up_to_the_largest(subject: &dyn Subject) {
    let store = open(subject).await;
    let most = Units::MAX.get();
    let key = store.account_with(most).await;
    let posted = store.post(key, Kind::AdjustmentUp, "one more", 1).await;
    assert_eq!(posted, Posted::Refused(PostRefusal::TooLarge));
    assert_eq!(store.charge(&charge(key, 1)).await, charged(most - 1));
    let all_but_one = charge(key, most - 2);
    assert_eq!(store.charge(&all_but_one).await, charged(1));
    assert_eq!(store.void(&void(&all_but_one)).await, VoidOutcome::Voided);
    assert_eq!(store.left(key).await, most - 1);
    store.verify(&[key]).await;
}

pub async fn a_batch_of_many_clients(subject: &dyn Subject) {
    let store = open(subject).await;
    let mut keys = Vec::new();
    for amount in 0..40 {
        keys.push(if amount == 0 { new_account() } else { store.account_with(amount).await });
    }
    let charges: Vec<_> = keys.iter().map(|key| charge(*key, 20)).collect();
    let answer = store.0.batch(batch(charges.clone(), vec![])).await.unwrap();
    for (at, (id, outcome)) in answer.charges.iter().enumerate() {
        assert_eq!(*id, charges[at].id, "answers come in order");
        let had = i64::try_from(at).unwrap();
        let expected = if had < 20 { ChargeOutcome::Insufficient } else { charged(had - 20) };
        assert_eq!(*outcome, expected, "{had}");
    }
    store.verify(&keys).await;
}

pub async fn one_open_top_up_at_a_time(subject: &dyn Subject) {
    let store = open(subject).await;
    let replica = if subject.is_shared() { open(subject).await } else { store.clone() };
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
pub async fn nothing_is_charged_where_the_balance_suffices_by_now(subject: &dyn Subject) {
    let store = open(subject).await;
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

pub async fn a_top_up_is_credited_once(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = new_account();
    let top_up = store.open(key, 100).await;
    let waits = State::RequiresAction { payment_intent: "pi_w".into() };
    let moved = store.0.advance_top_up(top_up.id, waits.clone()).await.unwrap();
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
        tasks.push(tokio::spawn(async move { store.0.advance_top_up(top_up.id, to).await }));
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
    let unknown = store.0.advance_top_up(wanted(key, 1, None).id, State::Charging).await.unwrap();
    assert_eq!(unknown, Advance::Unknown);
    store.open(key, 100).await;
    store.verify(&[key]).await;
}

pub async fn a_refused_top_up_credits_nothing(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = new_account();
    let top_up = store.open(key, 100).await;
    let refusal = Box::new(Refusal::new(Code::CardDeclined, "nö"));
    let refused = State::Refused { refusal };
    let moved = store.0.advance_top_up(top_up.id, refused.clone()).await.unwrap();
    assert!(matches!(moved, Advance::Done(now) if now.state == refused));
    assert_eq!(store.left(key).await, 0);
    assert!(store.0.movements(key).await.unwrap().is_empty());
    // Stripe took the money after all: it is credited, once, and no other top-up is disturbed.
    let other = store.open(key, 100).await;
    let late = State::Credited { payment_intent: "pi_late".into(), amount: units(100) };
    let moved = store.0.advance_top_up(top_up.id, late.clone()).await.unwrap();
    assert!(matches!(moved, Advance::Done(now) if now.state == late));
    let moved = store.0.advance_top_up(top_up.id, late.clone()).await.unwrap();
    assert!(matches!(moved, Advance::Finished(now) if now.state == late));
    assert_eq!(store.left(key).await, 100);
    let again = store.0.open_top_up(wanted(key, 100, None)).await.unwrap();
    assert!(matches!(again, Opened::Busy(busy) if busy.id == other.id));
    store.0.advance_top_up(other.id, refused).await.unwrap();
    store.verify(&[key]).await;
}

pub async fn an_idempotency_key_names_its_top_up(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = new_account();
    let named = |amount| wanted(key, amount, Some("k:1 {x}"));
    let Opened::New(first) = store.0.open_top_up(named(100)).await.unwrap() else { panic!() };
    assert_eq!(store.0.open_top_up(named(100)).await.unwrap(), Opened::Repeated(first.clone()));
    assert_eq!(store.0.open_top_up(named(200)).await.unwrap(), Opened::Mismatch);
    let mut other_card = named(100);
    other_card.payment_method = "pm_2".parse().unwrap();
    assert_eq!(store.0.open_top_up(other_card).await.unwrap(), Opened::Mismatch);
    let to = State::Credited { payment_intent: "pi_k".into(), amount: units(100) };
    store.0.advance_top_up(first.id, to).await.unwrap();
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
}

pub async fn unfinished_top_ups_are_listed(subject: &dyn Subject) {
    let store = open(subject).await;
    let (waiting, closed) = (store.open(new_account(), 1).await, new_account());
    let finished = store.top_up(closed, 1).await;
    let listed = store.0.unfinished_top_ups().await.unwrap();
    assert!(listed.contains(&waiting));
    assert!(listed.iter().all(|top_up| top_up.id != finished.id && !top_up.state.is_finished()));
    // Leave nothing behind that a ledger on this store would take up.
    let refusal = Box::new(Refusal::new(Code::PaymentFailed, "test"));
    store.0.advance_top_up(waiting.id, State::Refused { refusal }).await.unwrap();
    let listed = store.0.unfinished_top_ups().await.unwrap();
    assert!(listed.iter().all(|top_up| top_up.id != waiting.id));
}

pub async fn the_first_customer_stays(subject: &dyn Subject) {
    let store = open(subject).await;
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
    // A record over an existing one must not wipe its balance, nor the other way round.
    let key = AccountKey { client, currency: Currency::USD };
    store.top_up(key, 100).await;
    store.0.remember_customer(client, "cus_3".into()).await.unwrap();
    assert_eq!(store.left(key).await, 100);
    assert_eq!(store.0.customer(client).await.unwrap().as_deref(), Some("cus_1"));
}

pub async fn limits_let_so_many_through(subject: &dyn Subject) {
    let store = open(subject).await.0;
    let limit = |name: &str, most, millis| Limit {
        name: format!("{name} {}", uuid::Uuid::new_v4()),
        most,
        window: Duration::from_millis(millis),
    };
    // Looking counts nothing; of many at once exactly so many get through.
    let tight = limit("a", 7, 60_000);
    for _ in 0..10 {
        assert_eq!(store.within(&tight, false).await.unwrap(), None);
    }
    let all = (0..40).map(|_| store.within(&tight, true));
    let through = join_all(all).await.into_iter().filter(|wait| wait.as_ref().unwrap().is_none());
    assert_eq!(through.count(), 7);
    let wait = store.within(&tight, false).await.unwrap().unwrap();
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(66), "{wait:?}");
    // Other names have limits of their own, and one that has passed is none any more.
    let brief = limit("b", 1, 300);
    assert_eq!(store.within(&brief, true).await.unwrap(), None);
    let wait = store.within(&brief, true).await.unwrap().unwrap();
    assert!(wait <= Duration::from_millis(330), "{wait:?}");
    tokio::time::sleep(wait + Duration::from_millis(5)).await;
    assert_eq!(store.within(&brief, true).await.unwrap(), None);
}

pub async fn movements_change_the_account_as_they_should(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = new_account();
    for (kind, reference, amount, expected) in [
        (Kind::TopUp, "pi_1", 100, done(100, 0, 0)),
        (Kind::DisputeOpened, "dp_1", 150, done(0, 0, 50)),
        (Kind::DisputeLost, "dp_1", 0, done(0, 0, 50)),
        (Kind::TopUp, "pi_2", 60, done(10, 0, 0)),
        (Kind::DisputeWon, "dp_2", 90, done(100, 0, 0)),
        (Kind::Hold, "h_1", 30, done(70, 30, 0)),
        (Kind::Capture, "h_1", 30, done(70, 0, 0)),
        (Kind::RefundFailed, "re_1", 30, done(100, 0, 0)),
        (Kind::Refund, "re_2", 130, done(0, 0, 30)),
        (Kind::AdjustmentUp, "op_1", 50, done(20, 0, 0)),
        (Kind::AdjustmentDown, "op_2", 5, done(15, 0, 0)),
        (Kind::ExternalDown, "x_1", 5, done(10, 0, 0)),
        (Kind::ExternalUp, "x_2", 1, done(11, 0, 0)),
    ] {
        assert_eq!(store.post(key, kind, reference, amount).await, expected, "{kind:?}");
    }
    for kind in [Kind::AdjustmentDown, Kind::ExternalDown, Kind::Hold] {
        let refused = Posted::Refused(PostRefusal::Insufficient);
        assert_eq!(store.post(key, kind, "too much", 12).await, refused, "{kind:?}");
    }
    let movements = store.0.movements(key).await.unwrap();
    assert_eq!(movements.len(), 13, "what was refused left nothing");
    assert!(movements.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms), "oldest first");
    assert_eq!(movements[0].posting.kind, Kind::TopUp);
    assert_eq!(movements[12].posting.note.as_deref(), Some("a note, with ü"));
    store.verify(&[key]).await;
}

pub async fn a_movement_is_posted_once(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = new_account();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            store.post(key, Kind::AdjustmentUp, "op:1 {x}", 10).await
        }));
    }
    let mut first = 0;
    for task in tasks {
        first += usize::from(matches!(task.await.unwrap(), Posted::Done(_)));
    }
    assert_eq!((first, store.left(key).await), (1, 10));
    let other = store.post(key, Kind::AdjustmentUp, "op:1 {x}", 11).await;
    assert_eq!(other, Posted::Refused(PostRefusal::Conflict));
    assert_eq!(store.post(key, Kind::TopUp, "op:1 {x}", 5).await, done(15, 0, 0), "by kind");
    store.verify(&[key]).await;
}

pub async fn holds_are_captured_or_released_once(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let no_hold = Posted::Refused(PostRefusal::NoSuchHold);
    assert_eq!(store.post(key, Kind::Capture, "h", 10).await, no_hold);
    store.post(key, Kind::Hold, "h", 40).await;
    assert_eq!(store.post(key, Kind::Capture, "h", 39).await, no_hold);
    assert_eq!(store.post(key, Kind::Release, "h", 40).await, done(100, 0, 0));
    assert_eq!(store.post(key, Kind::Capture, "h", 40).await, no_hold);
    store.post(key, Kind::Hold, "i", 40).await;
    assert_eq!(store.charge(&charge(key, 61)).await, ChargeOutcome::Insufficient);
    store.post(key, Kind::DisputeOpened, "dp", 70).await;
    // Released, a held amount settles debt first.
    assert_eq!(store.post(key, Kind::Release, "i", 40).await, done(30, 0, 0));
    store.verify(&[key]).await;
}

pub async fn a_debt_is_settled_first(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let taken = charge(key, 80);
    store.charge(&taken).await;
    store.post(key, Kind::DisputeOpened, "dp", 100).await;
    assert_eq!(store.account(key).await.debt, units(80));
    store.void(&void(&taken)).await;
    assert_eq!(store.account(key).await, Account::default(), "the void settled it");
    store.post(key, Kind::Refund, "re", 30).await;
    store.top_up(key, 20).await;
    let account = store.account(key).await;
    assert_eq!((account.available, account.debt), (Units::ZERO, units(10)));
    assert_eq!(store.charge(&charge(key, 1)).await, ChargeOutcome::Insufficient);
    store.verify(&[key]).await;
}

pub async fn a_frozen_account_neither_pays_nor_is_charged(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(100).await;
    let taken = charge(key, 10);
    store.charge(&taken).await;
    store.post(key, Kind::Freeze, "case 1", 0).await;
    assert_eq!(store.charge(&charge(key, 1)).await, ChargeOutcome::Frozen);
    let opened = store.0.open_top_up(wanted(key, 100, None)).await.unwrap();
    assert_eq!(opened, Opened::Frozen);
    // What was under way still settles.
    assert_eq!(store.void(&void(&taken)).await, VoidOutcome::Voided);
    store.post(key, Kind::AdjustmentUp, "op", 5).await;
    let account = store.account(key).await;
    assert_eq!((account.available, account.frozen), (units(105), true));
    store.post(key, Kind::Unfreeze, "case 1", 0).await;
    assert_eq!(store.charge(&charge(key, 105)).await, charged(0));
    store.verify(&[key]).await;
}

pub async fn sums_and_single_charges_can_be_read(subject: &dyn Subject) {
    let store = open(subject).await;
    let key = store.account_with(1_000).await;
    let mut ids = Vec::new();
    for (route, ago) in [("joke", 7_200), ("joke", 7_200), ("weather: {ü}", 0)] {
        let route = route.to_owned();
        let id = charge_id(Duration::from_secs(ago));
        store.charge(&Charge { id, route, ..charge(key, 10) }).await;
        ids.push(id);
    }
    let voided = charge(key, 10);
    store.charge(&voided).await;
    store.void(&void(&voided)).await;
    let mut tallies = store.0.tallies(key).await.unwrap();
    tallies.retain(|tally| tally.count != 0);
    tallies.sort();
    let sums: Vec<_> =
        tallies.iter().map(|tally| (tally.route.as_str(), tally.count, tally.amount)).collect();
    // Two hours ago may be one hour of the clock or, at its turn, two.
    let by_route = |route: &str| -> (i64, i64) {
        sums.iter().filter(|sum| sum.0 == route).fold((0, 0), |s, sum| (s.0 + sum.1, s.1 + sum.2))
    };
    assert_eq!((by_route("joke"), by_route("weather: {ü}")), ((2, 20), (1, 10)));
    assert_eq!(tallies[0].hour, ids[0].minted_ms() / 3_600_000);

    let kept = store.0.charges(key, 10).await.unwrap();
    assert_eq!(kept.len(), 3, "a voided one is no deduction any more");
    assert_eq!((kept[0].id, &*kept[0].route), (ids[2], "weather: {ü}"), "newest first");
    assert_eq!(store.0.charges(key, 1).await.unwrap().len(), 1);
}

pub async fn accounts_are_listed_in_pages(subject: &dyn Subject) {
    let store = open(subject).await;
    let mut mine = BTreeSet::new();
    for _ in 0..5 {
        mine.insert(store.account_with(1).await);
    }
    let one = *mine.first().unwrap();
    let euros = AccountKey { currency: "eur".parse().unwrap(), ..one };
    store.top_up(euros, 1).await;
    mine.insert(euros);
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.0.accounts(None, after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for key in page {
            assert!(seen.insert(key), "{key:?} is listed twice");
        }
    }
    assert!(mine.is_subset(&seen));
    let own = store.0.accounts(Some(one.client), None, 10).await.unwrap();
    assert_eq!(own.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([one, euros]));
}

pub async fn charges_are_forgotten_and_their_sums_stay(subject: &dyn Subject) {
    let memory = Duration::from_secs(3);
    let store = Asked(subject.open(Options { charge_memory: memory }).await);
    let key = store.account_with(100).await;
    let old = charge(key, 10);
    assert_eq!(store.charge(&old).await, charged(90));
    tokio::time::sleep(memory + Duration::from_secs(1)).await;
    assert_eq!(store.charge(&old).await, ChargeOutcome::Stale, "never a second time");
    assert_eq!(store.void(&void(&old)).await, VoidOutcome::Stale);
    assert_eq!(store.charge(&charge(key, 10)).await, charged(80));
    assert_eq!(store.0.charges(key, 10).await.unwrap().len(), 1);
    let spent: i64 = store.0.tallies(key).await.unwrap().iter().map(|tally| tally.amount).sum();
    assert_eq!(spent, 20);
    store.verify(&[key]).await;
}

/// Charges, voids and top-ups of ten clients, from many tasks on several replicas at once.
pub async fn hammering_ten_clients_loses_no_unit(subject: &dyn Subject) {
    const TASKS: usize = 64;
    const ROUNDS: usize = 25;
    let replicas = if subject.is_shared() { 4 } else { 1 };
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..replicas {
        stores.push(subject.open(Options::default()).await);
    }
    let store = Asked(Arc::clone(&stores[0]));
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(store.account_with(500).await);
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Asked(Arc::clone(&stores[task % stores.len()]));
            let keys = keys.clone();
            tokio::spawn(async move { random::hammer(&store.0, &keys, task, ROUNDS).await })
        })
        .collect();
    let mut expected = vec![500_i64; keys.len()];
    for task in tasks {
        for (sum, delta) in expected.iter_mut().zip(task.await.unwrap()) {
            *sum += delta;
        }
    }
    for (key, expected) in keys.iter().zip(expected) {
        assert_eq!(store.left(*key).await, expected, "what was answered is what there is");
    }
    store.verify(&keys).await;
}

/// Random commands, on the store and on the pure books: the same answers, the same accounts.
pub async fn random_commands_do_what_the_books_do(subject: &dyn Subject) {
    let store = subject.open(Options::default()).await;
    random::compare(store.as_ref(), random::steps()).await;
}
