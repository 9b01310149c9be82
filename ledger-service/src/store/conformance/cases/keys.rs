//! Keys: what one spends is its owner's, and the key changes with it or not at all.

use std::time::Duration;

use stripe402_protocol::{
    ClientId, Units,
    message::{
        AutoTopUpOff, Batch, CaptureOutcome, Deduction, DeductionOutcome, KeyRefusal, VoidOutcome,
    },
};
use uuid::Uuid;

use super::{
    super::{
        StoreUnderTest,
        fixture::{Asked, batch, capture, deduction, hold, hold_for, lease, now_ms, units, void},
    },
    deducted, open,
};
use crate::accounting::{AccountKey, AutoTopUp, Budget, Key, KeyHash, Kind, Off, Spell, TopUpId};

/// A key that nobody used before, of this account's owner.
pub(in super::super) fn new_key(of: AccountKey, total: i64) -> (KeyHash, Key) {
    let looks = ClientId::derive(b"conformance key", &Uuid::new_v4().to_string());
    let key = Key::new(of.client, "a {key}: ü".to_owned(), of.currency, now_ms());
    let budget = Budget { total: Some(units(total)), ..key.budget };
    let auto = AutoTopUp {
        below: units(1),
        amount: units(5_000),
        monthly_most: units(9_000),
        card: "pm_1".parse().unwrap(),
        shown: "visa 4242".parse().ok(),
        since_ms: 1,
        month: Spell { number: 682, spent: units(5_000) },
        begun: Some(TopUpId(Uuid::new_v4())),
        off: Some(Off { reason: AutoTopUpOff::Declined, at_ms: 2 }),
    };
    let routes = vec!["joke".to_owned()];
    let key = Key { budget, routes, auto_top_up: Some(auto), ..key };
    (KeyHash::of(&looks), key)
}

impl Asked {
    pub(super) async fn new_key(&self, of: AccountKey, total: i64) -> KeyHash {
        let (hash, key) = new_key(of, total);
        assert_eq!(self.0.key(hash).await.unwrap(), None);
        assert!(self.0.change_key(hash, key.clone()).await.unwrap());
        assert_eq!(self.0.key(hash).await.unwrap(), Some(key));
        hash
    }

    pub(super) async fn key(&self, hash: KeyHash) -> Key {
        self.0.key(hash).await.unwrap().unwrap()
    }

    pub(super) async fn deduct_by_key(
        &self,
        hash: KeyHash,
        deduction: &Deduction,
    ) -> DeductionOutcome {
        let asked = batch(vec![deduction.clone()], vec![]);
        let answer = self.0.batch_by_key(hash, asked).await.unwrap();
        assert_eq!(answer.deductions[0].0, deduction.id);
        answer.deductions[0].1
    }

    pub(super) async fn void_by_key(&self, hash: KeyHash, of: &Deduction) -> VoidOutcome {
        self.0.batch_by_key(hash, batch(vec![], vec![void(of)])).await.unwrap().voids[0].1
    }

    pub(super) async fn capture_by_key(
        &self,
        hash: KeyHash,
        of: &Deduction,
        amount: i64,
    ) -> CaptureOutcome {
        let asked = Batch { captures: vec![capture(of, amount)], ..batch(vec![], vec![]) };
        self.0.batch_by_key(hash, asked).await.unwrap().captures[0].1
    }
}

const fn refused(refusal: KeyRefusal) -> DeductionOutcome {
    DeductionOutcome::KeyRefused(refusal)
}

pub async fn what_a_key_spends_is_its_owners(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 150).await;
    let first = deduction(of, 100);
    assert_eq!(store.deduct_by_key(hash, &first).await, deducted(50), "what is left of the key's");
    let key = store.key(hash).await;
    assert_eq!((key.spent, key.day.spent, key.month.spent), (units(100), units(100), units(100)));
    assert_eq!(key.used_ms, Some(first.id.minted_ms()));
    assert_eq!(store.left(of).await, 900);
    // A repetition is answered as the first, and spends nothing of the key.
    assert_eq!(store.deduct_by_key(hash, &first).await, deducted(50));
    let over = deduction(of, 51);
    assert_eq!(store.deduct_by_key(hash, &over).await, refused(KeyRefusal::Budget));
    let euros = Deduction { currency: "eur".parse().unwrap(), ..deduction(of, 1) };
    assert_eq!(store.deduct_by_key(hash, &euros).await, refused(KeyRefusal::Budget));
    let other = Deduction { route: "weather".to_owned(), ..deduction(of, 1) };
    assert_eq!(store.deduct_by_key(hash, &other).await, refused(KeyRefusal::Route));
    let lent = lease(of, 1, 50);
    assert_eq!(store.deduct_by_key(hash, &lent).await, DeductionOutcome::LeaseRefused);
    assert_eq!(store.key(hash).await.spent, units(100));
    assert_eq!(store.left(of).await, 900);
    // Nor does what its owner cannot pay.
    let poor = store.account_with(10).await;
    let rich = store.new_key(poor, 500).await;
    let short = store.deduct_by_key(rich, &deduction(poor, 11)).await;
    assert_eq!(short, DeductionOutcome::Insufficient);
    assert_eq!(store.key(rich).await.spent, Units::ZERO);
    store.verify(&[of, poor]).await;
}

/// What they owe is their owner's business, and a key that nobody made spends nothing.
pub async fn keys_say_nothing_of_their_owners(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(10).await;
    let hash = store.new_key(of, 500).await;
    store.post(of, Kind::DisputeOpened, "dp_1", 30).await;
    let in_debt = store.deduct_by_key(hash, &deduction(of, 1)).await;
    assert_eq!(in_debt, DeductionOutcome::Insufficient);
    store.post(of, Kind::Freeze, "freeze", 0).await;
    let frozen = store.deduct_by_key(hash, &deduction(of, 1)).await;
    assert_eq!(frozen, DeductionOutcome::Frozen);
    let (nobody, _) = new_key(of, 1);
    assert_eq!(store.deduct_by_key(nobody, &deduction(of, 1)).await, DeductionOutcome::Frozen);
    store.verify(&[of]).await;
}

pub async fn a_key_is_changed_as_it_was_read_or_not_at_all(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 500).await;
    let read = store.key(hash).await;
    let revoked = Key { revoked_ms: Some(7), ..read.clone() }.changed();
    let other = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    assert!(other.0.change_key(hash, revoked.clone()).await.unwrap());
    assert!(!store.0.change_key(hash, read.clone()).await.unwrap(), "made again");
    assert!(!store.0.change_key(hash, read.changed()).await.unwrap(), "the same change");
    let spent = deduction(of, 100);
    assert_eq!(store.deduct_by_key(hash, &spent).await, refused(KeyRefusal::Revoked));
    assert_eq!((store.key(hash).await, store.left(of).await), (revoked, 1_000));
    store.verify(&[of]).await;
}

pub async fn what_comes_back_comes_back_to_the_key(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 500).await;
    let (taken, held, other) = (deduction(of, 100), hold(of, 90), hold(of, 30));
    assert_eq!(store.deduct_by_key(hash, &taken).await, deducted(400));
    assert_eq!(store.deduct_by_key(hash, &held).await, deducted(310));
    assert_eq!(store.deduct_by_key(hash, &other).await, deducted(280));
    let key = store.key(hash).await;
    assert_eq!((key.spent, key.held(&held.id)), (units(220), Some(units(90))));
    let captured = CaptureOutcome::Captured { captured: units(40), left: units(330) };
    assert_eq!(store.capture_by_key(hash, &held, 40).await, captured);
    assert_eq!(store.capture_by_key(hash, &held, 40).await, captured, "once more");
    assert_eq!(store.key(hash).await.spent, units(170));
    for outcome in [VoidOutcome::Voided, VoidOutcome::Repeated] {
        assert_eq!(store.void_by_key(hash, &other).await, outcome);
        assert_eq!(store.void_by_key(hash, &taken).await, outcome);
        assert_eq!(store.key(hash).await.spent, units(40));
    }
    // What was captured, too; and what comes first leaves its mark.
    assert_eq!(store.void_by_key(hash, &held).await, VoidOutcome::Voided);
    let late = deduction(of, 5);
    assert_eq!(store.void_by_key(hash, &late).await, VoidOutcome::Marked);
    assert_eq!(store.deduct_by_key(hash, &late).await, DeductionOutcome::Voided);
    let key = store.key(hash).await;
    assert_eq!((key.spent, key.day.spent, key.open.len()), (Units::ZERO, Units::ZERO, 0));
    assert_eq!(store.left(of).await, 1_000);
    store.verify(&[of]).await;
}

pub async fn keys_are_listed_by_owner(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (of, other) = (store.account_with(10).await, store.account_with(10).await);
    let mut own = Vec::new();
    for total in 1..40 {
        own.push(store.new_key(of, total).await);
    }
    store.new_key(other, 7).await;
    own.sort_unstable();
    let listed = store.0.keys_of(of.client).await.unwrap();
    assert_eq!(listed.iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), own);
    for (hash, key) in listed {
        assert_eq!(store.key(hash).await, key);
    }
    assert_eq!(store.0.keys_of(other.client).await.unwrap().len(), 1);
    let nobody = ClientId::derive(b"conformance", "nobody's keys");
    assert_eq!(store.0.keys_of(nobody).await.unwrap(), []);
}

pub async fn a_hold_of_a_key_is_settled_at_its_end(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 100).await;
    let held = hold_for(of, 90, Duration::from_millis(50));
    assert_eq!(store.deduct_by_key(hash, &held).await, deducted(10));
    tokio::time::sleep(Duration::from_millis(80)).await;
    while store.left(of).await == 910 {
        store.0.settle_ended_holds(1_000).await.unwrap();
    }
    assert_eq!(store.left(of).await, 970);
    assert_eq!(store.key(hash).await.held(&held.id), Some(units(90)), "nobody has told it");
    // It hears of it when it is used next.
    assert_eq!(store.deduct_by_key(hash, &deduction(of, 71)).await, refused(KeyRefusal::Budget));
    assert_eq!(store.deduct_by_key(hash, &deduction(of, 70)).await, deducted(0));
    let key = store.key(hash).await;
    assert_eq!((key.spent, key.open.len()), (units(100), 0));
    store.verify(&[of]).await;
}

/// Many at once, by two ledgers: as many as the budget is for.
pub async fn a_budget_is_spent_to_the_last_unit(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let other = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 50).await;
    let tasks = (0..4).map(|number| {
        let ledger = if number % 2 == 0 { store.clone() } else { other.clone() };
        tokio::spawn(async move {
            let mut served = 0;
            for _ in 0..10 {
                let deductions = vec![deduction(of, 1), deduction(of, 1)];
                let answer = ledger.0.batch_by_key(hash, batch(deductions, vec![])).await.unwrap();
                let is_served = |(_, of): &&(_, _)| matches!(of, DeductionOutcome::Deducted(_));
                served += answer.deductions.iter().filter(is_served).count();
            }
            served
        })
    });
    let mut served = 0;
    for task in tasks.collect::<Vec<_>>() {
        served += task.await.unwrap();
    }
    assert_eq!((served, store.left(of).await), (50, 950));
    assert_eq!(store.key(hash).await.spent, units(50));
    store.verify(&[of]).await;
}
