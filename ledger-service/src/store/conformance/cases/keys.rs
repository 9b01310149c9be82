//! Keys: what one spends is its owner's, and the key changes with it or not at all.

use std::time::Duration;

use stripe402_protocol::{
    ClientId, Units,
    message::{CaptureOutcome, Deduction, DeductionOutcome, VoidOutcome},
};
use uuid::Uuid;

use super::{
    super::{
        StoreUnderTest,
        fixture::{Asked, capture, deduction, hold, hold_for, now_ms, units, void},
    },
    deducted, open,
};
use crate::accounting::{AccountKey, Budget, Key, KeyHash, KeyStep, KeyStepOutcome, Spell};

/// A key that nobody used before, of this account's owner.
pub(in super::super) fn new_key(of: AccountKey, total: i64) -> (KeyHash, Key) {
    let looks = ClientId::derive(b"conformance key", &Uuid::new_v4().to_string());
    let key = Key {
        owner: of.client,
        label: "a {key}: ü".to_owned(),
        currency: of.currency,
        budget: Budget { total: Some(units(total)), per_day: None, per_month: None },
        expires_ms: None,
        routes: vec!["joke".to_owned()],
        manage: false,
        created_ms: now_ms(),
        revoked_ms: None,
        used_ms: None,
        spent: Units::ZERO,
        day: Spell::default(),
        month: Spell::default(),
        open: Vec::new(),
        revision: 1,
    };
    (KeyHash::of(&looks), key)
}

impl Asked {
    async fn new_key(&self, of: AccountKey, total: i64) -> KeyHash {
        let (hash, key) = new_key(of, total);
        assert_eq!(self.0.key(hash).await.unwrap(), None);
        assert!(self.0.change_key(hash, key.clone()).await.unwrap());
        assert_eq!(self.0.key(hash).await.unwrap(), Some(key));
        hash
    }

    async fn key(&self, hash: KeyHash) -> Key {
        self.0.key(hash).await.unwrap().unwrap()
    }

    async fn by_key(&self, hash: KeyHash, after: Key, step: KeyStep) -> Option<KeyStepOutcome> {
        self.0.step_by_key(hash, after.changed(), step).await.unwrap()
    }

    async fn deduct_by_key(&self, hash: KeyHash, deduction: &Deduction) -> DeductionOutcome {
        let after = self.key(hash).await.with(deduction);
        match self.by_key(hash, after, KeyStep::Deduct(deduction.clone())).await {
            Some(KeyStepOutcome::Deducted(outcome)) => outcome,
            other => panic!("{other:?}"),
        }
    }
}

pub async fn what_a_key_spends_is_its_owners(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 500).await;
    let first = deduction(of, 100);
    assert_eq!(store.deduct_by_key(hash, &first).await, deducted(900));
    let key = store.key(hash).await;
    assert_eq!((key.spent, key.revision, key.day.spent), (units(100), 2, units(100)));
    assert_eq!(key.used_ms, Some(first.id.minted_ms()));
    assert_eq!(store.left(of).await, 900);
    // A repetition is answered as the first, and spends nothing of the key.
    assert_eq!(store.deduct_by_key(hash, &first).await, deducted(900));
    assert_eq!(store.key(hash).await, key);
    assert_eq!(store.left(of).await, 900);
    // Nor does what its owner cannot pay.
    let refused = store.deduct_by_key(hash, &deduction(of, 901)).await;
    assert_eq!(refused, DeductionOutcome::Insufficient);
    assert_eq!(store.key(hash).await, key);
    store.verify(&[of]).await;
}

pub async fn a_key_that_has_changed_spends_nothing(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let other = open(under_test).await;
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 500).await;
    let read = store.key(hash).await;
    let revoked = Key { revoked_ms: Some(7), ..read.clone() }.changed();
    if under_test.is_shared() {
        assert!(other.0.change_key(hash, revoked.clone()).await.unwrap());
    } else {
        assert!(store.0.change_key(hash, revoked.clone()).await.unwrap());
    }
    assert!(!store.0.change_key(hash, read.clone()).await.unwrap(), "made again");
    assert!(!store.0.change_key(hash, read.clone().changed()).await.unwrap(), "the same change");
    let spent = deduction(of, 100);
    let step = KeyStep::Deduct(spent.clone());
    assert_eq!(store.by_key(hash, read.with(&spent), step).await, None);
    assert_eq!((store.key(hash).await, store.left(of).await), (revoked, 1_000));
    store.verify(&[of]).await;
}

pub async fn what_comes_back_comes_back_to_the_key(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let hash = store.new_key(of, 500).await;
    let (taken, held) = (deduction(of, 100), hold(of, 90));
    assert_eq!(store.deduct_by_key(hash, &taken).await, deducted(900));
    assert_eq!(store.deduct_by_key(hash, &held).await, deducted(810));
    let key = store.key(hash).await;
    assert_eq!((key.spent, key.held(&held.id)), (units(190), Some(units(90))));
    // Another amount than was expected: the hold had ended meanwhile, say.
    let step = KeyStep::Capture(capture(&held, 40), units(30));
    let settled = key.clone().settled(&held.id, units(30));
    let captured = CaptureOutcome::Captured { captured: units(40), left: units(860) };
    let outcome = store.by_key(hash, settled, step).await;
    assert_eq!(outcome, Some(KeyStepOutcome::Captured(captured)));
    assert_eq!(store.key(hash).await, key);
    let step = KeyStep::Capture(capture(&held, 40), units(40));
    let settled = key.settled(&held.id, units(40));
    let outcome = store.by_key(hash, settled.clone(), step).await;
    assert_eq!(outcome, Some(KeyStepOutcome::Captured(captured)));
    let key = store.key(hash).await;
    assert_eq!((key.clone(), key.spent), (settled.changed(), units(140)));
    let back = key.without(&taken.id, units(100));
    for (outcome, spent) in [(VoidOutcome::Voided, 40), (VoidOutcome::Repeated, 40)] {
        let step = KeyStep::Void(void(&taken));
        let revision = store.key(hash).await.revision;
        let after = Key { revision, ..back.clone() };
        let voided = store.by_key(hash, after, step).await;
        assert_eq!(voided, Some(KeyStepOutcome::Voided(outcome)));
        assert_eq!(store.key(hash).await.spent, units(spent));
    }
    assert_eq!(store.key(hash).await.revision, 5, "the repetition changed nothing");
    assert_eq!(store.left(of).await, 960);
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
    let hash = store.new_key(of, 500).await;
    let held = hold_for(of, 90, Duration::from_millis(50));
    assert_eq!(store.deduct_by_key(hash, &held).await, deducted(910));
    tokio::time::sleep(Duration::from_millis(80)).await;
    while store.left(of).await == 910 {
        store.0.settle_ended_holds(1_000).await.unwrap();
    }
    assert_eq!(store.left(of).await, 970);
    assert_eq!(store.key(hash).await.held(&held.id), Some(units(90)), "nobody has told it");
    store.verify(&[of]).await;
}
