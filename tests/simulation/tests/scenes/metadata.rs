//! What somebody with a right to write at Stripe can do to a client.

use super::*;
use stripe402_ledger::store::{Accounts as _, Customers as _, TopUps as _};

/// While a charge is on its way another product charges the same customer, without metadata.
#[tokio::test(start_paused = true)]
async fn a_nameless_payment_of_our_customer_is_not_taken_for_a_top_up() {
    let scene = Scene::new();
    let (first, under_way) = scene.paid_and_paying().await;
    scene.world.bank.with(|state| {
        let stranger = Paid {
            id: "pi_of_another_product".into(),
            top_up: None,
            subject: None,
            books: None,
            really_for: None,
            ..first.clone()
        };
        state.intents.insert(stranger.id.clone(), stranger);
    });
    scene.parts.sync.sync_intent(&"pi_of_another_product".parse().unwrap()).await.unwrap();
    assert!(matches!(under_way.await.unwrap().unwrap(), CardAnswer::Paid { .. }));
    assert_eq!(scene.available().await, i64::from(BLOCK) - 100);
    let payer = scene.world.books.payer("pi_of_another_product").await.unwrap();
    assert_eq!(payer, None);
}

/// The metadata of a charge that is on its way are copied onto one that was credited long ago.
#[tokio::test(start_paused = true)]
async fn a_credited_payment_settles_no_other_top_up() {
    let scene = Scene::new();
    let (first, under_way) = scene.paid_and_paying().await;
    let open = scene.world.books.unfinished_top_ups().await.unwrap()[0].id.to_string();
    scene.change(&first.id, |intent| intent.top_up = Some(open));
    scene.parts.sync.sync_intent(&first.id.parse().unwrap()).await.unwrap();
    assert!(matches!(under_way.await.unwrap().unwrap(), CardAnswer::Paid { .. }));
    assert_eq!(scene.paid().len(), 2, "charged for the first block and for the second");
    assert_eq!(scene.available().await, i64::from(BLOCK) - 100);
}

/// A charge of these books, for a top-up that another one had settled, is listed and credited.
#[tokio::test(start_paused = true)]
async fn a_second_charge_of_one_top_up_is_found_by_reconciling() {
    let scene = Scene::new();
    scene.pay(1, 100).await;
    let mut second = scene.paid()[0].clone();
    second.id = "pi_second".into();
    scene.world.bank.with(|state| state.intents.insert(second.id.clone(), second));
    let found = scene.parts.sync.differences(&[scene.key], BEGINNING_MS).await.unwrap();
    assert_eq!(found[0].problem.as_str(), "not_credited");
    assert_eq!(scene.repair().await, Vec::<&str>::new());
    assert_eq!(scene.available().await, 2 * i64::from(BLOCK) - 100);
}

/// A refund whose name was removed before its answer came is one refund, taken once.
#[tokio::test(start_paused = true)]
async fn a_nameless_refund_is_the_one_that_was_held_for() {
    let scene = Scene::new();
    scene.pay(1, 100).await;
    let intent = scene.paid()[0].id.clone();
    // Planned, and carried out at Stripe; then the ledger died.
    let hold = format!("refund:{intent}:w:0");
    let posting = Posting {
        kind: Kind::Hold,
        reference: hold.clone(),
        amount: Units::from_u32(30_000),
        note: None,
    };
    scene.world.books.post(scene.key, posting).await.unwrap();
    let now_ms = scene.world.now_ms();
    scene.world.bank.give_back(&intent, 300, Some(hold.clone()), now_ms).unwrap();
    scene.world.bank.strip_refunds(&hold);
    assert_eq!(scene.repair().await, Vec::<&str>::new());
    let account = scene.world.books.account(scene.key).await.unwrap();
    assert_eq!((account.available.get(), account.pending.get()), (i64::from(BLOCK) - 30_100, 0));
    let refunds = scene.world.bank.with(|state| state.refunds.len());
    assert_eq!(refunds, 1, "the card got it once");
}

/// Books that come from a backup of before an order: the order again takes nothing twice.
#[tokio::test(start_paused = true)]
async fn an_order_that_the_books_have_lost_is_not_paid_for_twice() {
    let scene = Scene::new();
    scene.pay(1, 100).await;
    let intent = scene.paid()[0].id.clone();
    let hold = format!("refund:{intent}:w:0");
    let now_ms = scene.world.now_ms();
    scene.world.bank.give_back(&intent, 100, Some(hold), now_ms).unwrap();
    assert_eq!(scene.repair().await, Vec::<&str>::new());
    assert_eq!(scene.available().await, i64::from(BLOCK) - 10_100);
    let again =
        scene.parts.refunds.refund(scene.key, Some(Units::from_u32(10_000)), "w", None).await;
    let back: i64 = again.unwrap().iter().map(|part| part.amount.get()).sum();
    assert_eq!(back, 10_000, "it went back, once");
    assert_eq!(scene.available().await, i64::from(BLOCK) - 10_100);
}
