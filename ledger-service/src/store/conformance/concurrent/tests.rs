//! That the check can fail: stores with a fault that only shows when several ask at once.

mod faulty;

use std::{sync::Arc, time::Duration};

use self::faulty::{Fault, Faulty};
use super::{
    super::fixture::{deduction, new_account, now_ms, units, void, wanted},
    check::explain,
    history::{Event, History},
    operation::{Answer, Moment, Operation},
};
use crate::{
    accounting::{
        self, Account, AccountKey, Advance, Claim, Kind, Memory, Opened, Posted, Posting, State,
        TopUp, Window,
    },
    store::Store,
};
use stripe402_protocol::message::{DeductionOutcome, VoidOutcome};

/// So many histories of a store without a fault have an order.
const ROUNDS: usize = 400;

async fn put_to_it(fault: Fault, rounds: usize) -> Result<super::Report, String> {
    let store: Arc<dyn Store> = Arc::new(Faulty::new(fault));
    super::run(&[store], rounds, now_ms()).await
}

/// The history that was refused names its seed and shows what was asked.
async fn is_refused(fault: Fault, of: &str) {
    // Most show within a hundred: which operations meet is chance.
    let why = put_to_it(fault, ROUNDS * 25).await.expect_err("the fault does not show");
    println!("{fault:?}: {why}");
    assert!(why.contains("STRIPE402_RANDOM_SEED=") && why.contains(of), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_merely_slow_is_not_refused() {
    let report = put_to_it(Fault::None, ROUNDS).await.unwrap();
    assert!(report.overlaps > ROUNDS * 30, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_may_have_happened_or_not() {
    let report = put_to_it(Fault::Failures, ROUNDS).await.unwrap();
    let failed = report.answers.iter().filter(|(answer, _)| answer.ends_with(" failed"));
    assert!(failed.map(|(_, times)| times).sum::<usize>() > ROUNDS, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_that_two_can_carry_out_is_refused() {
    is_refused(Fault::TornVoid, "void").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_that_is_carried_out_after_its_answer_is_refused() {
    is_refused(Fault::LateVoid, "void").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balance_of_a_while_ago_is_refused() {
    is_refused(Fault::StaleAccount, "account").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_two_can_capture_is_refused() {
    is_refused(Fault::TornCapture, "capture").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_two_can_take_is_refused() {
    is_refused(Fault::TornClaim, "advance").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balance_that_two_charges_read_before_either_writes_is_refused() {
    is_refused(Fault::LostCharge, "charge").await;
}

/// A history by hand: who, from when to when, what, and the answer.
fn history(events: Vec<(u64, u64, Operation, Option<Answer>)>) -> History {
    let events = events.into_iter().enumerate().map(|(task, (invoked, to, operation, answer))| {
        let returned = if answer.is_some() { to } else { u64::MAX };
        Event { task, operation, answer: answer.ok_or("away".to_owned()), invoked, returned }
    });
    let now_ms = now_ms();
    let day = Duration::from_secs(24 * 3600);
    let window = Window::at(now_ms, day * 7, Duration::from_secs(60));
    History { events: events.collect(), at: Moment { now_ms, window } }
}

fn with(available: i64) -> Account {
    Account { available: units(available), ..Account::default() }
}

fn credit(key: AccountKey) -> (Operation, Option<Answer>) {
    let (kind, reference) = (Kind::TopUp, "pi".to_owned());
    let posting = Posting { kind, reference, amount: units(10), note: None };
    (Operation::Post(key, posting), Some(Answer::Posted(Posted::Done(with(10)))))
}

fn read(key: AccountKey, available: i64) -> (Operation, Option<Answer>) {
    (Operation::Account(key), Some(Answer::Account(with(available))))
}

#[test]
fn what_ended_before_comes_before() {
    let key = new_account();
    let ((credit, done), (read, empty)) = (credit(key), read(key, 0));
    let at_once = vec![(0, 2, credit.clone(), done.clone()), (1, 3, read.clone(), empty.clone())];
    assert_eq!(explain(&history(at_once)).unwrap(), [1, 0]);
    let later = vec![(0, 1, credit, done), (2, 3, read, empty)];
    assert_eq!(explain(&history(later)).unwrap_err().longest, [0]);
}

#[test]
fn what_failed_is_tried_both_ways_and_only_once() {
    let key = new_account();
    let failed = |from, to| (from, to, credit(key).0, None);
    let sees = |from, available| {
        let (operation, answer) = read(key, available);
        (from, from + 1, operation, answer)
    };
    for seen in [vec![0, 0], vec![0, 10], vec![10, 10]] {
        let reads = seen.iter().zip([2, 4]).map(|(available, from)| sees(from, *available));
        let events = [failed(0, 1)].into_iter().chain(reads).collect();
        assert!(explain(&history(events)).is_ok(), "{seen:?}");
    }
    for seen in [vec![10, 0], vec![10, 20], vec![20, 20]] {
        let reads = seen.iter().zip([2, 4]).map(|(available, from)| sees(from, *available));
        let events = [failed(0, 1)].into_iter().chain(reads).collect();
        assert!(explain(&history(events)).is_err(), "{seen:?}");
    }
}

/// Each answer fits some order, and no order fits all: a void came first by one answer, and later
/// by the other.
#[test]
fn answers_that_each_fit_another_order_are_refused() {
    let key = new_account();
    let deduction = deduction(key, 4);
    let void = Operation::Void(void(&deduction));
    let deducted = Some(Answer::Deduction(DeductionOutcome::Deducted(units(6))));
    let (credit, done) = credit(key);
    let both = |voided| {
        vec![
            (0, 1, credit.clone(), done.clone()),
            (2, 5, Operation::Deduction(deduction.clone()), deducted.clone()),
            (3, 4, void.clone(), Some(Answer::Void(voided))),
        ]
    };
    assert_eq!(explain(&history(both(VoidOutcome::Voided))).unwrap(), [0, 1, 2]);
    assert!(explain(&history(both(VoidOutcome::Marked))).is_err());
}

/// Two that advance a top-up to where it is already, and one that takes it back between: what changes
/// nothing after the first must not be taken to have come there.
#[test]
fn what_changes_nothing_here_may_change_something_later() {
    let wanted = wanted(new_account(), 10, None);
    let id = wanted.id;
    let next = State::Charging(Claim { epoch: 1, until_ms: 0, looking: false });
    let mut books = Memory::default();
    let Opened::New(top_up) = accounting::open(&mut books, wanted.clone()).unwrap() else {
        panic!()
    };
    let advance = |(from, to): (Option<State>, &State)| {
        let done = Advance::Done(TopUp { state: to.clone(), ..top_up.clone() });
        (Operation::Advance { id, from, to: to.clone() }, Some(Answer::Advanced(done)))
    };
    let there = advance((None, &next));
    let back = advance((Some(next.clone()), &State::opened()));
    let seen = Answer::TopUp(Some(TopUp { state: next.clone(), ..top_up.clone() }));
    let events = vec![
        (0, 1, Operation::Open(wanted), Some(Answer::Opened(Opened::New(top_up.clone())))),
        (2, 7, there.0.clone(), there.1.clone()),
        (3, 6, there.0, there.1),
        (4, 5, back.0, back.1),
        (8, 9, Operation::TopUp(id), Some(seen)),
    ];
    assert_eq!(explain(&history(events)).unwrap(), [0, 1, 3, 2, 4]);
}
