//! Deductions and their reversal, each at most once.

use stripe402_protocol::{
    DeductionId, Units,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome, Void, VoidOutcome},
};

use super::{AccountKey, Book, DeductionRecord, TallyKey, Window};

/// Carries out a batch: voids first, so that what they give back can be spent by its deductions.
/// A deduction that meets a damaged record is refused as one of a frozen account, a void as one in
/// another client's name: nothing was done, and the rest of the batch is carried out.
///
/// # Errors
/// The store's; then nothing of the batch has happened.
pub fn apply_batch<B: Book>(
    book: &mut B,
    batch: &Batch,
    window: &Window,
) -> Result<BatchAnswer, B::Error> {
    let mut answer = BatchAnswer {
        deductions: Vec::with_capacity(batch.deductions.len()),
        voids: Vec::with_capacity(batch.voids.len()),
    };
    for void in &batch.voids {
        let outcome = apply_void(book, void, window);
        answer.voids.push((void.id, or_if_damaged::<B, _>(outcome, VoidOutcome::Conflict)?));
    }
    for deduction in &batch.deductions {
        let outcome = apply_deduction(book, deduction, window);
        answer
            .deductions
            .push((deduction.id, or_if_damaged::<B, _>(outcome, DeductionOutcome::Frozen)?));
    }
    Ok(answer)
}

/// Each step reads before it writes, so that one that met a damaged record has changed nothing.
fn or_if_damaged<B: Book, T>(outcome: Result<T, B::Error>, instead: T) -> Result<T, B::Error> {
    match outcome {
        Err(error) if B::is_damaged(&error) => Ok(instead),
        outcome => outcome,
    }
}

/// Takes one deduction from its account, or says why not. Refusals in order of precedence:
/// stale, conflict, voided, frozen, insufficient.
///
/// # Errors
/// The store's.
pub fn apply_deduction<B: Book>(
    book: &mut B,
    deduction: &Deduction,
    window: &Window,
) -> Result<DeductionOutcome, B::Error> {
    if !window.takes(&deduction.id) {
        return Ok(DeductionOutcome::Stale);
    }
    let account = AccountKey { client: deduction.client_id, currency: deduction.currency };
    match book.deduction(&deduction.id)? {
        Some(DeductionRecord::Deducted { account: of, amount, route, balance_after }) => {
            let same = of == account && amount == deduction.amount && route == deduction.route;
            return Ok(if same {
                DeductionOutcome::Deducted(balance_after)
            } else {
                DeductionOutcome::Conflict
            });
        }
        Some(DeductionRecord::Voided | DeductionRecord::RefusedInAdvance) => {
            return Ok(DeductionOutcome::Voided);
        }
        None => {}
    }
    let before = book.account(&account)?;
    if before.frozen {
        return Ok(DeductionOutcome::Frozen);
    }
    let Some(after) = before.debited(deduction.amount) else {
        return Ok(DeductionOutcome::Insufficient);
    };
    // The sum first: it is read, too, and may be damaged.
    let key = TallyKey::of(&deduction.id, account, &deduction.route);
    book.tally(&key, 1, deduction.amount.get())?;
    book.set_account(&account, &after)?;
    let balance_after = after.available;
    let route = deduction.route.clone();
    let record =
        DeductionRecord::Deducted { account, amount: deduction.amount, route, balance_after };
    book.set_charge(&deduction.id, &record)?;
    Ok(DeductionOutcome::Deducted(balance_after))
}

/// Gives one deduction back, or makes sure that it will never be taken.
///
/// # Errors
/// The store's.
pub fn apply_void<B: Book>(
    book: &mut B,
    void: &Void,
    window: &Window,
) -> Result<VoidOutcome, B::Error> {
    match book.deduction(&void.id)? {
        Some(DeductionRecord::Deducted { account, amount, route, .. }) => {
            if void.client_id.is_some_and(|client| client != account.client) {
                return Ok(VoidOutcome::Conflict);
            }
            give_back(book, &void.id, account, amount, &route)?;
            Ok(VoidOutcome::Voided)
        }
        Some(DeductionRecord::Voided | DeductionRecord::RefusedInAdvance) => {
            Ok(VoidOutcome::Repeated)
        }
        None if window.remembers(&void.id) => {
            if !stripe402_mutant::mutant!("no_mark") {
                book.set_charge(&void.id, &DeductionRecord::RefusedInAdvance)?;
            }
            Ok(VoidOutcome::Marked)
        }
        None => Ok(VoidOutcome::Stale),
    }
}

fn give_back<B: Book>(
    book: &mut B,
    id: &DeductionId,
    account: AccountKey,
    amount: Units,
    route: &str,
) -> Result<(), B::Error> {
    // What a dispute took meanwhile is settled first, as by any credit. Only an account at the
    // largest amount there is could not take its own units back; it keeps what it has.
    let before = book.account(&account)?;
    book.tally(&TallyKey::of(id, account, route), -1, amount.get().saturating_neg())?;
    book.set_account(&account, &before.credited(amount).unwrap_or(before))?;
    if stripe402_mutant::mutant!("void_leaves_charge") {
        return Ok(());
    }
    book.set_charge(id, &DeductionRecord::Voided)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stripe402_protocol::{ClientId, Currency};

    use super::*;
    use crate::accounting::{Account, Memory};

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
                apply_deduction(&mut book, &good, &window()),
                Ok(DeductionOutcome::Deducted(units(60)))
            );
            assert_eq!(apply_deduction(&mut book, &case, &window()), Ok(outcome), "{name}");
        }
    }

    #[test]
    fn a_frozen_account_pays_nothing_and_repeats_what_it_paid() {
        let mut book = book(100);
        let paid = deduction(NOW, 1, 40);
        apply_deduction(&mut book, &paid, &window()).unwrap();
        let frozen = Account { frozen: true, ..book.account(&account()).unwrap() };
        book.set_account(&account(), &frozen).unwrap();
        let left = DeductionOutcome::Deducted(Units::from_u32(60));
        assert_eq!(apply_deduction(&mut book, &paid, &window()), Ok(left));
        for amount in [1, 1_000] {
            let outcome = apply_deduction(&mut book, &deduction(NOW, 2, amount), &window());
            assert_eq!(outcome, Ok(DeductionOutcome::Frozen));
        }
    }

    #[test]
    fn what_a_void_gives_back_settles_debt_first() {
        let mut book = book(100);
        let taken = deduction(NOW, 1, 100);
        apply_deduction(&mut book, &taken, &window()).unwrap();
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
            apply_deduction(&mut book, &euros, &window()),
            Ok(DeductionOutcome::Insufficient)
        );
        assert_eq!(left(&book), 100);
    }

    #[test]
    fn a_void_gives_back_once() {
        let mut book = book(100);
        let taken = deduction(NOW, 1, 40);
        apply_deduction(&mut book, &taken, &window()).unwrap();
        assert_eq!(apply_void(&mut book, &void(&taken), &window()), Ok(VoidOutcome::Voided));
        assert_eq!(left(&book), 100);
        assert_eq!(apply_void(&mut book, &void(&taken), &window()), Ok(VoidOutcome::Repeated));
        assert_eq!(apply_deduction(&mut book, &taken, &window()), Ok(DeductionOutcome::Voided));
        assert_eq!(left(&book), 100);
        assert_eq!(book.tallies().values().collect::<Vec<_>>(), [&(0, 0)]);
    }

    #[test]
    fn a_void_that_comes_first_refuses_the_charge() {
        let mut book = book(100);
        let late = deduction(NOW, 1, 40);
        let early = Void { id: late.id, client_id: None };
        assert_eq!(apply_void(&mut book, &early, &window()), Ok(VoidOutcome::Marked));
        assert_eq!(apply_deduction(&mut book, &late, &window()), Ok(DeductionOutcome::Voided));
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
        apply_deduction(&mut book, &taken, &window()).unwrap();
        let forged = Void { id: taken.id, client_id: Some(client("b")) };
        assert_eq!(apply_void(&mut book, &forged, &window()), Ok(VoidOutcome::Conflict));
        assert_eq!(left(&book), 60);
    }

    #[test]
    fn voids_of_a_batch_come_before_its_charges() {
        let mut book = book(40);
        let first = deduction(NOW, 1, 40);
        apply_deduction(&mut book, &first, &window()).unwrap();
        let second = deduction(NOW, 2, 40);
        let batch =
            Batch { version: 1, deductions: vec![second.clone()], voids: vec![void(&first)] };
        let answer = apply_batch(&mut book, &batch, &window()).unwrap();
        assert_eq!(answer.deductions, [(second.id, DeductionOutcome::Deducted(Units::ZERO))]);
        assert_eq!(answer.voids, [(first.id, VoidOutcome::Voided)]);
    }
}
