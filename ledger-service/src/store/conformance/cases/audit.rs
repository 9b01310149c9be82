//! What operators look at across all clients, and the record of what they did.

use std::time::Duration;

use stripe402_protocol::message::Deduction;
use uuid::Uuid;

use super::{
    super::{
        StoreUnderTest,
        fixture::{deduction, deduction_id, now_ms, void},
    },
    open,
};
use crate::accounting::{AuditEntry, AuditKey, Kind, Order, OrderKind, Outcome, State};

/// More than other cases leave.
const ALL: usize = 100_000;

pub async fn the_newest_of_all_clients_is_found(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (one, other) = (store.account_with(10).await, store.account_with(10).await);
    // Times are milliseconds: what is to be newer must not be of the same.
    tokio::time::sleep(Duration::from_millis(3)).await;
    let open = store.open(one, 500).await;
    for (key, reference) in [(one, "dp_1"), (other, "dp_2")] {
        tokio::time::sleep(Duration::from_millis(3)).await;
        store.post(key, Kind::DisputeOpened, reference, 5).await;
    }
    store.post(one, Kind::DisputeLost, "dp_1", 0).await;

    let disputes = [Kind::DisputeOpened];
    let found = store.0.latest_movements(&disputes, ALL).await.unwrap();
    assert!(found.windows(2).all(|pair| pair[0].1.at_ms >= pair[1].1.at_ms), "newest first");
    let mine: Vec<_> = found.iter().filter(|(key, _)| [one, other].contains(key)).collect();
    let references: Vec<_> = mine.iter().map(|(_, of)| of.posting.reference.as_str()).collect();
    assert_eq!(references, ["dp_2", "dp_1"], "of these kinds only");
    assert_eq!(mine[0].0, other);
    assert_eq!(store.0.latest_movements(&disputes, 1).await.unwrap().len(), 1);
    assert!(store.0.latest_movements(&[], ALL).await.unwrap().is_empty());

    let found = store.0.recent_top_ups(ALL).await.unwrap();
    assert!(found.windows(2).all(|pair| pair[0].created_ms >= pair[1].created_ms));
    let mine: Vec<_> = found.iter().filter(|of| [one, other].contains(&of.account)).collect();
    assert_eq!(mine.len(), 3, "each once");
    assert_eq!((mine[0].id, &mine[0].state), (open.id, &State::opened()));
    assert!(mine[1..].iter().all(|of| matches!(of.state, State::Credited { .. })));
    assert_eq!(store.0.recent_top_ups(1).await.unwrap().len(), 1);
}

pub async fn revenue_is_summed_over_all_clients(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let route = format!("summed {}", Uuid::new_v4());
    let (long_ago, now) = (Duration::from_secs(30 * 3600), Duration::ZERO);
    let mut voided = None;
    for _ in 0..2 {
        let key = store.account_with(1_000).await;
        for ago in [long_ago, now, now] {
            let (id, route) = (deduction_id(ago), route.clone());
            let taken = Deduction { id, route, ..deduction(key, 10) };
            store.deduction(&taken).await;
            voided = Some(taken);
        }
    }
    store.void(&void(&voided.unwrap())).await;
    let of_route = async |since: u64| {
        let found = store.0.revenue(since).await.unwrap();
        let own = found.into_iter().filter(|(_, tally)| tally.route == route);
        own.fold((0, 0), |sum, (_, tally)| (sum.0 + tally.count, sum.1 + tally.amount))
    };
    let day_ago = (now_ms() - 24 * 3_600_000) / 3_600_000;
    assert_eq!((of_route(0).await, of_route(day_ago).await), ((5, 50), (3, 30)));
    let sums = store.0.revenue(0).await.unwrap();
    let mut lines: Vec<_> =
        sums.iter().map(|(currency, of)| (*currency, of.hour, of.route.as_str())).collect();
    let count = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), count, "one line for each currency, hour and route");
}

pub async fn the_audit_record_stays_as_it_was_written(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let action = Uuid::new_v4();
    let entry = |at_ms, outcome| AuditEntry {
        at_ms,
        action,
        actor: "alice".to_owned(),
        order: Order {
            kind: OrderKind::Adjust,
            subject: Some("0123456789abcdef".to_owned()),
            currency: Some("eur".parse().unwrap()),
            units: Some(-5),
            reference: Some("case-1 {x}".to_owned()),
            reason: Some("\"ü\" <b>\n".to_owned()),
        },
        outcome,
        detail: None,
    };
    let now_ms = now_ms();
    // In the same millisecond the beginning comes before the end.
    let written = [entry(now_ms, Outcome::Done), entry(now_ms, Outcome::Begun)];
    for entry in written.iter().rev() {
        store.0.record_action(entry.clone()).await.unwrap();
    }
    // Whatever says to be the same entry changes nothing.
    let forged = AuditEntry { actor: "mallory".to_owned(), ..written[0].clone() };
    store.0.record_action(forged).await.unwrap();

    let mut found = Vec::new();
    let mut before: Option<AuditKey> = None;
    loop {
        let page = store.0.audit(before, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = Some(last.key());
        found.extend(page);
    }
    assert!(found.windows(2).all(|pair| pair[0].key() > pair[1].key()), "newest first, each once");
    let mine: Vec<_> = found.into_iter().filter(|entry| entry.action == action).collect();
    assert_eq!(mine, written);
    let earlier = store.0.audit(Some(written[0].key()), 1).await.unwrap();
    assert_eq!(earlier, written[1..], "before this place");
}
