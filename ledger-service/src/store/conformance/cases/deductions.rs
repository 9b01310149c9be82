//! Charges: what is taken, and what is refused.

use stripe402_protocol::{
    Currency, Units,
    message::{Deduction, DeductionOutcome, VoidOutcome},
};

use super::{
    super::{
        StoreUnderTest,
        fixture::{batch, deduction, deduction_id, new_account, units, void},
    },
    DAY, deducted, open,
};
use crate::accounting::{AccountKey, Kind, PostRefusal, Posted};

pub async fn charges_are_taken_to_the_last_unit(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    assert_eq!(store.deduction(&deduction(key, 60)).await, deducted(40));
    assert_eq!(store.deduction(&deduction(key, 41)).await, DeductionOutcome::Insufficient);
    assert_eq!(store.deduction(&deduction(key, 40)).await, deducted(0));
    assert_eq!(store.deduction(&deduction(key, 1)).await, DeductionOutcome::Insufficient);
    assert_eq!(store.deduction(&deduction(new_account(), 1)).await, DeductionOutcome::Insufficient);
    store.verify(&[key]).await;
}

/// Stale, then conflict, then voided, then frozen, then insufficient.
pub async fn refusals_come_in_order(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    for ago in [DAY * 4, DAY * 30] {
        let old = Deduction { id: deduction_id(ago), ..deduction(key, 1_000) };
        assert_eq!(store.deduction(&old).await, DeductionOutcome::Stale, "{ago:?}");
    }
    let young = Deduction { id: deduction_id(DAY * 3), ..deduction(key, 10) };
    assert_eq!(store.deduction(&young).await, deducted(90));
    let voided = deduction(key, 10);
    store.void(&void(&voided)).await;
    store.post(key, Kind::Freeze, "f", 0).await;
    let dear = Deduction { amount: units(1_000), ..voided.clone() };
    assert_eq!(store.deduction(&dear).await, DeductionOutcome::Voided);
    let conflicting = Deduction { amount: units(1_000), ..young.clone() };
    assert_eq!(store.deduction(&conflicting).await, DeductionOutcome::Conflict);
    assert_eq!(store.deduction(&young).await, deducted(90), "what was paid stays paid");
    assert_eq!(store.deduction(&deduction(key, 1_000)).await, DeductionOutcome::Frozen);
    assert_eq!(store.left(key).await, 90);
}

/// A route name that is too long for an index, or has a letter that a column cannot hold: whatever
/// a store makes of it, others of the batch are served. The gateway and the ledger's listener let no
/// such name through; a store does not rely on that.
pub async fn a_charge_that_cannot_be_booked_fails_alone(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (one, other) = (store.account_with(100).await, store.account_with(100).await);
    let early = deduction(one, 30);
    store.deduction(&early).await;
    for route in ["\0".to_owned(), random_text(20_000)] {
        let bad = Deduction { route, ..deduction(other, 10) };
        let good = deduction(one, 10);
        let (before, beside) = (store.left(one).await, store.left(other).await);
        let voids = vec![void(&deduction(one, 1)), void(&early)];
        let deductions = vec![good.clone(), bad.clone(), deduction(other, 1)];
        let answer = store.0.batch(batch(deductions, voids)).await.unwrap();
        let [(first, taken), (second, odd), (_, last)] = answer.deductions[..] else { panic!() };
        assert_eq!((first, second), (good.id, bad.id));
        let given_back = if answer.voids[1].1 == VoidOutcome::Voided { 30 } else { 0 };
        assert_eq!(taken, deducted(before + given_back - 10), "{:.20}", bad.route);
        assert_eq!(answer.voids[0].1, VoidOutcome::Marked);
        let odd = match odd {
            DeductionOutcome::Deducted(_) => 10,
            DeductionOutcome::Conflict => 0,
            other => panic!("{other:?}"),
        };
        assert_eq!(last, deducted(beside - odd - 1));
        assert_eq!(store.deduction(&good).await, taken, "once");
    }
    store.verify(&[one, other]).await;
}

/// Text that no index packs into less.
fn random_text(length: usize) -> String {
    let pieces = (0..=length / 32).map(|_| uuid::Uuid::new_v4().simple().to_string());
    pieces.collect::<String>()[..length].to_owned()
}

pub async fn a_charge_that_is_repeated_has_one_effect_and_one_answer(
    under_test: &dyn StoreUnderTest,
) {
    let store = open(under_test).await;
    let replica = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    let key = store.account_with(100).await;
    let taken = deduction(key, 60);
    for asked in [&store, &store, &replica] {
        assert_eq!(asked.deduction(&taken).await, deducted(40));
    }
    // In one batch, too, and with others between.
    let twice = batch(vec![taken.clone(), deduction(key, 10), taken.clone()], vec![]);
    let answer = store.0.batch(twice).await.unwrap();
    let outcomes: Vec<_> = answer.deductions.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, [deducted(40), deducted(30), deducted(40)]);
    assert_eq!(store.left(key).await, 30);
    store.verify(&[key]).await;
}

pub async fn an_id_with_other_content_is_a_conflict(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let taken = deduction(key, 10);
    assert_eq!(store.deduction(&taken).await, deducted(90));
    let route = "weather".to_owned();
    for other in
        [Deduction { amount: units(11), ..taken.clone() }, Deduction { route, ..taken.clone() }]
    {
        assert_eq!(store.deduction(&other).await, DeductionOutcome::Conflict);
    }
    assert_eq!(store.left(key).await, 90);
    // Twice in one batch: what came first had no effect, and is answered as if the other were not there.
    let key = store.account_with(100).await;
    let known = deduction(key, 40);
    let elsewhere = Deduction { currency: "eur".parse().unwrap(), ..known.clone() };
    let sent = batch(vec![elsewhere.clone(), known.clone(), elsewhere], vec![]);
    let outcomes = store.0.batch(sent).await.unwrap().deductions;
    let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    let refused = [DeductionOutcome::Insufficient, deducted(60), DeductionOutcome::Conflict];
    assert_eq!(outcomes, refused);
}

pub async fn currencies_are_kept_apart(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let dollars = store.account_with(100).await;
    let euros = AccountKey { currency: "eur".parse::<Currency>().unwrap(), ..dollars };
    assert_eq!(store.deduction(&deduction(euros, 1)).await, DeductionOutcome::Insufficient);
    store.top_up(euros, 7).await;
    assert_eq!(store.deduction(&deduction(euros, 2)).await, deducted(5));
    assert_eq!((store.left(dollars).await, store.left(euros).await), (100, 5));
    store.verify(&[dollars, euros]).await;
}

/// Lua and JSON numbers are doubles: exact up to 2^53 − 1.
pub async fn amounts_up_to_the_largest(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let most = Units::MAX.get();
    let key = store.account_with(most).await;
    let posted = store.post(key, Kind::AdjustmentUp, "one more", 1).await;
    assert_eq!(posted, Posted::Refused(PostRefusal::TooLarge));
    assert_eq!(store.deduction(&deduction(key, 1)).await, deducted(most - 1));
    let all_but_one = deduction(key, most - 2);
    assert_eq!(store.deduction(&all_but_one).await, deducted(1));
    assert_eq!(store.void(&void(&all_but_one)).await, VoidOutcome::Voided);
    assert_eq!(store.left(key).await, most - 1);
    store.verify(&[key]).await;
}

pub async fn a_batch_of_many_clients(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let mut keys = Vec::new();
    for amount in 0..40 {
        keys.push(if amount == 0 { new_account() } else { store.account_with(amount).await });
    }
    let deductions: Vec<_> = keys.iter().map(|key| deduction(*key, 20)).collect();
    let answer = store.0.batch(batch(deductions.clone(), vec![])).await.unwrap();
    for (at, (id, outcome)) in answer.deductions.iter().enumerate() {
        assert_eq!(*id, deductions[at].id, "answers come in order");
        let had = i64::try_from(at).unwrap();
        let expected = if had < 20 { DeductionOutcome::Insufficient } else { deducted(had - 20) };
        assert_eq!(*outcome, expected, "{had}");
    }
    store.verify(&keys).await;
}

/// More than Lua's stack holds, more than a statement has parameters for.
pub async fn a_large_batch_of_one_client(under_test: &dyn StoreUnderTest) {
    const MANY: usize = 5_000;
    let store = open(under_test).await;
    let key = store.account_with(MANY as i64 - 1).await;
    let deductions: Vec<_> = (0..MANY).map(|_| deduction(key, 1)).collect();
    let answer = store.0.batch(batch(deductions.clone(), vec![])).await.unwrap();
    let outcomes = answer.deductions.iter().map(|(_, outcome)| *outcome);
    let left = (0..MANY as i64 - 1).rev().map(deducted);
    assert!(outcomes.eq(left.chain([DeductionOutcome::Insufficient])));
    let voids = deductions.iter().map(void).collect();
    let answer = store.0.batch(batch(vec![], voids)).await.unwrap();
    let voided = answer.voids.iter().filter(|(_, outcome)| *outcome == VoidOutcome::Voided);
    assert_eq!(voided.count(), MANY - 1);
    assert_eq!(store.left(key).await, MANY as i64 - 1);
    store.verify(&[key]).await;
}

/// What is given back in one batch is more than a double is exact for.
pub async fn voids_beyond_the_largest_amount(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let most = Units::MAX.get();
    let key = store.account_with(most).await;
    let first = deduction(key, most);
    assert_eq!(store.deduction(&first).await, deducted(0));
    store.top_up(key, most).await;
    let second = deduction(key, most - 1);
    assert_eq!(store.deduction(&second).await, deducted(1));
    let both = batch(vec![], vec![void(&second), void(&first)]);
    let answer = store.0.batch(both).await.unwrap();
    assert!(answer.voids.iter().all(|(_, outcome)| *outcome == VoidOutcome::Voided));
    assert_eq!(store.left(key).await, most, "what does not fit is kept");
    let tallies = store.0.tallies(key).await.unwrap();
    assert_eq!(tallies.iter().map(|tally| (tally.count, tally.amount)).next(), Some((0, 0)));
}
