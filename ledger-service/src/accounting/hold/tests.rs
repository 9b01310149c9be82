use std::time::Duration;

use stripe402_protocol::{
    ClientId, Currency,
    message::{Void, VoidOutcome},
};

use super::*;
use crate::accounting::{Memory, Spender, apply_deduction, apply_void};

const NOW: u64 = 1_795_000_000_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

fn at(now_ms: u64) -> Window {
    Window::at(now_ms, Duration::from_millis(4 * DAY), Duration::from_secs(60))
}

fn key() -> AccountKey {
    AccountKey { client: ClientId::derive(b"secret", "a"), currency: Currency::USD }
}

fn units(amount: u32) -> Units {
    Units::from_u32(amount)
}

/// Of 100, of which 10 are taken if nobody says how much it was.
fn hold() -> Deduction {
    Deduction {
        id: DeductionId::mint(NOW, [1; 10]),
        client_id: key().client,
        currency: Currency::USD,
        amount: units(100),
        route: "chat".to_owned(),
        hold: Some(HoldTerms { ends_ms: NOW + 10 * MINUTE, at_end: units(10), lease: None }),
    }
}

fn capture(amount: u32) -> Capture {
    Capture { id: hold().id, client_id: key().client, amount: units(amount), count: 1 }
}

fn void() -> Void {
    Void { id: hold().id, client_id: Some(key().client) }
}

fn book(available: u32) -> Memory {
    let mut book = Memory::default();
    let account = Account { available: units(available), ..Account::default() };
    book.set_account(&key(), &account).unwrap();
    book
}

fn account(available: u32, pending: u32, debt: u32) -> Account {
    let (available, pending, debt) = (units(available), units(pending), units(debt));
    Account { available, pending, debt, ..Account::default() }
}

fn held(book: &mut Memory) -> DeductionOutcome {
    apply_deduction(book, &hold(), Spender::FIRST, &at(NOW)).unwrap()
}

fn captured(captured: u32, left: u32) -> Result<CaptureOutcome, core::convert::Infallible> {
    Ok(CaptureOutcome::Captured { captured: units(captured), left: units(left) })
}

fn taken(book: &Memory) -> Vec<(i64, i64)> {
    book.tallies().values().copied().collect()
}

#[test]
fn a_hold_is_captured_in_part_and_the_rest_is_released() {
    for (asked, takes) in [(0, 0), (30, 30), (100, 100), (101, 100), (u32::MAX, 100)] {
        let mut book = book(250);
        assert_eq!(held(&mut book), DeductionOutcome::Deducted(units(150)));
        assert_eq!(book.account(&key()), Ok(account(150, 100, 0)));
        assert_eq!(taken(&book), []);
        let outcome = apply_capture(&mut book, &capture(asked), &at(NOW));
        assert_eq!(outcome, captured(takes, 250 - takes), "{asked}");
        assert_eq!(book.account(&key()), Ok(account(250 - takes, 0, 0)));
        assert_eq!(taken(&book), [(1, i64::from(takes))]);
        assert!(book.holds().is_empty());
    }
}

#[test]
fn what_is_repeated_has_its_first_answer_and_no_other_effect() {
    let mut book = book(250);
    held(&mut book);
    assert_eq!(held(&mut book), DeductionOutcome::Deducted(units(150)));
    assert_eq!(apply_capture(&mut book, &capture(30), &at(NOW)), captured(30, 220));
    let after = book.clone();
    for repeated in [30, 0, 100] {
        assert_eq!(apply_capture(&mut book, &capture(repeated), &at(NOW)), captured(30, 220));
    }
    assert_eq!(held(&mut book), DeductionOutcome::Deducted(units(150)));
    assert_eq!(settle_ended(&mut book, &at(NOW + DAY), 9), Ok(vec![]));
    assert_eq!(book, after);
    for other in [
        Deduction { hold: None, ..hold() },
        Deduction { amount: units(99), ..hold() },
        Deduction { route: "other".to_owned(), ..hold() },
    ] {
        let outcome = apply_deduction(&mut book, &other, Spender::FIRST, &at(NOW));
        assert_eq!(outcome, Ok(DeductionOutcome::Conflict));
    }
}

/// In whatever order they come, the account ends up the same.
#[test]
fn holds_captures_and_voids_commute() {
    type Step = fn(&mut Memory);
    let steps: [(&str, Step); 3] = [
        ("hold", |book| _ = held(book)),
        ("capture", |book| _ = apply_capture(book, &capture(30), &at(NOW))),
        ("void", |book| _ = apply_void(book, &void(), &at(NOW))),
    ];
    for order in [[0, 1], [1, 0]] {
        let mut book = book(100);
        order.iter().for_each(|step| steps[*step].1(&mut book));
        assert_eq!(
            book.account(&key()),
            Ok(account(70, 0, 0)),
            "{:?}",
            order.map(|at| steps[at].0)
        );
        assert_eq!(taken(&book), [(1, 30)]);
    }
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut book = book(100);
        order.iter().for_each(|step| steps[*step].1(&mut book));
        let names = order.map(|at| steps[at].0);
        assert_eq!(book.account(&key()), Ok(account(100, 0, 0)), "{names:?}");
        assert!(taken(&book).iter().all(|sum| *sum == (0, 0)), "{names:?}");
        assert!(book.holds().is_empty(), "{names:?}");
    }
}

#[test]
fn a_capture_before_its_hold_waits_for_money_too() {
    let mut book = book(20);
    assert_eq!(apply_capture(&mut book, &capture(30), &at(NOW)), Ok(CaptureOutcome::Marked));
    assert_eq!(held(&mut book), DeductionOutcome::Insufficient);
    book.set_account(&key(), &account(30, 0, 0)).unwrap();
    // All that was served is there, though not all that would have been held.
    assert_eq!(held(&mut book), DeductionOutcome::Deducted(units(0)));
    assert_eq!(apply_capture(&mut book, &capture(30), &at(NOW)), captured(30, 0));
}

#[test]
fn at_its_end_a_hold_takes_what_its_terms_say() {
    let mut book = book(100);
    held(&mut book);
    let end = NOW + 10 * MINUTE;
    assert_eq!(settle_ended(&mut book, &at(end - 1), 9), Ok(vec![]));
    let settled = settle_ended(&mut book, &at(end), 9).unwrap();
    assert_eq!(settled.iter().map(|of| of.id).collect::<Vec<_>>(), [hold().id]);
    assert_eq!(book.account(&key()), Ok(account(90, 0, 0)));
    assert_eq!(apply_capture(&mut book, &capture(70), &at(end)), captured(10, 90));
    // What came too late is not begun.
    let late = Deduction { id: DeductionId::mint(NOW, [2; 10]), ..hold() };
    assert_eq!(
        apply_deduction(&mut book, &late, Spender::FIRST, &at(end)),
        Ok(DeductionOutcome::Stale)
    );
}

/// Holds live by their own end: also where the ledger has forgotten their ids.
#[test]
fn a_hold_outlives_the_memory_of_its_id() {
    for end in ["capture", "void", "its end"] {
        let mut book = book(100);
        held(&mut book);
        let late = at(NOW + 5 * DAY);
        book.forget_charges_before(&late.first_remembered());
        match end {
            "capture" => {
                assert_eq!(apply_capture(&mut book, &capture(10), &late), captured(10, 90))
            }
            "void" => assert_eq!(apply_void(&mut book, &void(), &late), Ok(VoidOutcome::Voided)),
            _ => assert_eq!(settle_ended(&mut book, &late, 9).unwrap().len(), 1),
        }
        let left = if end == "void" { 100 } else { 90 };
        assert_eq!(book.account(&key()), Ok(account(left, 0, 0)), "{end}");
        assert!(book.deductions().is_empty(), "nothing old is written down");
        assert_eq!(apply_capture(&mut book, &capture(10), &late), Ok(CaptureOutcome::Stale));
    }
}

#[test]
fn another_clients_capture_does_nothing() {
    let stranger = Capture { client_id: ClientId::derive(b"secret", "b"), ..capture(5) };
    let mut book = book(100);
    held(&mut book);
    assert_eq!(apply_capture(&mut book, &stranger, &at(NOW)), Ok(CaptureOutcome::Conflict));
    assert_eq!(book.account(&key()), Ok(account(0, 100, 0)));
    apply_capture(&mut book, &capture(5), &at(NOW)).unwrap();
    assert_eq!(apply_capture(&mut book, &stranger, &at(NOW)), Ok(CaptureOutcome::Conflict));
    let mut marked = self::book(100);
    apply_capture(&mut marked, &stranger, &at(NOW)).unwrap();
    assert_eq!(held(&mut marked), DeductionOutcome::Conflict);
    let plain = Deduction { hold: None, id: DeductionId::mint(NOW, [3; 10]), ..hold() };
    apply_deduction(&mut marked, &plain, Spender::FIRST, &at(NOW)).unwrap();
    let of_plain = Capture { id: plain.id, ..capture(5) };
    assert_eq!(apply_capture(&mut marked, &of_plain, &at(NOW)), Ok(CaptureOutcome::Conflict));
}

/// A dispute that comes while a hold is open: what is released settles its debt first.
#[test]
fn what_is_released_settles_debt_first() {
    let mut book = book(100);
    held(&mut book);
    book.set_account(&key(), &Account { frozen: true, ..account(0, 100, 50) }).unwrap();
    assert_eq!(apply_capture(&mut book, &capture(30), &at(NOW)), captured(30, 20));
    assert_eq!(book.account(&key()), Ok(Account { frozen: true, ..account(20, 0, 0) }));
}

#[test]
fn a_client_in_debt_hears_how_much() {
    let mut book = book(0);
    book.set_account(&key(), &account(5, 0, 7)).unwrap();
    for wanted in [hold(), Deduction { hold: None, ..hold() }] {
        let outcome = apply_deduction(&mut book, &wanted, Spender::FIRST, &at(NOW));
        assert_eq!(outcome, Ok(DeductionOutcome::InDebt(units(7))));
    }
}
