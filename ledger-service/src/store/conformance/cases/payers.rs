//! Whose a PaymentIntent is, by which id a client is known, and what is posted together.

use stripe402_protocol::ClientId;
use uuid::Uuid;

use super::{
    super::{
        StoreUnderTest,
        fixture::{new_account, units, wanted},
    },
    done, open,
};
use crate::accounting::{Advance, Kind, Opened, PostRefusal, Posted, Posting, State};

fn fresh(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

pub async fn the_books_know_whose_a_payment_intent_is(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let (key, other) = (new_account(), new_account());
    let (waits, paid, restored) = (fresh("pi"), fresh("pi"), fresh("pi"));
    let payer = async |intent: &str| store.0.payer(intent).await.unwrap();
    assert_eq!(payer(&waits).await, None);
    let Opened::New(top_up) = store.0.open_top_up(wanted(key, 100, None)).await.unwrap() else {
        panic!()
    };
    let to = State::RequiresAction { payment_intent: waits.clone() };
    store.0.advance_top_up(top_up.id, None, to).await.unwrap();
    assert_eq!(payer(&waits).await, Some(key), "before anything was credited");
    let to = State::Credited { payment_intent: paid.clone(), amount: units(100) };
    let moved = store.0.advance_top_up(top_up.id, None, to).await.unwrap();
    assert!(matches!(moved, Advance::Done(_)));
    assert_eq!((payer(&waits).await, payer(&paid).await), (Some(key), Some(key)));
    // One that is restored from Stripe, without a record of a top-up.
    store.post(other, Kind::TopUp, &restored, 5).await;
    store.post(key, Kind::Refund, "re_of_nobody", 5).await;
    assert_eq!(payer(&restored).await, Some(other));
    assert_eq!(payer("re_of_nobody").await, None, "only what was charged has a payer");
    store.verify(&[key, other]).await;
}

pub async fn a_client_is_known_by_the_first_id(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let id = |name: &str| ClientId::derive(b"conformance", &fresh(name));
    let (anchor, first, second) = (id("anchor"), id("first"), id("second"));
    let agreed = async |wanted| store.0.agreed(anchor, wanted).await.unwrap();
    assert_eq!(agreed(None).await, None);
    assert_eq!(agreed(Some(first)).await, Some(first));
    assert_eq!(agreed(Some(second)).await, Some(first));
    assert_eq!(agreed(None).await, Some(first));
    assert_eq!(store.0.agreed(first, None).await.unwrap(), None);
}

pub async fn books_have_one_name(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let name = store.0.identity(Uuid::new_v4()).await.unwrap();
    assert_eq!(store.0.identity(Uuid::new_v4()).await.unwrap(), name);
    if under_test.is_shared() {
        let other = open(under_test).await;
        assert_eq!(other.0.identity(Uuid::new_v4()).await.unwrap(), name);
    }
}

pub async fn movements_are_posted_together_or_not_at_all(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let key = store.account_with(100).await;
    let hold = |name: &str, amount| Posting {
        kind: Kind::Hold,
        reference: name.to_owned(),
        amount: units(amount),
        note: Some(format!("of {name}")),
    };
    let together =
        async |postings: Vec<Posting>| store.0.post_together(key, postings).await.unwrap();
    let before = store.0.movements(key).await.unwrap().len();
    let too_much = vec![hold("a", 0), hold("a1", 60), hold("a2", 41)];
    assert_eq!(together(too_much).await, Posted::Refused(PostRefusal::Insufficient));
    assert_eq!(store.0.movements(key).await.unwrap().len(), before, "none of them");
    let plan = vec![hold("a", 0), hold("a1", 60), hold("a2", 30)];
    assert_eq!(together(plan.clone()).await, done(10, 90, 0));
    let Posted::Repeated(account) = together(plan).await else { panic!() };
    assert_eq!((account.available, account.pending), (units(10), units(90)));
    // The first one names them all.
    assert!(matches!(together(vec![hold("a", 0), hold("a3", 1)]).await, Posted::Repeated(_)));
    let taken = vec![hold("b", 0), hold("a1", 60)];
    assert_eq!(together(taken).await, Posted::Refused(PostRefusal::Conflict));
    assert_eq!(together(vec![hold("a", 1)]).await, Posted::Refused(PostRefusal::Conflict));
    let movements = store.0.movements(key).await.unwrap();
    let notes: Vec<_> =
        movements.iter().skip(before).filter_map(|of| of.posting.note.clone()).collect();
    assert_eq!(notes, ["of a", "of a1", "of a2"]);
    assert_eq!(store.post(key, Kind::Capture, "a1", 60).await, done(10, 30, 0));
    store.verify(&[key]).await;
}
