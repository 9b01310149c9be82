//! Everything else that changes an account.

use stripe402_protocol::{
    Units,
    message::{DeductionOutcome, VoidOutcome},
};

use super::{
    super::{
        StoreUnderTest,
        fixture::{deduction, new_account, units, void, wanted},
    },
    deducted, done, open,
};
use crate::accounting::{
    Account, AccountKey, Kind, NewTopUp, Opened, PostRefusal, Posted, Posting,
};

pub async fn movements_change_the_account_as_they_should(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
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

pub async fn a_movement_is_posted_once(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
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

pub async fn holds_are_captured_or_released_once(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let no_hold = Posted::Refused(PostRefusal::NoSuchHold);
    assert_eq!(store.post(key, Kind::Capture, "h", 10).await, no_hold);
    store.post(key, Kind::Hold, "h", 40).await;
    assert_eq!(store.post(key, Kind::Capture, "h", 39).await, no_hold);
    assert_eq!(store.post(key, Kind::Release, "h", 40).await, done(100, 0, 0));
    assert_eq!(store.post(key, Kind::Capture, "h", 40).await, no_hold);
    store.post(key, Kind::Hold, "i", 40).await;
    assert_eq!(store.deduction(&deduction(key, 61)).await, DeductionOutcome::Insufficient);
    store.post(key, Kind::DisputeOpened, "dp", 70).await;
    // Released, a held amount settles debt first.
    assert_eq!(store.post(key, Kind::Release, "i", 40).await, done(30, 0, 0));
    store.verify(&[key]).await;
}

pub async fn a_debt_is_settled_first(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let taken = deduction(key, 80);
    store.deduction(&taken).await;
    store.post(key, Kind::DisputeOpened, "dp", 100).await;
    assert_eq!(store.account(key).await.debt, units(80));
    store.void(&void(&taken)).await;
    assert_eq!(store.account(key).await, Account::default(), "the void settled it");
    store.post(key, Kind::Refund, "re", 30).await;
    store.post(key, Kind::TopUp, "pi", 20).await;
    let account = store.account(key).await;
    assert_eq!((account.available, account.debt), (Units::ZERO, units(10)));
    assert_eq!(store.deduction(&deduction(key, 1)).await, DeductionOutcome::InDebt(units(10)));
    store.verify(&[key]).await;
}

pub async fn a_top_up_that_would_go_into_a_debt_is_not_opened(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    store.post(key, Kind::DisputeOpened, "dp", 130).await;
    let open = async |amount: i64, needed: u32| {
        let needed = Units::from_u32(needed);
        store.0.open_top_up(NewTopUp { needed, ..wanted(key, amount, None) }).await.unwrap()
    };
    assert_eq!(open(30, 1).await, Opened::InDebt(units(30)));
    assert_eq!(open(39, 10).await, Opened::InDebt(units(30)));
    let other = AccountKey { currency: "eur".parse().unwrap(), ..key };
    assert_eq!(store.account(other).await.debt, Units::ZERO);
    assert!(matches!(open(40, 10).await, Opened::New(_)));
    // Another one is under way: it may settle the debt.
    assert!(matches!(open(30, 1).await, Opened::Busy(_)));
    store.verify(&[key]).await;
}

pub async fn a_debit_of_what_is_there_makes_no_debt(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let post = async |reference: &str, amount: i64| {
        let (reference, note) = (reference.to_owned(), Some("of more".to_owned()));
        let posting = Posting { kind: Kind::Refund, reference, amount: units(amount), note };
        let posted = store.0.post_up_to(key, posting).await.unwrap();
        let movement = store.0.movement(key, Kind::Refund, "re_1").await.unwrap();
        (posted, movement.map(|movement| movement.posting.amount.get()))
    };
    assert_eq!(store.0.movement(key, Kind::Refund, "re_1").await.unwrap(), None);
    let account = |available| Account { available: units(available), ..Account::default() };
    assert_eq!(post("re_1", 130).await, (Posted::Done(account(0)), Some(100)));
    store.top_up(key, 50).await;
    // It keeps to what it took.
    assert_eq!(post("re_1", 130).await, (Posted::Repeated(account(50)), Some(100)));
    assert_eq!(post("re_2", 20).await, (Posted::Done(account(30)), Some(100)));
    let known = store.0.movement(key, Kind::Refund, "re_2").await.unwrap().unwrap();
    assert_eq!(known.posting.note.as_deref(), Some("of more"));
    let other = AccountKey { currency: "eur".parse().unwrap(), ..key };
    assert_eq!(store.0.movement(other, Kind::Refund, "re_1").await.unwrap(), None);
    assert_eq!(store.0.movement(key, Kind::RefundFailed, "re_1").await.unwrap(), None);
    store.verify(&[key]).await;
}

pub async fn a_frozen_account_neither_pays_nor_is_charged(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let taken = deduction(key, 10);
    store.deduction(&taken).await;
    store.post(key, Kind::Freeze, "case 1", 0).await;
    assert_eq!(store.deduction(&deduction(key, 1)).await, DeductionOutcome::Frozen);
    let opened = store.0.open_top_up(wanted(key, 100, None)).await.unwrap();
    assert_eq!(opened, Opened::Frozen);
    // What was under way still settles.
    assert_eq!(store.void(&void(&taken)).await, VoidOutcome::Voided);
    store.post(key, Kind::AdjustmentUp, "op", 5).await;
    let account = store.account(key).await;
    assert_eq!((account.available, account.frozen), (units(105), true));
    store.post(key, Kind::Unfreeze, "case 1", 0).await;
    assert_eq!(store.deduction(&deduction(key, 105)).await, deducted(0));
    store.verify(&[key]).await;
}
