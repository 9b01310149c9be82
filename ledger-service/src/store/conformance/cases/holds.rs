//! Holds: settled once, whoever comes first.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use stripe402_protocol::message::{Batch, Capture, CaptureOutcome, DeductionOutcome, VoidOutcome};

use super::{
    super::{
        StoreUnderTest,
        fixture::{batch, capture, deduction, hold, hold_for, new_account, units, void},
    },
    DAY, deducted, done, open,
};
use crate::accounting::{Account, AccountKey, Kind};

fn captured(captured: i64, left: i64) -> CaptureOutcome {
    CaptureOutcome::Captured { captured: units(captured), left: units(left) }
}

fn account(available: i64, pending: i64) -> Account {
    Account { available: units(available), pending: units(pending), ..Account::default() }
}

pub async fn a_hold_is_captured_in_part_and_the_rest_is_released(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    for (asked, takes, left) in [(25, 25, 75), (0, 0, 75), (60, 60, 15), (16, 15, 0)] {
        let before = store.left(key).await;
        let held = hold(key, before.min(60));
        assert_eq!(store.deduction(&held).await, deducted(before - before.min(60)));
        assert_eq!(store.account(key).await, account(before - before.min(60), before.min(60)));
        store.verify(&[key]).await;
        let listed = store.0.open_holds(Some(key.client), 9).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].0, listed[0].1.amount), (held.id, held.amount));
        assert_eq!(listed[0].1.terms, held.hold.unwrap());
        assert_eq!(store.capture(capture(&held, asked)).await, captured(takes, left), "{asked}");
        assert_eq!(store.account(key).await, account(left, 0));
    }
    let kept = store.0.deductions(key, 9).await.unwrap();
    let mut kept: Vec<_> = kept.iter().map(|kept| kept.amount.get()).collect();
    kept.sort_unstable();
    assert_eq!(kept, [0, 15, 25, 60]);
    store.verify(&[key]).await;
}

pub async fn a_hold_that_is_repeated_has_one_effect_and_one_answer(
    under_test: &dyn StoreUnderTest,
) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let held = hold(key, 60);
    for _ in 0..2 {
        assert_eq!(store.deduction(&held).await, deducted(40));
    }
    for asked in [25, 60, 0] {
        assert_eq!(store.capture(capture(&held, asked)).await, captured(25, 75));
    }
    assert_eq!(store.deduction(&held).await, deducted(40), "the first answer");
    let plain = deduction(key, 60);
    let other = stripe402_protocol::message::Deduction { id: held.id, ..plain };
    assert_eq!(store.deduction(&other).await, DeductionOutcome::Conflict, "no hold");
    assert_eq!(store.account(key).await, account(75, 0));
    store.verify(&[key]).await;
}

pub async fn holds_captures_and_voids_commute(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    for order in ["hc", "ch", "hcv", "hvc", "chv", "cvh", "vhc", "vch"] {
        let key = store.account_with(100).await;
        let held = hold(key, 60);
        for step in order.chars() {
            match step {
                'h' => _ = store.deduction(&held).await,
                'c' => _ = store.capture(capture(&held, 25)).await,
                _ => _ = store.void(&void(&held)).await,
            }
        }
        let left = if order.contains('v') { 100 } else { 75 };
        assert_eq!(store.account(key).await, account(left, 0), "{order}");
        store.verify(&[key]).await;
    }
}

pub async fn a_capture_that_comes_first_is_paid_when_its_hold_comes(
    under_test: &dyn StoreUnderTest,
) {
    let store = open(under_test).await;
    let key = store.account_with(20).await;
    let held = hold(key, 60);
    for _ in 0..2 {
        assert_eq!(store.capture(capture(&held, 25)).await, CaptureOutcome::Marked);
    }
    assert_eq!(store.deduction(&held).await, DeductionOutcome::Insufficient);
    store.top_up(key, 10).await;
    assert_eq!(store.deduction(&held).await, deducted(5));
    assert_eq!(store.capture(capture(&held, 25)).await, captured(25, 5));
    let plain = deduction(key, 1);
    assert_eq!(store.capture(capture(&plain, 1)).await, CaptureOutcome::Marked);
    assert_eq!(store.deduction(&plain).await, DeductionOutcome::Conflict, "no hold");
    let forgotten =
        Capture { id: super::super::fixture::deduction_id(DAY * 8), ..capture(&held, 1) };
    assert_eq!(store.capture(forgotten).await, CaptureOutcome::Stale);
    store.verify(&[key]).await;
}

pub async fn another_clients_capture_takes_nothing(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (key, stranger) = (store.account_with(100).await, new_account());
    let held = hold(key, 60);
    store.deduction(&held).await;
    let forged = Capture { client_id: stranger.client, ..capture(&held, 60) };
    // A store by clients sees no such hold of the stranger's, and marks it there.
    let outcome = store.capture(forged).await;
    assert!(matches!(outcome, CaptureOutcome::Conflict | CaptureOutcome::Marked), "{outcome:?}");
    assert_eq!(store.account(key).await, account(40, 60));
    let taken = deduction(key, 10);
    store.deduction(&taken).await;
    assert_eq!(store.capture(capture(&taken, 1)).await, CaptureOutcome::Conflict, "no hold");
    assert_eq!(store.capture(capture(&held, 5)).await, captured(5, 85));
    store.verify(&[key]).await;
}

/// What a batch gives back can be spent by its deductions, and what it holds cannot.
pub async fn captures_of_a_batch_come_before_its_deductions(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(60).await;
    let (first, second, third) = (hold(key, 60), hold(key, 50), deduction(key, 10));
    store.deduction(&first).await;
    let sent = Batch {
        captures: vec![capture(&first, 5)],
        ..batch(vec![second.clone(), third.clone(), deduction(key, 1)], vec![])
    };
    let answer = store.0.batch(sent).await.unwrap();
    assert_eq!(answer.captures, [(first.id, captured(5, 55))]);
    let outcomes: Vec<_> = answer.deductions.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, [deducted(5), DeductionOutcome::Insufficient, deducted(4)]);
    assert_eq!(store.account(key).await, account(4, 50));
    store.verify(&[key]).await;
}

pub async fn at_its_end_a_hold_takes_what_its_terms_say(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let (short, long) = (hold_for(key, 60, Duration::from_secs(1)), hold(key, 10));
    store.deduction(&short).await;
    store.deduction(&long).await;
    let early = store.0.settle_ended_holds(1_000).await.unwrap();
    assert!(early.iter().all(|of| of.id != short.id), "before its end");
    // Other cases' may be settled here, and this one by other cases.
    while store.account(key).await.pending > units(10) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let settled = store.0.settle_ended_holds(1_000).await.unwrap();
        assert!(settled.iter().all(|of| of.id != long.id));
    }
    assert_eq!(store.account(key).await, account(70, 10));
    assert_eq!(store.capture(capture(&short, 60)).await, captured(20, 70), "too late");
    assert_eq!(store.void(&void(&short)).await, VoidOutcome::Voided);
    let late = hold_for(key, 1, Duration::ZERO);
    assert_eq!(store.deduction(&late).await, DeductionOutcome::Stale);
    store.verify(&[key]).await;
}

/// A dispute that comes while a hold is open: the capture is paid, the rest settles the debt.
pub async fn what_a_hold_releases_settles_debt_first(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let held = hold(key, 90);
    store.deduction(&held).await;
    assert_eq!(store.post(key, Kind::DisputeOpened, "dp_1", 30).await, done(0, 90, 20));
    let short = store.deduction(&deduction(key, 1)).await;
    assert_eq!(short, DeductionOutcome::InDebt(units(20)));
    assert_eq!(store.deduction(&hold(key, 1)).await, DeductionOutcome::InDebt(units(20)));
    store.post(key, Kind::Freeze, "dp_1", 0).await;
    assert_eq!(store.deduction(&hold(key, 1)).await, DeductionOutcome::Frozen);
    assert_eq!(store.capture(capture(&held, 60)).await, captured(60, 10));
    let after = Account { frozen: true, ..account(10, 0) };
    assert_eq!(store.account(key).await, after);
    store.verify(&[key]).await;
}

/// Capture, void, the sweeper and a repeated hold at once: one of them settles it.
pub async fn whoever_settles_a_hold_first_settles_it(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let keys: Vec<AccountKey> = join_all((0..4).map(|_| store.account_with(1_000))).await;
    let store = Arc::new(store);
    for round in 0..20 {
        let held: Vec<_> =
            keys.iter().map(|key| hold_for(*key, 30, Duration::from_millis(40))).collect();
        for hold in &held {
            store.deduction(hold).await;
        }
        tokio::time::sleep(Duration::from_millis(38)).await;
        let racing = held.iter().map(|hold| {
            let (store, hold) = (Arc::clone(&store), hold.clone());
            async move {
                let capture = async { store.capture(capture(&hold, 7)).await };
                let sweep = async { store.0.settle_ended_holds(1_000).await.unwrap() };
                let voided = async {
                    if round % 2 == 0 { Some(store.void(&void(&hold)).await) } else { None }
                };
                let again = async { store.deduction(&hold).await };
                tokio::join!(capture, sweep, voided, again)
            }
        });
        join_all(racing).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    while store
        .0
        .settle_ended_holds(1_000)
        .await
        .unwrap()
        .iter()
        .any(|of| keys.contains(&of.hold.account))
    {}
    for key in &keys {
        let spent: i64 = store.0.tallies(*key).await.unwrap().iter().map(|of| of.amount).sum();
        assert_eq!(store.account(*key).await, account(1_000 - spent, 0));
    }
    store.verify(&keys).await;
}
