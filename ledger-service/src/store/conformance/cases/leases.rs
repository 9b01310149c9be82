//! Leases: holds from which a gateway pays for many requests by itself.

use std::time::Duration;

use stripe402_protocol::{
    Units,
    message::{
        Batch, Capture, CaptureOutcome, Deduction, DeductionOutcome, HoldTerms, MOST_LEASES,
    },
};

use super::{
    super::{
        StoreUnderTest,
        fixture::{batch, capture, deduction, hold, lease, now_ms, units, void, wanted},
    },
    deducted, open,
};
use crate::accounting::{Account, Kind, NewTopUp, Opened};

fn account(available: i64, leased: i64, leases: u8, recalled: bool) -> Account {
    let (available, leased) = (units(available), units(leased));
    Account { available, pending: leased, leased, leases, recalled, ..Account::default() }
}

fn for_requests(lease: &Deduction, amount: i64, count: u32) -> Capture {
    Capture { count, ..capture(lease, amount) }
}

const REFUSED: DeductionOutcome = DeductionOutcome::LeaseRefused;

pub async fn a_lease_is_a_share_and_counted(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(1_000).await;
    assert_eq!(store.deduction(&lease(key, 51, 5)).await, REFUSED, "more than its share");
    let first = lease(key, 50, 5);
    for _ in 0..2 {
        assert_eq!(store.deduction(&first).await, deducted(950), "repeated, it has one effect");
    }
    assert_eq!(store.account(key).await, account(950, 50, 1, false));
    assert_eq!(store.deduction(&lease(key, 48, 5)).await, REFUSED, "of what is left");
    let listed = store.0.open_holds(Some(key.client), 9).await.unwrap();
    assert_eq!(listed.iter().map(|(_, hold)| hold.terms).next(), first.hold);
    store.verify(&[key]).await;
    for left in (1..MOST_LEASES).map(|taken| 950 - i64::from(taken)) {
        assert_eq!(store.deduction(&lease(key, 1, 5)).await, deducted(left));
    }
    assert_eq!(store.deduction(&lease(key, 1, 5)).await, REFUSED, "one too many");
    assert_eq!(store.deduction(&deduction(key, 1)).await, deducted(942), "not of what is paid");
    store.capture(for_requests(&first, 20, 3)).await;
    assert_eq!(store.deduction(&lease(key, 1, 5)).await, deducted(971));
    store.post(key, Kind::Freeze, "f", 0).await;
    assert_eq!(store.deduction(&lease(key, 1, 5)).await, DeductionOutcome::Frozen);
    store.verify(&[key]).await;
}

pub async fn a_lease_pays_for_many_requests(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(1_000).await;
    let (paid, unused, released) = (lease(key, 50, 5), lease(key, 40, 5), lease(key, 30, 5));
    for lease in [&paid, &unused, &released] {
        assert!(matches!(store.deduction(lease).await, DeductionOutcome::Deducted(_)));
    }
    let captured = |captured: i64, left: i64| CaptureOutcome::Captured {
        captured: units(captured),
        left: units(left),
    };
    for _ in 0..2 {
        let outcome = store.capture(for_requests(&paid, 42, 7)).await;
        assert_eq!(outcome, captured(42, 888), "once");
    }
    assert_eq!(store.capture(for_requests(&unused, 0, 0)).await, captured(0, 928));
    store.void(&void(&released)).await;
    assert_eq!(store.account(key).await, account(958, 0, 0, false));
    // One capture came before its lease.
    let late = lease(key, 40, 5);
    assert_eq!(store.capture(for_requests(&late, 21, 3)).await, CaptureOutcome::Marked);
    assert_eq!(store.deduction(&late).await, deducted(937));
    assert_eq!(store.account(key).await, account(937, 0, 0, false));
    let sums = store.0.tallies(key).await.unwrap();
    let sums = sums.iter().fold((0, 0), |sum, of| (sum.0 + of.count, sum.1 + of.amount));
    assert_eq!(sums, (10, 63), "so many requests, so many units");
    // What is taken back is taken back for as many.
    store.void(&void(&paid)).await;
    let sums = store.0.tallies(key).await.unwrap();
    let sums = sums.iter().fold((0, 0), |sum, of| (sum.0 + of.count, sum.1 + of.amount));
    assert_eq!(sums, (3, 21));
    store.verify(&[key]).await;
}

pub async fn nothing_is_refused_while_a_lease_holds_enough(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let out = lease(key, 60, 60);
    assert_eq!(store.deduction(&out).await, deducted(40));
    let dear = deduction(key, 41);
    let beyond = store.deduction(&deduction(key, 101)).await;
    assert_eq!(beyond, DeductionOutcome::Insufficient, "with the lease, too");
    assert_eq!(store.account(key).await, account(40, 60, 1, false), "no reason to call it back");
    for _ in 0..2 {
        assert_eq!(store.deduction(&dear).await, DeductionOutcome::Leased);
        assert_eq!(store.account(key).await, account(40, 60, 1, true));
    }
    assert_eq!(store.deduction(&hold(key, 41)).await, DeductionOutcome::Leased);
    assert_eq!(store.deduction(&lease(key, 1, 5)).await, REFUSED, "they are called back");
    assert_eq!(store.deduction(&deduction(key, 1)).await, deducted(39), "what is there is spent");
    // In one batch with the capture it is there.
    let sent =
        Batch { captures: vec![for_requests(&out, 10, 1)], ..batch(vec![dear.clone()], vec![]) };
    let answer = store.0.batch(sent).await.unwrap();
    assert_eq!(answer.deductions, [(dear.id, deducted(48))]);
    assert_eq!(store.account(key).await, account(48, 0, 0, false), "and leases are given again");
    // Nothing to call back.
    assert_eq!(store.0.recall_leases(key).await.unwrap(), account(48, 0, 0, false));
    let out = lease(key, 20, 60);
    store.deduction(&out).await;
    for _ in 0..2 {
        assert_eq!(store.0.recall_leases(key).await.unwrap(), account(28, 20, 1, true));
    }
    assert_eq!(store.deduction(&lease(key, 1, 5)).await, REFUSED);
    store.void(&void(&out)).await;
    assert_eq!(store.account(key).await, account(48, 0, 0, false));
    let out = lease(key, 20, 60);
    store.deduction(&out).await;
    let opened = |needed: i64| {
        let wanted = NewTopUp { needed: units(needed), ..wanted(key, 500, None) };
        store.0.open_top_up(wanted)
    };
    assert_eq!(opened(28).await.unwrap(), Opened::Enough);
    assert_eq!(opened(48).await.unwrap(), Opened::Leased, "no card is charged meanwhile");
    assert_eq!(store.account(key).await, account(28, 20, 1, true));
    // A debt takes first what comes back.
    assert_eq!(store.post(key, Kind::DisputeOpened, "dp_1", 33).await, {
        let Account { pending, leased, leases, recalled, .. } = account(0, 20, 1, true);
        let debt = units(5);
        let after = Account { pending, leased, leases, recalled, debt, ..Account::default() };
        crate::accounting::Posted::Done(after)
    });
    assert_eq!(store.deduction(&deduction(key, 15)).await, DeductionOutcome::Leased);
    let owed = DeductionOutcome::InDebt(units(5));
    assert_eq!(store.deduction(&deduction(key, 16)).await, owed);
    store.verify(&[key]).await;
    store.void(&void(&out)).await;
    assert_eq!(store.account(key).await, account(15, 0, 0, false));
    assert!(matches!(opened(48).await.unwrap(), Opened::New(_)));
}

pub async fn leases_that_nobody_captures_come_back(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let terms = HoldTerms { ends_ms: now_ms() + 300, at_end: Units::ZERO, lease: Some(60) };
    let out = Deduction { hold: Some(terms), ..deduction(key, 60) };
    assert_eq!(store.deduction(&out).await, deducted(40));
    assert_eq!(store.deduction(&deduction(key, 90)).await, DeductionOutcome::Leased);
    while store.account(key).await.leases > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        store.0.settle_ended_holds(1_000).await.unwrap();
    }
    assert_eq!(store.account(key).await, account(100, 0, 0, false), "given to the client");
    let late = store.capture(for_requests(&out, 50, 5)).await;
    assert_eq!(late, CaptureOutcome::Captured { captured: units(0), left: units(100) });
    assert_eq!(store.deduction(&deduction(key, 90)).await, deducted(10));
    let sums = store.0.tallies(key).await.unwrap();
    assert_eq!(sums.iter().map(|of| (of.count, of.amount)).collect::<Vec<_>>(), [(1, 90)]);
    store.verify(&[key]).await;
}
