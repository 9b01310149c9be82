use stripe402_protocol::{ClientId, Code, Currency};

use super::*;
use crate::accounting::{Account, Memory};

fn account() -> AccountKey {
    AccountKey { client: ClientId::derive(b"secret", "a"), currency: Currency::USD }
}

fn wanted(id: u128, key: Option<&str>) -> NewTopUp {
    NewTopUp {
        id: TopUpId(Uuid::from_u128(id)),
        account: account(),
        amount: Units::from_u32(50_000),
        needed: Units::MAX,
        payment_method: "pm_1".parse().unwrap(),
        card: None,
        idempotency_key: key.map(ToOwned::to_owned),
        now_ms: 1,
    }
}

fn opened(book: &mut Memory, wanted: NewTopUp) -> TopUp {
    match open(book, wanted).unwrap() {
        Opened::New(top_up) => top_up,
        other => panic!("{other:?}"),
    }
}

fn credited() -> State {
    State::Credited { payment_intent: "pi_1".into(), amount: Units::from_u32(50_000) }
}

fn refused() -> State {
    State::Refused { refusal: Box::new(Refusal::new(Code::CardDeclined, "no")) }
}

#[test]
fn one_at_a_time_per_account() {
    let mut book = Memory::default();
    let first = opened(&mut book, wanted(1, None));
    assert_eq!(open(&mut book, wanted(2, None)), Ok(Opened::Busy(first.clone())));
    advance(&mut book, &first.id, None, refused(), 2).unwrap();
    opened(&mut book, wanted(2, None));
}

#[test]
fn nothing_is_charged_where_the_balance_suffices_by_now() {
    let mut book = Memory::default();
    let first = opened(&mut book, wanted(1, None)).id;
    advance(&mut book, &first, None, credited(), 2).unwrap();
    let needed = |amount| NewTopUp { needed: Units::from_u32(amount), ..wanted(2, None) };
    assert_eq!(open(&mut book, needed(50_000)), Ok(Opened::Enough));
    assert!(matches!(open(&mut book, needed(50_001)), Ok(Opened::New(_))));
}

#[test]
fn a_frozen_account_is_not_charged() {
    let mut book = Memory::default();
    book.set_account(&account(), &Account { frozen: true, ..Account::default() }).unwrap();
    assert_eq!(open(&mut book, wanted(1, None)), Ok(Opened::Frozen));
    assert!(book.top_ups().is_empty());
}

#[test]
fn a_payment_intent_is_credited_once_whichever_top_up_claims_it() {
    let mut book = Memory::default();
    let first = opened(&mut book, wanted(1, None)).id;
    advance(&mut book, &first, None, credited(), 2).unwrap();
    let second = opened(&mut book, wanted(2, None)).id;
    assert!(matches!(advance(&mut book, &second, None, credited(), 3), Ok(Advance::Done(_))));
    assert_eq!(book.account(&account()).unwrap().available, Units::from_u32(50_000));
}

#[test]
fn money_that_was_taken_after_all_is_credited_and_disturbs_no_other() {
    let mut book = Memory::default();
    let first = opened(&mut book, wanted(1, None)).id;
    advance(&mut book, &first, None, refused(), 2).unwrap();
    let second = opened(&mut book, wanted(2, None));
    for _ in 0..2 {
        advance(&mut book, &first, None, credited(), 3).unwrap();
        assert_eq!(book.account(&account()).unwrap().available, Units::from_u32(50_000));
    }
    assert_eq!(book.unfinished(&account()), Ok(Some(second.id)));
}

#[test]
fn credited_once_whoever_comes_second() {
    let mut book = Memory::default();
    let id = opened(&mut book, wanted(1, None)).id;
    assert!(matches!(advance(&mut book, &id, None, credited(), 2), Ok(Advance::Done(_))));
    for late in [credited(), refused(), State::opened()] {
        assert!(matches!(advance(&mut book, &id, None, late, 3), Ok(Advance::Finished(_))));
    }
    assert_eq!(book.account(&account()).unwrap().available, Units::from_u32(50_000));
    assert_eq!(book.movements().len(), 1);
}

#[test]
fn who_holds_a_claim_no_longer_changes_nothing() {
    let mut book = Memory::default();
    let id = opened(&mut book, wanted(1, None)).id;
    let (first, second) = (Claim::default().next(10), Claim::default().next(10).next(20));
    let at = State::Charging;
    let mut step = |from, to| advance(&mut book, &id, Some(&from), to, 2).unwrap();
    assert!(matches!(step(State::opened(), at(first)), Advance::Done(_)));
    assert!(
        matches!(step(State::opened(), at(second)), Advance::Moved(now) if now.state == at(first))
    );
    assert!(matches!(step(at(first), at(second)), Advance::Done(_)));
    for late in [State::Lapsed, refused(), credited()] {
        assert!(matches!(step(at(first), late), Advance::Moved(now) if now.state == at(second)));
    }
    // Money that was taken is credited whoever holds the claim.
    assert!(matches!(advance(&mut book, &id, None, credited(), 3), Ok(Advance::Done(_))));
    assert_eq!(book.account(&account()).unwrap().available, Units::from_u32(50_000));
}

#[test]
fn a_key_names_its_top_up_for_a_day() {
    let mut book = Memory::default();
    let first = opened(&mut book, wanted(1, Some("k")));
    advance(&mut book, &first.id, None, refused(), 2).unwrap();
    assert!(
        matches!(open(&mut book, wanted(2, Some("k"))), Ok(Opened::Repeated(t)) if t.id == first.id)
    );
    let other_card = NewTopUp { payment_method: "pm_2".parse().unwrap(), ..wanted(2, Some("k")) };
    assert_eq!(open(&mut book, other_card), Ok(Opened::Mismatch));
    let other_amount = NewTopUp { amount: Units::from_u32(60_000), ..wanted(2, Some("k")) };
    assert_eq!(open(&mut book, other_amount), Ok(Opened::Mismatch));
    opened(&mut book, NewTopUp { now_ms: 1 + KEY_LIFE_MS, ..wanted(2, Some("k")) });
}

#[test]
fn a_credit_beyond_the_largest_balance_is_refused_whole() {
    let mut book = Memory::default();
    let id = opened(&mut book, wanted(1, None)).id;
    let most = Account { available: Units::MAX, ..Account::default() };
    book.set_account(&account(), &most).unwrap();
    assert_eq!(advance(&mut book, &id, None, credited(), 2), Ok(Advance::TooLarge));
    assert!(book.movements().is_empty());
}

/// As a ledger of a later version stored it, before the upgrade was taken back.
#[test]
fn a_top_up_that_was_refused_for_a_reason_of_a_later_version_can_be_read() {
    let refusal = Refusal::new(Code::PaymentFailed, "no").because(Reason::RateLimited);
    let refused = State::Refused { refusal: Box::new(refusal) };
    let stored = serde_json::to_string(&refused).unwrap();
    assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), refused);
    let stored = stored.replace("rate_limited", "moon_phase");
    let refusal = Box::new(Refusal::new(Code::PaymentFailed, "no"));
    assert_eq!(serde_json::from_str::<State>(&stored).unwrap(), State::Refused { refusal });
}
