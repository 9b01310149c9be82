//! Tables of a store in memory.
#![allow(clippy::arithmetic_side_effects, reason = "all of this is tests")]

use std::{collections::BTreeSet, sync::Arc};

use stripe402_protocol::{ClientId, Currency, Units};

use super::*;
use crate::{
    accounting::{Kind, Posting},
    clock::SystemClock,
    store::InMemory,
};

fn key(number: u64) -> AccountKey {
    let client = ClientId::derive(b"s", &number.to_string());
    AccountKey { client, currency: Currency::USD }
}

async fn corrected(many: u64) -> (Arc<dyn Store>, Operations) {
    let store: Arc<dyn Store> = Arc::new(InMemory::new(SystemClock, Duration::from_secs(3_600)));
    for number in 0..many {
        let (kind, reference) = (Kind::AdjustmentUp, format!("r{number}"));
        let amount = Units::new(i64::try_from(number + 1).unwrap()).unwrap();
        let posting = Posting { kind, reference, amount, note: None };
        store.post(key(number % 3), posting).await.unwrap();
    }
    let operations = Operations::new(Arc::clone(&store), None, Arc::new(SystemClock));
    (store, operations)
}

/// All movements that fit, and in how many answers.
async fn all(operations: &Operations, filter: &Filter, most: usize) -> (Vec<Movement>, usize) {
    let (mut rows, mut answers, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let found = operations.movements(filter, cursor.as_deref(), most).await.unwrap();
        assert!(found.movements.len() <= most);
        rows.extend(found.movements);
        answers += 1;
        cursor = found.next;
        if cursor.is_none() {
            return (rows, answers);
        }
    }
}

#[tokio::test]
async fn pages_have_each_row_once_newest_first() {
    let (_, operations) = corrected(100).await;
    let everything = Filter::default();
    let (rows, answers) = all(&operations, &everything, 7).await;
    assert_eq!((rows.len(), answers), (100, 15));
    let names: BTreeSet<_> = rows.iter().map(|row| row.reference.clone()).collect();
    assert_eq!(names.len(), 100);
    assert!(rows.windows(2).all(|two| two[0].at_ms >= two[1].at_ms));
    assert_eq!(all(&operations, &everything, 100).await.1, 1, "no page more than there is");
    let one = Filter { client: Some(key(1).client.subject()), ..Filter::default() };
    assert_eq!(all(&operations, &one, 10).await.0.len(), 33);
    for (filter, many) in [
        (Filter { least: Some(90), ..Filter::default() }, 11),
        (Filter { most: Some(10), ..one.clone() }, 3),
        (Filter { about: Some("r7".to_owned()), ..Filter::default() }, 1),
        (Filter { about: Some("r".to_owned()), ..Filter::default() }, 0),
        (Filter { currency: "eur".parse().ok(), ..Filter::default() }, 0),
        (Filter { kinds: vec![Kind::TopUp], ..Filter::default() }, 0),
        (Filter { period: Period { from_ms: 0, until_ms: 1 }, ..Filter::default() }, 0),
    ] {
        assert_eq!(all(&operations, &filter, 4).await.0.len(), many, "{filter:?}");
    }
}

#[tokio::test]
async fn one_answer_looks_at_so_many_rows() {
    let (_, operations) = corrected(10_600).await;
    // The oldest of all: one answer does not get there, the next one does.
    let oldest = Filter { about: Some("r0".to_owned()), ..Filter::default() };
    let first = operations.movements(&oldest, None, 50).await.unwrap();
    assert!(first.movements.is_empty() && first.next.is_some());
    let (rows, answers) = all(&operations, &oldest, 50).await;
    assert_eq!((rows.len(), answers), (1, 2));
}

#[tokio::test]
async fn a_cursor_says_nothing_of_a_client_and_must_be_known() {
    let (_, operations) = corrected(5).await;
    let everything = Filter::default();
    let next = operations.movements(&everything, None, 2).await.unwrap().next.unwrap();
    let last = operations.movements(&everything, None, 2).await.unwrap().movements;
    assert!(next.starts_with(&format!("{:015}.", last[1].at_ms)));
    assert!(!next.contains(&last[1].subject));
    for (cursor, said) in [
        ("", "cursor: must be"),
        ("x", "cursor: must be"),
        ("000000000000001.x", "cursor: must be"),
        (&next[1..], "cursor: must be"),
        ("000000000000001.00000000000000000000000000000000", "no movement is known"),
    ] {
        let wrong = operations.movements(&everything, Some(cursor), 2).await.unwrap_err();
        assert!(wrong.to_string().starts_with(said), "{cursor}: {wrong}");
    }
}
