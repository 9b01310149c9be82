//! What goes on beside a call that panics, and beside a record that is damaged.

use super::*;

/// A bug in one call, or in redb, is not the end of the thread that writes.
#[tokio::test]
async fn a_call_that_panics_fails_alone() {
    let under_test = FileUnderTest::new().await;
    for round in 0..4_u32 {
        let good = |number: u32| {
            let call = Call::Post(client("good"), posting(&format!("{round}-{number}")));
            call.ask(&under_test.store)
        };
        let broken = || {
            under_test.store.write(|book| {
                use crate::accounting::Book as _;
                book.set_account(&client("good"), &Account::default())?;
                if book.account(&client("good"))?.available == Units::ZERO {
                    panic!("a bug")
                }
                Ok(())
            })
        };
        // More than a group is run again for: then each has a commit of its own.
        let mut good = Box::pin(join_all([good(1), good(2)]));
        let mut bad = Box::pin(join_all((0..5).map(|_| broken())));
        assert!(futures_util::poll!(&mut bad).is_pending());
        assert!(futures_util::poll!(&mut good).is_pending());
        under_test.turns.take();
        assert!(good.await.iter().all(Result::is_ok));
        for answer in bad.await {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("a call panicked: a bug"), "{error}");
        }
    }
    let left = under_test.store.account(client("good")).await.unwrap().available;
    assert_eq!(left, Units::from_u32(100 - 10 + 8 * 100));
}

/// One record that cannot be read does not keep the others from being listed and carried out.
#[tokio::test]
async fn lists_leave_damaged_records_out() {
    let under_test = FileUnderTest::new().await;
    put_top_up(&under_test, NONSENSE);
    put_movement(&under_test, 0, NONSENSE);
    under_test.damage(|books| {
        books
            .open_table(CHARGES)
            .unwrap()
            .insert(charge_of(client("bad"), 1).id.as_bytes(), NONSENSE)
            .unwrap();
        books.open_table(TALLIES).unwrap().insert(&[0xff; 4][..], (1, 1)).unwrap();
    });
    let store = &under_test.store;
    let good = TopUpId(Uuid::from_u128(2));
    let ids = |top_ups: Vec<TopUp>| top_ups.into_iter().map(|of| of.id).collect::<Vec<_>>();
    assert_eq!(ids(store.unfinished_top_ups().await.unwrap()), [good]);
    assert_eq!(ids(store.recent_top_ups(Page::newest(9)).await.unwrap()), [good]);
    assert_eq!(store.latest_movements(&Kind::ALL, Page::newest(9)).await.unwrap().len(), 1);
    assert_eq!(store.deductions(client("good"), 9).await.unwrap().len(), 1);
    assert_eq!(store.revenue(0).await.unwrap().iter().map(|(_, of)| of.count).sum::<i64>(), 2);
    // Where it is asked for by itself it is said.
    assert!(matches!(store.movements(client("bad")).await, Err(StoreError::Damaged(_))));
    assert!(matches!(
        crate::store::difference(store, client("bad")).await,
        Err(StoreError::Damaged(_))
    ));
}
