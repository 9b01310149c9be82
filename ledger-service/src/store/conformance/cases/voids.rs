//! Voids: given back once, in whatever order they come.

use stripe402_protocol::message::{Deduction, DeductionOutcome, Void, VoidOutcome};

use super::{
    super::{
        StoreUnderTest,
        fixture::{batch, deduction, deduction_id, new_account, void},
    },
    DAY, deducted, open,
};
pub async fn a_void_gives_back_once(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let taken = deduction(key, 60);
    store.deduction(&taken).await;
    assert_eq!(store.void(&void(&taken)).await, VoidOutcome::Voided);
    assert_eq!(store.void(&void(&taken)).await, VoidOutcome::Repeated);
    assert_eq!(store.deduction(&taken).await, DeductionOutcome::Voided);
    assert_eq!(store.left(key).await, 100);
    store.verify(&[key]).await;
}

pub async fn a_void_that_comes_first_refuses_the_charge(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let late = deduction(key, 60);
    assert_eq!(store.void(&void(&late)).await, VoidOutcome::Marked);
    assert_eq!(store.void(&void(&late)).await, VoidOutcome::Repeated);
    assert_eq!(store.deduction(&late).await, DeductionOutcome::Voided);
    let forgotten = Void { id: deduction_id(DAY * 8), client_id: Some(key.client) };
    assert_eq!(store.void(&forgotten).await, VoidOutcome::Stale);
    assert_eq!(store.left(key).await, 100);
}

/// A card payment whose answer was lost: the gateway does not know whose it was.
pub async fn a_void_without_a_client_finds_its_charge(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let (before, after) = (deduction(key, 10), deduction(key, 20));
    let nameless = |deduction: &Deduction| Void { id: deduction.id, client_id: None };
    store.deduct_for_card(&after).await;
    assert_eq!(store.void(&nameless(&after)).await, VoidOutcome::Voided);
    assert_eq!(store.void(&nameless(&after)).await, VoidOutcome::Repeated);
    assert_eq!(store.void(&nameless(&before)).await, VoidOutcome::Marked);
    assert_eq!(store.deduct_for_card(&before).await, DeductionOutcome::Voided);
    // The deduction came and could not be paid; the void comes, and then the deduction again.
    let dear = deduction(key, 101);
    assert_eq!(store.deduct_for_card(&dear).await, DeductionOutcome::Insufficient);
    assert_eq!(store.void(&nameless(&dear)).await, VoidOutcome::Marked);
    store.top_up(key, 1).await;
    assert_eq!(store.deduct_for_card(&dear).await, DeductionOutcome::Voided);
    // The gateway learnt the client's name in time.
    let named = deduction(key, 30);
    assert_eq!(store.deduct_for_card(&named).await, deducted(71));
    assert_eq!(store.deduct_for_card(&named).await, deducted(71), "repeated");
    assert_eq!(store.void(&void(&named)).await, VoidOutcome::Voided);
    assert_eq!(store.void(&nameless(&named)).await, VoidOutcome::Repeated);
    assert_eq!(store.left(key).await, 101);
    store.verify(&[key]).await;
}

/// Both at once, many times: whichever comes first, nothing is taken for good.
pub async fn a_void_without_a_client_races_its_charge(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let replica = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    let key = store.account_with(100).await;
    for _ in 0..50 {
        let taken = deduction(key, 100);
        let nameless = Void { id: taken.id, client_id: None };
        let (deducting, voiding) = (store.clone(), replica.clone());
        let deducting = tokio::spawn(async move { deducting.deduct_for_card(&taken).await });
        let voiding = tokio::spawn(async move { voiding.void(&nameless).await });
        let (outcome, void) = (deducting.await.unwrap(), voiding.await.unwrap());
        assert_eq!(outcome == deducted(0), void == VoidOutcome::Voided, "{outcome:?} {void:?}");
        assert_eq!(store.left(key).await, 100, "{outcome:?} {void:?}");
    }
    store.verify(&[key]).await;
}

pub async fn a_void_in_another_clients_name_does_nothing(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let taken = deduction(key, 60);
    store.deduction(&taken).await;
    let forged = Void { id: taken.id, client_id: Some(new_account().client) };
    let outcome = store.void(&forged).await;
    assert_ne!(outcome, VoidOutcome::Voided);
    assert_eq!(store.left(key).await, 40);
}

pub async fn voids_of_a_batch_come_before_its_charges(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let first = deduction(key, 100);
    store.deduction(&first).await;
    let second = deduction(key, 100);
    let answer = store.0.batch(batch(vec![second.clone()], vec![void(&first)])).await.unwrap();
    assert_eq!(answer.voids, [(first.id, VoidOutcome::Voided)]);
    assert_eq!(answer.deductions, [(second.id, deducted(0))]);
}
