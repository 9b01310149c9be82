//! What movements do to an account.

use super::*;
use crate::accounting::Memory;
use stripe402_protocol::{ClientId, Currency};

fn key() -> AccountKey {
    AccountKey { client: ClientId::derive(b"secret", "a"), currency: Currency::USD }
}

fn posting(kind: Kind, reference: &str, amount: u32) -> Posting {
    let amount = Units::from_u32(amount);
    Posting { kind, reference: reference.to_owned(), amount, note: None }
}

/// Posts in order; answers the account after each, or the refusal.
fn play(postings: &[(Kind, &str, u32)]) -> (Memory, Vec<Result<[i64; 3], PostRefusal>>) {
    let mut book = Memory::default();
    let answers = postings
        .iter()
        .map(|(kind, reference, amount)| {
            match post(&mut book, &key(), &posting(*kind, reference, *amount), 1).unwrap() {
                Posted::Done(a) | Posted::Repeated(a) => {
                    Ok([a.available.get(), a.pending.get(), a.debt.get()])
                }
                Posted::Refused(refusal) => Err(refusal),
            }
        })
        .collect();
    (book, answers)
}

#[test]
fn available_pending_and_debt_after_each_movement() {
    let (book, answers) = play(&[
        (Kind::TopUp, "pi_1", 100),
        (Kind::TopUp, "pi_1", 100),
        (Kind::TopUp, "pi_1", 101),
        (Kind::DisputeOpened, "dp_1", 150),
        (Kind::TopUp, "pi_2", 30),
        (Kind::TopUp, "pi_3", 30),
        (Kind::DisputeWon, "dp_1", 150),
        (Kind::DisputeLost, "dp_2", 0),
        (Kind::Hold, "h_1", 161),
        (Kind::Hold, "h_1", 60),
        (Kind::Capture, "h_1", 59),
        (Kind::Capture, "h_2", 60),
        (Kind::Capture, "h_1", 60),
        (Kind::Release, "h_1", 60),
        (Kind::Hold, "h_3", 10),
        (Kind::Release, "h_3", 10),
        (Kind::RefundFailed, "re_1", 60),
        (Kind::Refund, "re_2", 200),
        (Kind::AdjustmentDown, "op_1", 1),
        (Kind::AdjustmentUp, "op_2", 50),
        (Kind::ExternalDown, "x_1", 5),
        (Kind::ExternalUp, "x_2", 5),
        (Kind::AdjustmentDown, "op_3", 6),
    ]);
    let expected = [
        Ok([100, 0, 0]),
        Ok([100, 0, 0]),
        Err(PostRefusal::Conflict),
        Ok([0, 0, 50]),
        Ok([0, 0, 20]),
        Ok([10, 0, 0]),
        Ok([160, 0, 0]),
        Ok([160, 0, 0]),
        Err(PostRefusal::Insufficient),
        Ok([100, 60, 0]),
        Err(PostRefusal::NoSuchHold),
        Err(PostRefusal::NoSuchHold),
        Ok([100, 0, 0]),
        Err(PostRefusal::NoSuchHold),
        Ok([90, 10, 0]),
        Ok([100, 0, 0]),
        Ok([160, 0, 0]),
        Ok([0, 0, 40]),
        Err(PostRefusal::Insufficient),
        Ok([10, 0, 0]),
        Ok([5, 0, 0]),
        Ok([10, 0, 0]),
        Ok([4, 0, 0]),
    ];
    for (at, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
        assert_eq!(answer, expected, "step {at}");
    }
    assert_eq!(answers.len(), expected.len());
    let net: i64 = book
        .movements()
        .iter()
        .map(|(_, movement)| movement.posting.kind.net(movement.posting.amount))
        .sum();
    assert_eq!(net, book.account(&key()).unwrap().net(), "the movements explain the account");
}

#[test]
fn together_or_not_at_all() {
    let mut book = Memory::default();
    post(&mut book, &key(), &posting(Kind::TopUp, "pi_1", 100), 1).unwrap();
    let holds = |name: &str, amounts: &[u32]| {
        let mut all = vec![posting(Kind::Hold, name, 0)];
        all.extend(
            amounts
                .iter()
                .enumerate()
                .map(|(at, amount)| posting(Kind::Hold, &format!("{name}{at}"), *amount)),
        );
        all
    };
    let mut together = |postings: &[Posting]| match post_together(&mut book, &key(), postings, 1)
        .unwrap()
    {
        Posted::Done(account) => Ok((true, account.available.get(), account.pending.get())),
        Posted::Repeated(account) => Ok((false, account.available.get(), account.pending.get())),
        Posted::Refused(refusal) => Err(refusal),
    };
    assert_eq!(together(&holds("a", &[60, 41])), Err(PostRefusal::Insufficient));
    assert_eq!(together(&holds("a", &[60, 30])), Ok((true, 10, 90)));
    assert_eq!(together(&holds("a", &[60, 30])), Ok((false, 10, 90)));
    assert_eq!(together(&holds("a", &[1])), Ok((false, 10, 90)), "the first names them all");
    let taken = [posting(Kind::Hold, "b", 0), posting(Kind::Hold, "a0", 60)];
    assert_eq!(together(&taken), Err(PostRefusal::Conflict));
    assert_eq!(together(&holds("b", &[])), Ok((true, 10, 90)));
    assert_eq!(book.movements().len(), 5);
}

#[test]
fn amounts_too_large_are_refused_whole() {
    let mut book = Memory::default();
    let most = Account { available: Units::MAX, ..Account::default() };
    book.set_account(&key(), &most).unwrap();
    let answer = post(&mut book, &key(), &posting(Kind::TopUp, "pi_1", 1), 1);
    assert_eq!(answer, Ok(Posted::Refused(PostRefusal::TooLarge)));
    assert!(book.movements().is_empty());
}

#[test]
fn names_go_there_and_back() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}
