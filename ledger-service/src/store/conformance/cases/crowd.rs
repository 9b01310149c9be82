//! A batch of more clients than share a statement or a script, some of which are not as the others.

use std::collections::HashSet;

use stripe402_protocol::message::{Deduction, DeductionOutcome};

use super::{
    super::{
        StoreUnderTest,
        fixture::{Asked, batch, deduction, new_account},
    },
    deducted, open,
};
use crate::accounting::{AccountKey, Kind};

const CROWD: i64 = 300;

/// Deductions with what each must be answered, and whose they are.
struct Crowd {
    keys: Vec<AccountKey>,
    asked: Vec<(Deduction, DeductionOutcome)>,
}

impl Crowd {
    fn ask(&mut self, key: AccountKey, amount: i64, expected: DeductionOutcome) {
        self.asked.push((deduction(key, amount), expected));
    }

    /// So many accounts that can pay, and between them those that cannot, or not for all.
    async fn new(store: &Asked) -> Self {
        let mut crowd = Self { keys: Vec::new(), asked: Vec::new() };
        for number in 0..CROWD {
            let key = store.account_with(number + 1).await;
            crowd.keys.push(key);
            crowd.ask(key, 1, deducted(number));
        }
        // Short half way: what is too dear is refused, and what is cheaper after it is taken.
        let short = store.account_with(10).await;
        for (amount, expected) in [
            (4, deducted(6)),
            (7, DeductionOutcome::Insufficient),
            (5, deducted(1)),
            (2, DeductionOutcome::Insufficient),
            (1, deducted(0)),
        ] {
            crowd.ask(short, amount, expected);
        }
        // To the last unit.
        let exact = store.account_with(3).await;
        crowd.ask(exact, 1, deducted(2));
        crowd.ask(exact, 2, deducted(0));
        let frozen = store.account_with(100).await;
        store.post(frozen, Kind::Freeze, "f", 0).await;
        crowd.ask(frozen, 1, DeductionOutcome::Frozen);
        // Nobody has seen these: one cannot pay, the other need not.
        let (poor, free) = (new_account(), new_account());
        crowd.ask(poor, 1, DeductionOutcome::Insufficient);
        crowd.ask(free, 0, deducted(0));
        crowd.keys.extend([short, exact, frozen, poor, free]);
        // Each kind is among the others; the sort keeps each client's order.
        crowd.asked.sort_by_key(|(deduction, _)| deduction.client_id);
        crowd
    }

    /// The nth deduction of those that can pay; the sort puts the others anywhere between them.
    fn paying(&self, nth: usize) -> (Deduction, DeductionOutcome) {
        let ordinary: HashSet<_> =
            self.keys.iter().take(CROWD.try_into().unwrap()).map(|key| key.client).collect();
        let mut paying =
            self.asked.iter().filter(|(deduction, _)| ordinary.contains(&deduction.client_id));
        paying.nth(nth).unwrap().clone()
    }

    async fn expect(&self, store: &Asked, why: &str) {
        let deductions = self.asked.iter().map(|(deduction, _)| deduction.clone()).collect();
        let answer = store.0.batch(batch(deductions, vec![])).await.unwrap();
        assert_eq!(answer.deductions.len(), self.asked.len());
        for ((deduction, expected), (id, outcome)) in self.asked.iter().zip(answer.deductions) {
            assert_eq!(id, deduction.id, "answers come in order");
            assert_eq!(outcome, *expected, "{why}: {deduction:?}");
        }
    }
}

/// Who cannot pay, is frozen or was never seen changes nothing for the others of a large batch.
pub async fn a_crowd_in_one_batch_pays_each_for_itself(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let crowd = Crowd::new(&store).await;
    crowd.expect(&store, "the first time").await;
    for (number, key) in (0..CROWD).zip(&crowd.keys) {
        assert_eq!(store.left(*key).await, number);
    }
    crowd.expect(&store, "what is repeated is answered as before").await;
    for (number, key) in (0..CROWD).zip(&crowd.keys) {
        assert_eq!(store.left(*key).await, number, "and taken once");
    }
    store.verify(&crowd.keys).await;
}

/// An id that is known, or that is in the batch twice, is taken once; the others of its batch as ever.
pub async fn a_crowd_with_an_id_twice_pays_it_once(under_test: &dyn StoreUnderTest) {
    let store = open(under_test).await;
    let mut crowd = Crowd::new(&store).await;
    let [twice, known, elsewhere] = [100, 200, 50].map(|nth| crowd.paying(nth));
    crowd.asked.insert(250, twice.clone());
    assert_eq!(store.deduction(&known.0).await, known.1);
    let other = store.account_with(7).await;
    // Its first one is earlier in the batch: the second has its id and another route.
    let mut with_other_route = elsewhere.0.clone();
    with_other_route.route = "poem".to_owned();
    crowd.asked.push((with_other_route, DeductionOutcome::Conflict));
    crowd.ask(other, 7, deducted(0));
    crowd.keys.push(other);
    crowd.expect(&store, "an id that is not new").await;
    for (number, key) in (0..CROWD).zip(&crowd.keys) {
        assert_eq!(store.left(*key).await, number);
    }
    assert_eq!(store.left(other).await, 0);
    store.verify(&crowd.keys).await;
}
