//! kill -9 of ledgers while keys are made, spent and revoked and the card's own id is rotated: each id has spent what
//! was served by it, and nothing once it was said to be over.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use stripe402_tests::{
    ledger::Ledger,
    postgres::Postgres,
    stack::{Stack, StackOptions},
};

use super::rounds;
use crate::{
    answer::{Answer, pay},
    keys::{keys, payer},
    operator::{get, post, subject},
};

const TOP_UP: i64 = 10_000_000;
const JOKE: i64 = 100;

/// An id that spends, until it is over.
#[derive(Default)]
struct Id {
    served: i64,
    over: bool,
}

/// The client's ids, and whether requests go on.
struct World<'s> {
    stack: &'s Stack,
    card: String,
    ids: RefCell<BTreeMap<String, Id>>,
    stop: Cell<bool>,
}

impl World<'_> {
    /// Asks with one id after the other, also with those that are over.
    async fn spend(&self, first: usize) {
        for turn in first.. {
            if self.stop.get() {
                return;
            }
            let (id, over) = {
                let ids = self.ids.borrow();
                let (id, of) = ids.iter().nth(turn % ids.len()).unwrap();
                (id.clone(), of.over)
            };
            let answer = pay(self.stack, "/api/joke", json!({"clientId": id})).await;
            match answer.status {
                200 => {
                    assert!(!over, "{id} spent after the answer that it was over");
                    self.ids.borrow_mut().get_mut(&id).unwrap().served += 1;
                }
                402 => {}
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                other => panic!("{other}: {answer:?}"),
            }
        }
    }

    /// Asks for something with keys until it is answered, under one name.
    async fn done(&self, method: &Method, id: Option<&str>, mut payment: Value) -> Answer {
        payment["paymentMethodId"] = json!(self.card);
        for _ in 0..200 {
            let answer = keys(self.stack, method.clone(), id, payment.clone()).await;
            if answer.status < 300 {
                return answer;
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never answered: {method} {id:?}");
    }

    /// Makes a key, rotates the own id, and revokes a key; answers those that spend then.
    async fn change(&self, round: u32, (own, last): (String, Option<Value>)) -> (String, Value) {
        let name = |what: &str| format!("{what}-{round}");
        let terms = json!({"label": name("key"), "budget": {"total": 20_000}});
        let wanted = json!({"key": terms, "idempotencyKey": name("key")});
        let made = self.done(&Method::POST, None, wanted).await.body;
        let text = |of: &Value| of.as_str().unwrap().to_owned();
        self.ids.borrow_mut().insert(text(&made["key"]), Id::default());
        tokio::time::sleep(Duration::from_millis(60)).await;
        let rotation = json!({"idempotencyKey": name("rotation")});
        let rotated = self.done(&Method::POST, Some("rotate"), rotation).await.body;
        self.ids.borrow_mut().get_mut(&own).unwrap().over = true;
        let own = text(&rotated["clientId"]);
        self.ids.borrow_mut().insert(own.clone(), Id::default());
        tokio::time::sleep(Duration::from_millis(60)).await;
        if let Some(last) = last {
            self.done(&Method::DELETE, last["id"].as_str(), json!({})).await;
            self.ids.borrow_mut().get_mut(last["key"].as_str().unwrap()).unwrap().over = true;
        }
        (own, made)
    }

    /// Round after round, in which one of the ledgers dies.
    async fn live(&self, ledgers: &mut [Ledger], client: String) -> String {
        let mut spends = (client, None);
        for round in 0..rounds().max(5) {
            let dies = &mut ledgers[usize::try_from(round % 2).unwrap()];
            let death = async {
                // Moments that are not multiples of anything.
                tokio::time::sleep(Duration::from_millis(u64::from(round) * 397 % 211)).await;
                dies.process().kill9();
                dies.restart().await.unwrap();
            };
            let (after, ()) = tokio::join!(self.change(round, spends), death);
            spends = (after.0, Some(after.1));
            self.stack.healthy_ledgers(2).await.unwrap();
        }
        self.stop.set(true);
        spends.0
    }
}

#[tokio::test]
async fn ids_are_made_spent_and_ended_while_ledgers_on_postgresql_die() {
    let postgres = Postgres::start().await.unwrap();
    let options = StackOptions::new()
        .workers(2)
        .replicas(2)
        .store(&postgres.url())
        .filter(|filter| filter["discovery"]["balances_per_minute"] = 100_000.into());
    let mut stack = Stack::start(options).await.unwrap();
    let (card, client) = payer(&stack, TOP_UP).await;
    let mut ledgers = std::mem::take(&mut stack.ledgers);
    let ids = RefCell::new(BTreeMap::from([(client.clone(), Id::default())]));
    let world = World { stack: &stack, card, ids, stop: Cell::new(false) };
    let spending = futures_util::future::join_all((0..8).map(|first| world.spend(first)));
    let (own, _) = tokio::join!(world.live(&mut ledgers, client.clone()), spending);
    let ids = world.ids.into_inner();
    let mut served: i64 = ids.values().map(|id| id.served).sum();
    let forwarded = i64::try_from(stack.upstream.recorder().count()).unwrap();
    assert_eq!(served, forwarded - 1, "all but the weather of the first payment");
    assert!(served > 100 && ids.values().filter(|id| id.served > 0).count() > 5, "{served}");
    // Voids of what was under way ride with the next batches.
    let mut left = 0;
    for _ in 0..100 {
        let receipt = pay(&stack, "/api/joke", json!({"clientId": own})).await.receipt();
        served += 1;
        left = receipt["creditsRemaining"].as_i64().unwrap();
        if left == TOP_UP - 500 - served * JOKE {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(left, TOP_UP - 500 - served * JOKE, "what was served was paid for, once");
    stack.ledgers = ledgers;
    let listed = get(&stack, &format!("/clients/{}/keys", subject(&client))).await;
    let by_subject: BTreeMap<_, _> = ids.iter().map(|(id, of)| (subject(id), of.served)).collect();
    for key in listed["keys"].as_array().unwrap() {
        let is_key = key["label"].as_str().unwrap().starts_with("key-");
        let served = by_subject[key["id"].as_str().unwrap()];
        assert_eq!(key["spent"], if is_key { served * JOKE } else { 0 }, "{key}");
    }
    let verified = post(&stack, "/verify", json!({})).await.body;
    assert_eq!((&verified["differ"], &verified["damaged"]), (&json!([]), &json!([])), "{verified}");
}
