//! Credit that was granted: spent first, expiring, never paid out to a card.

use std::time::Duration;

use stripe402_protocol::message::DeductionOutcome;

use super::{
    super::{
        StoreUnderTest,
        fixture::{Asked, capture, deduction, hold, new_account, now_ms, units, void},
    },
    deducted, done, open,
};
use crate::accounting::{AccountKey, Kind, MOST_GRANTS, PostRefusal, Posted, Posting};

impl Asked {
    async fn grant(
        &self,
        key: AccountKey,
        reference: &str,
        amount: i64,
        expires_ms: Option<u64>,
    ) -> Posted {
        let (kind, reference, amount) = (Kind::Grant, reference.to_owned(), units(amount));
        let posting = Posting { kind, reference, amount, note: None };
        self.0.grant(key, posting, expires_ms).await.unwrap()
    }

    /// What was paid for, and what is left of each grant.
    async fn kinds(&self, key: AccountKey) -> (i64, Vec<(String, i64)>) {
        let balance = self.0.balance(key).await.unwrap();
        assert_eq!(balance.account, self.account(key).await);
        let lots = balance.grants.lots().into_iter();
        let lots = lots.map(|lot| (lot.reference, lot.left.get())).collect();
        (balance.grants.paid(&balance.account).get(), lots)
    }

    /// What expires of this account's, by any of the ledgers.
    async fn expire(&self, key: AccountKey) -> Vec<(String, i64)> {
        let expired = self.0.expire_grants(1_000).await.unwrap().into_iter();
        let own = expired.filter(|of| of.account == key);
        own.map(|of| (of.reference, of.amount.get())).collect()
    }
}

fn lots(of: &[(&str, i64)]) -> Vec<(String, i64)> {
    of.iter().map(|(reference, left)| ((*reference).to_owned(), *left)).collect()
}

const INSUFFICIENT: Posted = Posted::Refused(PostRefusal::Insufficient);

pub async fn what_was_granted_is_spent_first_and_never_paid_out(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(1_000).await;
    let before = deduction(key, 100);
    store.deduction(&before).await;
    // Ids and grants have milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(store.grant(key, "a {present}: ü", 500, None).await, done(1_400, 0, 0));
    assert_eq!(store.grant(key, "a {present}: ü", 500, None).await, done_again(1_400));
    let conflict = Posted::Refused(PostRefusal::Conflict);
    assert_eq!(store.grant(key, "a {present}: ü", 501, None).await, conflict);
    assert_eq!(store.kinds(key).await, (900, lots(&[("a {present}: ü", 500)])));
    assert_eq!(store.post(key, Kind::Hold, "h", 901).await, INSUFFICIENT);
    assert_eq!(store.post(key, Kind::Hold, "h", 900).await, done(500, 900, 0));
    assert_eq!(store.kinds(key).await.0, 0, "what is held cannot be held again");
    store.post(key, Kind::Release, "h", 900).await;
    let later = deduction(key, 450);
    store.deduction(&later).await;
    assert_eq!(store.kinds(key).await, (900, lots(&[("a {present}: ü", 50)])));
    store.deduction(&deduction(key, 60)).await;
    assert_eq!(store.kinds(key).await, (890, vec![]), "the rest was paid for");
    store.void(&void(&later)).await;
    assert_eq!(
        store.kinds(key).await,
        (900, lots(&[("a {present}: ü", 440)])),
        "as if it had not been"
    );
    store.void(&void(&before)).await;
    assert_eq!(store.kinds(key).await, (1_000, lots(&[("a {present}: ü", 440)])), "from before it");
    // Together they are made, or none of them.
    let part = |reference: &str, amount: i64| {
        let (kind, reference, amount) = (Kind::Hold, reference.to_owned(), units(amount));
        Posting { kind, reference, amount, note: None }
    };
    let both = vec![part("one", 900), part("two", 101)];
    assert_eq!(store.0.post_together(key, both).await.unwrap(), INSUFFICIENT);
    let both = vec![part("one", 900), part("two", 100)];
    assert_eq!(store.0.post_together(key, both).await.unwrap(), done(440, 1_000, 0));
    store.verify(&[key]).await;
}

fn done_again(available: i64) -> Posted {
    match done(available, 0, 0) {
        Posted::Done(account) => Posted::Repeated(account),
        other => other,
    }
}

pub async fn what_is_left_of_a_grant_expires_once(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(10).await;
    let soon = now_ms() + 400;
    store.grant(key, "for ever", 10, None).await;
    store.grant(key, "late", 20, Some(soon + 3_600_000)).await;
    assert_eq!(store.grant(key, "soon", 30, Some(soon)).await, done(70, 0, 0));
    let expected = lots(&[("soon", 30), ("late", 20), ("for ever", 10)]);
    assert_eq!(store.kinds(key).await, (10, expected));
    let too_late = Posted::Refused(PostRefusal::Expired);
    assert_eq!(store.grant(key, "gone", 30, Some(now_ms() - 60_000)).await, too_late);
    let held = hold(key, 12);
    store.deduction(&held).await;
    store.capture(capture(&held, 12)).await;
    assert_eq!(store.expire(key).await, []);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { store.expire(key).await }));
    }
    let mut expired = Vec::new();
    for task in tasks {
        expired.extend(task.await.unwrap());
    }
    // Another case's ledger may have been the one that took it back.
    assert!(expired.is_empty() || expired == lots(&[("soon", 18)]), "{expired:?}");
    assert_eq!(store.left(key).await, 40);
    let movement = store.0.movement(key, Kind::GrantExpired, "soon").await.unwrap();
    assert_eq!(movement.map(|of| of.posting.amount), Some(units(18)));
    assert_eq!(store.kinds(key).await, (10, lots(&[("late", 20), ("for ever", 10)])));
    assert_eq!(store.expire(key).await, []);
    assert_eq!(store.deduction(&deduction(key, 41)).await, DeductionOutcome::Insufficient);
    assert_eq!(store.deduction(&deduction(key, 40)).await, deducted(0));
    assert_eq!(store.kinds(key).await, (0, vec![]));
    store.verify(&[key]).await;
}

pub async fn what_a_hold_may_still_spend_does_not_expire(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = new_account();
    store.grant(key, "trial", 50, Some(now_ms() + 300)).await;
    let held = hold(key, 30);
    assert_eq!(store.deduction(&held).await, deducted(20));
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..2 {
        // Another case's ledger may have been the one that took it back.
        let expired = store.expire(key).await;
        assert!(expired.is_empty() || expired == lots(&[("trial", 20)]), "{expired:?}");
        assert_eq!(store.kinds(key).await, (0, lots(&[("trial", 30)])), "what no hold can spend");
        assert_eq!(store.left(key).await, 0);
    }
    store.capture(capture(&held, 10)).await;
    assert_eq!(store.kinds(key).await, (0, lots(&[("trial", 20)])));
    store.verify(&[key]).await;
}

pub async fn a_present_is_spent_by_what_is_served(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(500).await;
    store.grant(key, "v", 300, None).await;
    let slow = [deduction(key, 100), deduction(key, 100), deduction(key, 100)];
    for slow in &slow {
        store.deduction(slow).await;
    }
    assert_eq!(store.kinds(key).await, (500, vec![]));
    // Reckoned, with nothing left of it; then the requests fail.
    store.grant(key, "w", 1, None).await;
    for slow in &slow {
        store.void(&void(slow)).await;
    }
    assert_eq!(store.kinds(key).await, (500, lots(&[("v", 300), ("w", 1)])));
    assert_eq!(store.post(key, Kind::Hold, "h", 501).await, INSUFFICIENT);
    store.verify(&[key]).await;
}

pub async fn disputes_and_debts_are_about_money(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    store.grant(key, "g", 50, None).await;
    store.post(key, Kind::AdjustmentDown, "op", 10).await;
    assert_eq!(store.kinds(key).await, (100, lots(&[("g", 40)])), "a correction is as spent");
    assert_eq!(store.post(key, Kind::DisputeOpened, "dp", 110).await, done(40, 0, 10));
    assert_eq!(store.grant(key, "h", 30, None).await, done(70, 0, 10), "it settles no debt");
    assert_eq!(store.kinds(key).await, (0, lots(&[("g", 40), ("h", 30)])));
    store.post(key, Kind::TopUp, "pi_2", 7).await;
    assert_eq!(store.post(key, Kind::DisputeWon, "dp", 110).await, done(177, 0, 0));
    assert_eq!(store.kinds(key).await, (107, lots(&[("g", 40), ("h", 30)])));
    // A refund that nobody ordered takes what was paid for.
    let (kind, reference, amount) = (Kind::Refund, "re".to_owned(), units(500));
    let goodwill = Posting { kind, reference, amount, note: None };
    assert_eq!(store.0.post_up_to(key, goodwill).await.unwrap(), done(70, 0, 0));
    let unknown = Posted::Refused(PostRefusal::NoSuchGrant);
    assert_eq!(store.post(key, Kind::GrantExpired, "x", 1).await, unknown);
    let other = AccountKey { currency: "eur".parse().unwrap(), ..key };
    assert_eq!(store.kinds(other).await, (0, vec![]));
    store.verify(&[key]).await;
}

pub async fn an_account_has_so_many_grants(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = new_account();
    for number in 0..MOST_GRANTS {
        store.grant(key, &format!("g{number}"), 1, None).await;
    }
    let full = Posted::Refused(PostRefusal::TooManyGrants);
    assert_eq!(store.grant(key, "one more", 1, None).await, full);
    store.deduction(&deduction(key, 1)).await;
    assert!(matches!(store.grant(key, "one more", 1, None).await, Posted::Done(_)));
    assert_eq!(store.kinds(key).await.1.len(), MOST_GRANTS);
    let most = (1_i64 << 53) - 1;
    let large = new_account();
    store.grant(large, "all", most, None).await;
    let too_large = Posted::Refused(PostRefusal::TooLarge);
    assert_eq!(store.grant(large, "one more", 1, None).await, too_large);
    store.deduction(&deduction(large, most - 1)).await;
    assert_eq!(store.kinds(large).await, (0, lots(&[("all", 1)])));
    store.verify(&[key, large]).await;
}
