//! What operators look at across all clients, and the record of what they did.

use std::time::Duration;

use stripe402_protocol::message::Deduction;
use uuid::Uuid;

use super::{
    super::{
        StoreUnderTest,
        fixture::{
            deduction, deduction_id, new_account, now_ms, units, void, wanted as wanted_top_up,
        },
    },
    open,
};
use crate::{
    accounting::{
        AccountKey, AuditEntry, Kind, Movement, NewTopUp, Order, OrderKind, Outcome, Posted,
        Posting, State,
    },
    store::{Page, Placed as _},
};

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
    let found = store.0.latest_movements(&disputes, Page::newest(ALL)).await.unwrap();
    assert!(found.windows(2).all(|pair| pair[0].1.at_ms >= pair[1].1.at_ms), "newest first");
    let mine: Vec<_> = found.iter().filter(|(key, _)| [one, other].contains(key)).collect();
    let references: Vec<_> = mine.iter().map(|(_, of)| of.posting.reference.as_str()).collect();
    assert_eq!(references, ["dp_2", "dp_1"], "of these kinds only");
    assert_eq!(mine[0].0, other);
    assert_eq!(store.0.latest_movements(&disputes, Page::newest(1)).await.unwrap().len(), 1);
    assert!(store.0.latest_movements(&[], Page::newest(ALL)).await.unwrap().is_empty());

    let found = store.0.recent_top_ups(Page::newest(ALL)).await.unwrap();
    assert!(found.windows(2).all(|pair| pair[0].created_ms >= pair[1].created_ms));
    let mine: Vec<_> = found.iter().filter(|of| [one, other].contains(&of.account)).collect();
    assert_eq!(mine.len(), 3, "each once");
    assert_eq!((mine[0].id, &mine[0].state), (open.id, &State::opened()));
    assert!(mine[1..].iter().all(|of| matches!(of.state, State::Credited { .. })));
    assert_eq!(store.0.recent_top_ups(Page::newest(1)).await.unwrap().len(), 1);
}

/// Three to a page, while others come: each row once, however many have the same time.
pub async fn lists_are_read_in_pages(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (one, other) = (store.account_with(10).await, store.account_with(10).await);
    let kinds = [Kind::AdjustmentUp, Kind::AdjustmentDown, Kind::DisputeLost];
    let since = now_ms() - 60_000;
    for key in [one, other] {
        // What is posted together has one time.
        let posting = |number: usize| Posting {
            kind: kinds[number % 3],
            reference: format!("r{number}"),
            amount: units((number % 3 != 2).into()),
            note: None,
        };
        let posted = store.0.post_together(key, (0..8).map(posting).collect()).await.unwrap();
        assert!(matches!(posted, Posted::Done(_)), "{posted:?}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    // No more than so many are looked at: cases share a server.
    let newest = |most| Page { from_ms: since, ..Page::newest(most) };
    let is_own = |of: &(AccountKey, Movement)| [one, other].contains(&of.0);
    let wanted = &kinds[1..];
    let mut page = newest(3);
    let mut found = Vec::new();
    loop {
        let some = store.0.latest_movements(wanted, page.clone()).await.unwrap();
        assert!(some.len() <= 3);
        let Some(last) = some.last() else { break };
        page.before = Some(last.place());
        found.extend(some);
        let late = format!("late {}", found.len());
        store.post(one, Kind::DisputeLost, &late, 0).await;
    }
    assert!(found.windows(2).all(|pair| pair[0].place() > pair[1].place()), "newest first");
    found.retain(is_own);
    let references: Vec<_> =
        found.iter().map(|(key, of)| (*key == one, of.posting.reference.as_str())).collect();
    let of = |key: AccountKey| {
        // The kinds by their names, and then the references.
        ["r5", "r2", "r7", "r4", "r1"].map(move |reference| (key == one, reference))
    };
    assert_eq!(references, [of(other), of(one)].concat());

    let (first, last) = (found[9].1.at_ms, found[0].1.at_ms);
    let references = async |from_ms: u64, until_ms: u64| {
        let page = Page { from_ms, until_ms, ..Page::newest(ALL) };
        let mut found = store.0.latest_movements(wanted, page).await.unwrap();
        found.retain(|of| is_own(of) && of.1.posting.reference.starts_with('r'));
        found.len()
    };
    assert_eq!(references(first, last).await, 5, "its end is not in a period");
    assert_eq!(references(first + 1, last + 1).await, 5, "its beginning is");
    assert_eq!(references(last + 1, first).await, 0);

    // Top-ups that were opened in one millisecond.
    let opened_ms = since + 1;
    let mut ids = Vec::new();
    for _ in 0..7 {
        let key = new_account();
        let wanted = NewTopUp { now_ms: opened_ms, ..wanted_top_up(key, 500, None) };
        store.0.open_top_up(wanted.clone()).await.unwrap();
        // Whether or not the client has an account.
        ids.push(wanted.id);
    }
    ids.sort_unstable();
    ids.reverse();
    let period = Page { from_ms: opened_ms, until_ms: opened_ms + 1, ..Page::newest(3) };
    let (mut page, mut found) = (period.clone(), Vec::new());
    loop {
        let some = store.0.recent_top_ups(page.clone()).await.unwrap();
        assert!(some.len() <= 3);
        let Some(last) = some.last() else { break };
        page.before = Some(last.place());
        found.extend(some.iter().map(|of| of.id));
    }
    found.retain(|id| ids.contains(id));
    assert_eq!(found, ids, "each once");
    let later = Page { from_ms: opened_ms + 1, until_ms: u64::MAX, before: None, most: ALL };
    let later = store.0.recent_top_ups(later).await.unwrap();
    assert!(later.iter().all(|of| !ids.contains(&of.id)));
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
    let mut page = Page::newest(3);
    loop {
        let some = store.0.audit(page.clone()).await.unwrap();
        assert!(some.len() <= 3);
        let Some(last) = some.last() else { break };
        page.before = Some(last.key());
        found.extend(some);
    }
    assert!(found.windows(2).all(|pair| pair[0].key() > pair[1].key()), "newest first, each once");
    let mine: Vec<_> = found.into_iter().filter(|entry| entry.action == action).collect();
    assert_eq!(mine, written);
    let before = Some(written[0].key());
    let earlier = store.0.audit(Page { before, ..Page::newest(1) }).await.unwrap();
    assert_eq!(earlier, written[1..], "before this place");
    for (from_ms, until_ms, is_in) in
        [(now_ms, now_ms + 1, true), (now_ms + 1, u64::MAX, false), (0, now_ms, false)]
    {
        let page = Page { from_ms, until_ms, ..Page::newest(ALL) };
        let found = store.0.audit(page).await.unwrap();
        assert_eq!(found.iter().any(|of| of.action == action), is_in, "{from_ms} to {until_ms}");
    }
}
