use std::time::Duration;

use stripe402_protocol::{ClientId, Currency};

use super::*;
use crate::accounting::Memory;

const NOW: u64 = 1_795_000_000_000;
const DAY: u64 = 86_400_000;

fn window() -> Window {
    Window::at(NOW, Duration::from_millis(4 * DAY), Duration::from_secs(60))
}

fn client(name: &str) -> ClientId {
    ClientId::derive(b"secret", name)
}

fn deduction(minted: u64, random: u8, amount: u32) -> Deduction {
    Deduction {
        id: DeductionId::mint(minted, [random; 10]),
        client_id: client("a"),
        currency: Currency::USD,
        amount: Units::from_u32(amount),
        route: "weather".to_owned(),
        hold: None,
    }
}

fn void(deduction: &Deduction) -> Void {
    Void { id: deduction.id, client_id: Some(deduction.client_id) }
}

fn account() -> AccountKey {
    AccountKey { client: client("a"), currency: Currency::USD }
}

fn book(balance: u32) -> Memory {
    let mut book = Memory::default();
    let account_now = Account { available: Units::from_u32(balance), ..Account::default() };
    book.set_account(&account(), &account_now).unwrap();
    book
}

fn left(book: &Memory) -> i64 {
    book.account(&account()).unwrap().available.get()
}

#[test]
fn refusals_in_order_of_precedence() {
    let units = Units::from_u32;
    let good = deduction(NOW, 1, 40);
    let cases: [(&str, Deduction, DeductionOutcome); 8] = [
        ("too old", deduction(NOW - 2 * DAY - 1, 1, 40), DeductionOutcome::Stale),
        ("in the future", deduction(NOW + 60_001, 1, 40), DeductionOutcome::Stale),
        ("repeated", good.clone(), DeductionOutcome::Deducted(units(60))),
        (
            "other amount",
            Deduction { amount: units(41), ..good.clone() },
            DeductionOutcome::Conflict,
        ),
        (
            "other client",
            Deduction { client_id: client("b"), ..good.clone() },
            DeductionOutcome::Conflict,
        ),
        (
            "other route",
            Deduction { route: "joke".into(), ..good.clone() },
            DeductionOutcome::Conflict,
        ),
        ("too dear", deduction(NOW, 2, 61), DeductionOutcome::Insufficient),
        ("to the last unit", deduction(NOW, 2, 60), DeductionOutcome::Deducted(Units::ZERO)),
    ];
    for (name, case, outcome) in cases {
        let mut book = book(100);
        assert_eq!(
            apply_deduction(&mut book, &good, Spender::FIRST, &window()),
            Ok(DeductionOutcome::Deducted(units(60)))
        );
        assert_eq!(
            apply_deduction(&mut book, &case, Spender::FIRST, &window()),
            Ok(outcome),
            "{name}"
        );
    }
}

#[test]
fn a_frozen_account_pays_nothing_and_repeats_what_it_paid() {
    let mut book = book(100);
    let paid = deduction(NOW, 1, 40);
    apply_deduction(&mut book, &paid, Spender::FIRST, &window()).unwrap();
    let frozen = Account { frozen: true, ..book.account(&account()).unwrap() };
    book.set_account(&account(), &frozen).unwrap();
    let left = DeductionOutcome::Deducted(Units::from_u32(60));
    assert_eq!(apply_deduction(&mut book, &paid, Spender::FIRST, &window()), Ok(left));
    for amount in [1, 1_000] {
        let outcome =
            apply_deduction(&mut book, &deduction(NOW, 2, amount), Spender::FIRST, &window());
        assert_eq!(outcome, Ok(DeductionOutcome::Frozen));
    }
}

#[test]
fn what_a_void_gives_back_settles_debt_first() {
    let mut book = book(100);
    let taken = deduction(NOW, 1, 100);
    apply_deduction(&mut book, &taken, Spender::FIRST, &window()).unwrap();
    let indebted = Account { debt: Units::from_u32(30), ..Account::default() };
    book.set_account(&account(), &indebted).unwrap();
    apply_void(&mut book, &void(&taken), &window()).unwrap();
    let after = Account { available: Units::from_u32(70), ..Account::default() };
    assert_eq!(book.account(&account()), Ok(after));
}

#[test]
fn a_currency_never_pays_for_another() {
    let mut book = book(100);
    let euros = Deduction { currency: "eur".parse().unwrap(), ..deduction(NOW, 1, 1) };
    assert_eq!(
        apply_deduction(&mut book, &euros, Spender::FIRST, &window()),
        Ok(DeductionOutcome::Insufficient)
    );
    assert_eq!(left(&book), 100);
}

#[test]
fn a_void_gives_back_once() {
    let mut book = book(100);
    let taken = deduction(NOW, 1, 40);
    apply_deduction(&mut book, &taken, Spender::FIRST, &window()).unwrap();
    assert_eq!(apply_void(&mut book, &void(&taken), &window()), Ok(VoidOutcome::Voided));
    assert_eq!(left(&book), 100);
    assert_eq!(apply_void(&mut book, &void(&taken), &window()), Ok(VoidOutcome::Repeated));
    assert_eq!(
        apply_deduction(&mut book, &taken, Spender::FIRST, &window()),
        Ok(DeductionOutcome::Voided)
    );
    assert_eq!(left(&book), 100);
    assert_eq!(book.tallies().values().collect::<Vec<_>>(), [&(0, 0)]);
}

#[test]
fn a_void_that_comes_first_refuses_the_charge() {
    let mut book = book(100);
    let late = deduction(NOW, 1, 40);
    let early = Void { id: late.id, client_id: None };
    assert_eq!(apply_void(&mut book, &early, &window()), Ok(VoidOutcome::Marked));
    assert_eq!(
        apply_deduction(&mut book, &late, Spender::FIRST, &window()),
        Ok(DeductionOutcome::Voided)
    );
    assert_eq!(left(&book), 100);
}

#[test]
fn a_void_of_what_is_forgotten_leaves_nothing_behind() {
    let mut book = book(100);
    let forgotten = deduction(NOW - 4 * DAY - 1, 1, 40);
    assert_eq!(apply_void(&mut book, &void(&forgotten), &window()), Ok(VoidOutcome::Stale));
    assert_eq!(book, self::book(100));
}

#[test]
fn a_void_in_another_clients_name_does_nothing() {
    let mut book = book(100);
    let taken = deduction(NOW, 1, 40);
    apply_deduction(&mut book, &taken, Spender::FIRST, &window()).unwrap();
    let forged = Void { id: taken.id, client_id: Some(client("b")) };
    assert_eq!(apply_void(&mut book, &forged, &window()), Ok(VoidOutcome::Conflict));
    assert_eq!(left(&book), 60);
}

#[test]
fn voids_of_a_batch_come_before_its_charges() {
    let mut book = book(40);
    let first = deduction(NOW, 1, 40);
    apply_deduction(&mut book, &first, Spender::FIRST, &window()).unwrap();
    let second = deduction(NOW, 2, 40);
    let batch =
        Batch { deductions: vec![second.clone()], voids: vec![void(&first)], ..Batch::default() };
    let answer = apply_batch(&mut book, &batch, &window()).unwrap();
    assert_eq!(answer.deductions, [(second.id, DeductionOutcome::Deducted(Units::ZERO))]);
    assert_eq!(answer.voids, [(first.id, VoidOutcome::Voided)]);
}
