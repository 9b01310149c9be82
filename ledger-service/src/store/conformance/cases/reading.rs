//! What can be read, and what is forgotten.

use std::{collections::BTreeSet, time::Duration};

use stripe402_protocol::message::{Deduction, DeductionOutcome, VoidOutcome};

use super::{
    super::{
        Options, StoreUnderTest,
        fixture::{Asked, deduction, deduction_id, void},
    },
    deducted, open,
};
use crate::accounting::AccountKey;

pub async fn sums_and_single_charges_can_be_read(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(1_000).await;
    let mut ids = Vec::new();
    for (route, ago) in [("joke", 7_200), ("joke", 7_200), ("weather: {ü}", 0)] {
        let route = route.to_owned();
        let id = deduction_id(Duration::from_secs(ago));
        store.deduction(&Deduction { id, route, ..deduction(key, 10) }).await;
        ids.push(id);
    }
    let voided = deduction(key, 10);
    store.deduction(&voided).await;
    store.void(&void(&voided)).await;
    let mut tallies = store.0.tallies(key).await.unwrap();
    tallies.retain(|tally| tally.count != 0);
    tallies.sort();
    let sums: Vec<_> =
        tallies.iter().map(|tally| (tally.route.as_str(), tally.count, tally.amount)).collect();
    // Two hours ago may be one hour of the clock or, at its turn, two.
    let by_route = |route: &str| -> (i64, i64) {
        sums.iter().filter(|sum| sum.0 == route).fold((0, 0), |s, sum| (s.0 + sum.1, s.1 + sum.2))
    };
    assert_eq!((by_route("joke"), by_route("weather: {ü}")), ((2, 20), (1, 10)));
    assert_eq!(tallies[0].hour, ids[0].minted_ms() / 3_600_000);

    let kept = store.0.deductions(key, 10).await.unwrap();
    assert_eq!(kept.len(), 3, "a voided one is no deduction any more");
    assert_eq!((kept[0].id, &*kept[0].route), (ids[2], "weather: {ü}"), "newest first");
    assert_eq!(store.0.deductions(key, 1).await.unwrap().len(), 1);
}

pub async fn accounts_are_listed_in_pages(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let mut mine = BTreeSet::new();
    for _ in 0..5 {
        mine.insert(store.account_with(1).await);
    }
    let one = *mine.first().unwrap();
    let euros = AccountKey { currency: "eur".parse().unwrap(), ..one };
    store.top_up(euros, 1).await;
    mine.insert(euros);
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.0.accounts(None, after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(*last);
        assert!(page.is_sorted() && page.first() > seen.last(), "by client and currency");
        for key in page {
            assert!(seen.insert(key), "{key:?} is listed twice");
        }
    }
    assert!(mine.is_subset(&seen));
    let own = store.0.accounts(Some(one.client), None, 10).await.unwrap();
    assert_eq!(own.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([one, euros]));
}

pub async fn charges_are_forgotten_and_their_sums_stay(under_test: &dyn StoreUnderTest) {
    let memory = Duration::from_secs(3);
    let store =
        Asked(under_test.open(Options { charge_memory: memory, ..Options::default() }).await);
    let key = store.account_with(100).await;
    let old = deduction(key, 10);
    assert_eq!(store.deduction(&old).await, deducted(90));
    tokio::time::sleep(memory + Duration::from_secs(1)).await;
    assert_eq!(store.deduction(&old).await, DeductionOutcome::Stale, "never a second time");
    assert_eq!(store.void(&void(&old)).await, VoidOutcome::Stale);
    assert_eq!(store.deduction(&deduction(key, 10)).await, deducted(80));
    assert_eq!(store.0.deductions(key, 10).await.unwrap().len(), 1);
    let spent: i64 = store.0.tallies(key).await.unwrap().iter().map(|tally| tally.amount).sum();
    assert_eq!(spent, 20);
    store.verify(&[key]).await;
}
