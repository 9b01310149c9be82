//! Rotation: which of a client's own ids may spend is decided with the deduction.

use stripe402_protocol::{
    Currency,
    message::{Capture, DeductionOutcome, KeyRefusal, VoidOutcome},
};

use super::{
    super::{
        StoreUnderTest,
        fixture::{Asked, batch, capture, deduction, hold, lease, now_ms, units, void},
    },
    deducted,
    keys::new_key,
    open,
};
use crate::accounting::{AccountKey, Key, KeyHash, Kind, Rotation};

const ROTATED: DeductionOutcome = DeductionOutcome::KeyRefused(KeyRefusal::Rotated);
const HOUR_MS: u64 = 3_600_000;

impl Asked {
    /// One more rotation of this account's client, which is done; the ids so far spend for so long more.
    async fn rotate(&self, of: AccountKey, grace_ms: u64) -> Rotation {
        let before = self.account(of).await.rotation;
        let after = before.next(grace_ms, now_ms(), 1 << 52).unwrap();
        assert!(self.0.rotate(of.client, before, after).await.unwrap());
        assert_eq!(self.account(of).await.rotation, after);
        after
    }

    /// An id of this generation, as what is kept of it.
    async fn generation(&self, of: AccountKey, generation: u32) -> KeyHash {
        let (hash, key) = new_key(of, 1);
        let plain = Key::new(key.owner, key.label, of.currency, key.created_ms);
        let key = Key { generation: Some(generation), ..plain };
        assert!(self.0.change_key(hash, key).await.unwrap());
        hash
    }
}

/// Of the same account the card, keys with limits and the next generation go on spending.
pub async fn an_id_that_was_rotated_spends_nothing(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let other = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    let of = store.account_with(1_000).await;
    let limited = store.new_key(of, 150).await;
    let (before, held) = (deduction(of, 100), hold(of, 90));
    assert_eq!(store.deduction(&before).await, deducted(900));
    assert_eq!(store.deduction(&held).await, deducted(810));
    let next = store.generation(of, 1).await;
    other.rotate(of, 0).await;
    for refused in [deduction(of, 1), deduction(of, 0), hold(of, 1), lease(of, 1, 50)] {
        assert_eq!(store.deduction(&refused).await, ROTATED);
    }
    assert_eq!(store.deduct_for_card(&deduction(of, 10)).await, deducted(800));
    assert_eq!(store.deduct_by_key(limited, &deduction(of, 10)).await, deducted(140));
    // What its own id did before is settled by the next one, and answered as it was.
    assert_eq!(store.deduction(&before).await, deducted(900));
    assert_eq!(store.deduct_by_key(next, &deduction(of, 90)).await, deducted(700));
    let taken = store.capture_by_key(next, &held, 50).await;
    assert_eq!(
        taken,
        stripe402_protocol::message::CaptureOutcome::Captured {
            captured: units(50),
            left: units(740),
        }
    );
    assert_eq!(store.void_by_key(next, &before).await, VoidOutcome::Voided);
    // It may have leases, and hears what it owes: it is its owner's.
    assert_eq!(store.deduct_by_key(next, &lease(of, 40, 50)).await, deducted(800));
    store.post(of, Kind::DisputeOpened, "dp_1", 900).await;
    let owes = store.deduct_by_key(next, &hold(of, 500)).await;
    assert_eq!(owes, DeductionOutcome::InDebt(units(100)));
    let key = store.key(next).await;
    assert_eq!((key.spent, key.open.len(), key.revision), (units(0), 0, 1));
    store.verify(&[of]).await;
}

/// What was served is paid for, whosever id it was.
pub async fn a_hold_after_its_capture_is_taken_of_a_rotated_id(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(100).await;
    let late = hold(of, 50);
    store.capture(Capture { count: 1, ..capture(&late, 20) }).await;
    store.rotate(of, 0).await;
    assert_eq!(store.deduction(&late).await, deducted(80));
    store.verify(&[of]).await;
}

/// A grace lets the ids before spend for a while; it ends earlier, and never later.
pub async fn a_grace_lets_earlier_ids_spend_for_a_while(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let (first, second) = (store.generation(of, 1).await, store.generation(of, 2).await);
    store.rotate(of, HOUR_MS).await;
    assert_eq!(store.deduction(&deduction(of, 1)).await, deducted(999));
    assert_eq!(store.deduction(&hold(of, 1)).await, deducted(998));
    assert_eq!(store.deduct_by_key(first, &deduction(of, 1)).await, deducted(997));
    store.rotate(of, HOUR_MS).await;
    assert_eq!(store.deduction(&deduction(of, 1)).await, deducted(996));
    assert_eq!(store.deduct_by_key(first, &deduction(of, 1)).await, deducted(995));
    assert_eq!(store.deduct_by_key(second, &deduction(of, 1)).await, deducted(994));
    store.rotate(of, 0).await;
    assert_eq!(store.deduction(&deduction(of, 1)).await, ROTATED);
    assert_eq!(store.deduct_by_key(first, &deduction(of, 1)).await, ROTATED);
    assert_eq!(store.deduct_by_key(second, &deduction(of, 1)).await, ROTATED);
    // By the store's clock, which says when it has ended.
    let other = store.account_with(1_000).await;
    let ended = Rotation { generation: 1, until_ms: now_ms() - 10, ..Rotation::default() };
    assert!(store.0.rotate(other.client, Rotation::default(), ended).await.unwrap());
    assert_eq!(store.deduction(&deduction(other, 1)).await, ROTATED);
    let lasts = Rotation { until_ms: now_ms() + 60_000, ..ended };
    assert!(store.0.rotate(other.client, ended, lasts).await.unwrap());
    assert_eq!(store.deduction(&deduction(other, 1)).await, deducted(999));
    store.verify(&[of]).await;
}

/// All currencies together, and those that come later; and once, however many ask.
pub async fn all_accounts_of_a_client_are_rotated_once(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let of = store.account_with(1_000).await;
    let in_currency = |code: &str| AccountKey { currency: code.parse().unwrap(), ..of };
    let (euros, pounds, yen) = (in_currency("eur"), in_currency("gbp"), in_currency("jpy"));
    store.top_up(euros, 500).await;
    let before = Rotation::default();
    let rotation = store.rotate(euros, 0).await;
    assert!(!store.0.rotate(of.client, before, rotation).await.unwrap(), "once more");
    store.top_up(pounds, 500).await;
    for key in [of, euros, pounds, yen] {
        assert_eq!(store.account(key).await.rotation, rotation, "{key:?}");
        // Of an account that is not there yet as of the others, which a batch makes for a price of nothing.
        for refused in [deduction(key, 1), lease(key, 1, 50), deduction(key, 0)] {
            assert_eq!(store.deduction(&refused).await, ROTATED, "{key:?}");
        }
    }
    // Others of a batch pay.
    let rich = store.account_with(100).await;
    let all = [of, rich, euros, pounds].map(|key| deduction(key, 1)).to_vec();
    let answer = store.0.batch(batch(all, vec![void(&deduction(of, 1))])).await.unwrap();
    let outcomes: Vec<_> = answer.deductions.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, [ROTATED, deducted(99), ROTATED, ROTATED]);
    let asked = (0..8).map(|name| {
        let store = store.clone();
        tokio::spawn(async move {
            let after = rotation.next(0, now_ms(), name).unwrap();
            store.0.rotate(of.client, rotation, after).await.unwrap()
        })
    });
    let done = futures_util::future::join_all(asked.collect::<Vec<_>>()).await;
    assert_eq!(done.into_iter().filter(|done| *done.as_ref().unwrap()).count(), 1);
    assert_eq!(store.account(of).await.rotation.generation, 2);
    store.verify(&[of, euros, pounds]).await;
}

/// An account that is made while its client is rotated says so, whichever comes first.
pub async fn no_new_account_escapes_a_rotation(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let other = if under_test.is_shared() { open(under_test).await } else { store.clone() };
    for _ in 0..20 {
        let of = store.account_with(10).await;
        let euros = AccountKey { currency: "eur".parse::<Currency>().unwrap(), ..of };
        let (rotation, ()) =
            tokio::join!(store.rotate(of, 0), async { drop(other.top_up(euros, 10).await) });
        assert_eq!(store.account(euros).await.rotation, rotation);
        assert_eq!(store.deduction(&deduction(euros, 1)).await, ROTATED);
    }
}
