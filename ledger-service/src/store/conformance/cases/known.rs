//! What became of a deduction or a hold, and who is told.

use std::time::Duration;

use stripe402_protocol::message::{Deduction, VoidOutcome};

use super::{
    super::{
        Options, StoreUnderTest,
        fixture::{Asked, capture, deduction, hold, hold_for, new_account, units, void},
    },
    open,
};
use crate::accounting::{AccountKey, DeductionRecord};

async fn known(store: &Asked, key: AccountKey, of: &Deduction) -> Option<DeductionRecord> {
    store.0.deduction(key.client, of.id).await.unwrap()
}

fn held(account: AccountKey, of: &Deduction, left: i64) -> Option<DeductionRecord> {
    let (route, balance_after) = (of.route.clone(), units(left));
    Some(DeductionRecord::Held { account, amount: of.amount, route, balance_after })
}

fn captured(account: AccountKey, of: &Deduction, taken: i64, left: i64) -> Option<DeductionRecord> {
    Some(DeductionRecord::Captured {
        account,
        held: of.amount,
        captured: units(taken),
        route: of.route.clone(),
        balance_after: units(left - (of.amount.get() - taken)),
        left: units(left),
        count: 1,
    })
}

pub async fn what_became_of_a_deduction_can_be_asked(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let voided = Some(DeductionRecord::Voided { account: key });
    let flat = Deduction { route: "a route, with ü".to_owned(), ..deduction(key, 10) };
    assert_eq!(known(&store, key, &flat).await, None, "not yet");
    store.deduction(&flat).await;
    let (amount, route, balance_after) = (flat.amount, flat.route.clone(), units(90));
    let deducted = DeductionRecord::Deducted { account: key, amount, route, balance_after };
    assert_eq!(known(&store, key, &flat).await, Some(deducted));
    store.void(&void(&flat)).await;
    assert_eq!(known(&store, key, &flat).await, voided, "a deduction that was voided");

    let of_card = Deduction { route: "weather 2".to_owned(), ..hold(key, 60) };
    store.deduct_for_card(&of_card).await;
    assert_eq!(known(&store, key, &of_card).await, held(key, &of_card, 40));
    store.capture(capture(&of_card, 25)).await;
    assert_eq!(known(&store, key, &of_card).await, captured(key, &of_card, 25, 75));
    store.void(&void(&of_card)).await;
    assert_eq!(known(&store, key, &of_card).await, voided, "a capture that was voided");

    let released = hold(key, 60);
    store.deduction(&released).await;
    store.void(&void(&released)).await;
    assert_eq!(known(&store, key, &released).await, voided, "a hold that was released");
    assert_eq!(store.left(key).await, 100);

    let free = hold_for(key, 30, Duration::from_secs(1));
    store.deduction(&free).await;
    while known(&store, key, &free).await == held(key, &free, 70) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        store.0.settle_ended_holds(1_000).await.unwrap();
    }
    assert_eq!(known(&store, key, &free).await, captured(key, &free, 10, 90), "at its end");
    store.verify(&[key]).await;
}

/// Another client is told as much as of an id that was never used, and so is everybody of marks.
pub async fn only_its_payer_is_told_what_became_of_a_deduction(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (key, stranger) = (store.account_with(100).await, store.account_with(100).await);
    let (flat, open, settled, void_first, capture_first) =
        (deduction(key, 10), hold(key, 20), hold(key, 30), deduction(key, 1), hold(key, 1));
    let all = [&flat, &open, &settled, &void_first, &capture_first];
    for of in [&flat, &open, &settled] {
        store.deduction(of).await;
    }
    store.capture(capture(&settled, 5)).await;
    store.void(&void(&void_first)).await;
    store.capture(capture(&capture_first, 1)).await;
    for mark in [&void_first, &capture_first] {
        assert_eq!(known(&store, key, mark).await, None, "a mark");
    }
    for round in ["as they are", "once they are voided"] {
        for of in all {
            assert_eq!(known(&store, stranger, of).await, None, "{round}: {of:?}");
            assert_eq!(known(&store, new_account(), of).await, None, "{round}: {of:?}");
        }
        for of in [&flat, &open, &settled] {
            assert!(known(&store, key, of).await.is_some(), "{round}: {of:?}");
            store.void(&void(of)).await;
        }
    }
    store.verify(&[key]).await;
}

/// A hold is told for as long as it is open, though its id is forgotten.
pub async fn an_open_hold_is_known_beyond_the_memory(under_test: &dyn StoreUnderTest) {
    let memory = Duration::from_secs(3);
    let options = Options { charge_memory: memory, ..Options::default() };
    let store = Asked(under_test.open(options).await);
    let key = store.account_with(100).await;
    let (flat, long) = (deduction(key, 10), hold(key, 60));
    store.deduction(&flat).await;
    store.deduction(&long).await;
    assert!(known(&store, key, &flat).await.is_some());
    tokio::time::sleep(memory + Duration::from_secs(1)).await;
    assert_eq!(known(&store, key, &flat).await, None, "forgotten");
    assert_eq!(known(&store, key, &long).await, held(key, &long, 30));
    assert_eq!(known(&store, new_account(), &long).await, None, "another client's");
    assert_eq!(store.void(&void(&long)).await, VoidOutcome::Voided);
    assert_eq!(known(&store, key, &long).await, None, "settled, and forgotten");
    store.verify(&[key]).await;
}
