//! Rotation of a card's own client id: the old one spends nothing more, the new one has the same balance.

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    redis_cluster::RedisCluster,
    stack::{Stack, StackOptions},
    wire,
};

use crate::{
    answer::{Answer, pay, send},
    command::ledger,
    keys::{all_at_once, keys, made, payer},
    operator::{get, post, subject},
    rotation::with_secrets,
};

async fn rotate(stack: &Stack, payment: Value) -> Answer {
    keys(stack, Method::POST, Some("rotate"), payment).await
}

async fn balance(stack: &Stack, client: &str) -> Value {
    let asked = stack.client.get(stack.url("/.well-known/stripe402/balance"));
    send(asked.header("payment", wire::encode(&json!({"clientId": client})))).await.body
}

/// The new id, after a rotation that is done.
fn new_id(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let id = answer.body["clientId"].as_str().unwrap();
    assert!(id.len() == 64 && id.starts_with("402402402402"), "{answer:?}");
    id.to_owned()
}

fn is_rotated(answer: &Answer) {
    let challenge = answer.challenge();
    assert_eq!(challenge["error"], "insufficient_credits");
    assert_eq!(challenge["reason"], "id_rotated");
}

/// Under load, at two ledgers: after the answer nothing is paid by the old id.
async fn the_new_id_has_the_balance(store: Option<&str>) {
    let options = StackOptions::new()
        .workers(2)
        .ledger_env("LEDGER_STORE_TIMEOUT", "20s")
        .filter(|filter| filter["ledger"]["timeout"] = "20s".into());
    let options = match store {
        Some(store) => options.replicas(2).store(store),
        None => options,
    };
    let stack = Arc::new(Stack::start(options).await.unwrap());
    let (card, client) = payer(&stack, 250_000).await;
    let limited = made(&stack, &card, json!({"label": "agent", "budget": {"total": 1_000}})).await;
    let old = json!({"clientId": client});
    let running = tokio::spawn({
        let (stack, old) = (Arc::clone(&stack), old.clone());
        async move { all_at_once(&stack, "/api/joke", vec![old; 80]).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Both ledgers are asked for the same at once.
    let asked = json!({"paymentMethodId": card, "idempotencyKey": "r"});
    let (one, two) = tokio::join!(rotate(&stack, asked.clone()), rotate(&stack, asked.clone()));
    let new = new_id(&one);
    assert_eq!((new_id(&two), &two.body), (new.clone(), &one.body));
    assert_eq!(one.body["generation"], 1, "{one:?}");
    let after = all_at_once(&stack, "/api/joke", vec![old.clone(); 20]).await;
    after.iter().for_each(is_rotated);
    let answers = running.await.unwrap();
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    answers.iter().filter(|answer| answer.status != 200).for_each(is_rotated);
    let left = 250_000 - 500 - 100 * i64::try_from(served).unwrap();
    assert_eq!(balance(&stack, &new).await, json!({"creditsRemaining": left, "currency": "usd"}));
    assert_eq!(balance(&stack, &client).await, json!({"creditsRemaining": 0, "currency": "usd"}));
    // As many at once as before, and the key with a budget goes on.
    let paid = all_at_once(&stack, "/api/joke", vec![json!({"clientId": new}); 60]).await;
    assert!(paid.iter().all(|answer| answer.status == 200), "{paid:?}");
    let by_key = pay(&stack, "/api/joke", json!({"clientId": limited["key"]})).await.receipt();
    assert_eq!(by_key["creditsRemaining"], 900);
    // The card learns it, finds the balance, and is not charged.
    let receipt = pay(&stack, "/api/joke", json!({"paymentMethodId": card})).await.receipt();
    let expected = json!({"success": true, "creditsRemaining": left - 6_200, "clientId": new,
                          "currency": "usd"});
    assert_eq!(receipt, expected);
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 2_500);
    let again = rotate(&stack, asked).await;
    assert_eq!((new_id(&again), &again.body), (new, &one.body), "under the same name");
    let verified = post(&stack, "/verify", json!({})).await;
    assert_eq!((verified.status, &verified.body["differ"]), (200, &json!([])), "{verified:?}");
}

#[tokio::test]
async fn a_new_id_has_the_balance_in_a_file() {
    the_new_id_has_the_balance(None).await;
}

#[tokio::test]
async fn a_new_id_has_the_balance_on_redis() {
    let redis = Redis::start().await.unwrap();
    the_new_id_has_the_balance(Some(&redis.url())).await;
}

#[tokio::test]
async fn a_new_id_has_the_balance_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    the_new_id_has_the_balance(Some(&postgres.url())).await;
}

#[tokio::test]
async fn a_new_id_has_the_balance_on_a_cluster() {
    let cluster = RedisCluster::start().await.unwrap();
    the_new_id_has_the_balance(Some(&cluster.url())).await;
}

/// Each that is answered 200 is one more generation, and none is skipped.
#[tokio::test]
async fn of_many_rotations_at_once_each_that_is_done_is_one() {
    let redis = Redis::start().await.unwrap();
    let options = StackOptions::new().replicas(2).store(&redis.url());
    let stack = Arc::new(Stack::start(options).await.unwrap());
    let (card, _) = payer(&stack, 50_000).await;
    let asked = (0..8).map(|_| rotate(&stack, json!({"paymentMethodId": card})));
    let answers = futures_util::future::join_all(asked).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|of| of.status == 200);
    for answer in refused {
        let code = &answer.body["error"]["code"];
        assert_eq!((answer.status, code), (409, &json!("rotated_meanwhile")), "{answer:?}");
    }
    let mut generations: Vec<_> =
        done.iter().map(|of| of.body["generation"].as_u64().unwrap()).collect();
    generations.sort_unstable();
    assert_eq!(generations, (1..).take(done.len()).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_grace_lets_the_old_id_pay_for_a_while() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let before = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let asked = json!({"paymentMethodId": card, "graceSeconds": 3});
    let rotated = rotate(&stack, asked).await;
    let (new, until) = (new_id(&rotated), rotated.body["oldUntil"].as_u64().unwrap());
    assert!((before + 3_000..before + 10_000).contains(&until), "{rotated:?}");
    let left = async |client: &str| {
        let receipt = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
        (receipt["clientId"].as_str().unwrap().to_owned(), receipt["creditsRemaining"].clone())
    };
    assert_eq!(left(&client).await, (client.clone(), json!(49_400)));
    assert_eq!(left(&new).await, (new.clone(), json!(49_300)));
    tokio::time::sleep(Duration::from_millis(until - before + 100)).await;
    is_rotated(&pay(&stack, "/api/joke", json!({"clientId": client})).await);
    // A later one ends an earlier grace, and makes none longer.
    let asked = |grace: u64| json!({"paymentMethodId": card, "graceSeconds": grace});
    let second = rotate(&stack, asked(600)).await;
    let third = rotate(&stack, asked(2_000_000)).await;
    assert_eq!(second.body["oldUntil"], third.body["oldUntil"], "{third:?}");
    for id in [&new, &new_id(&second), &new_id(&third)] {
        left(id).await;
    }
    let last = rotate(&stack, asked(0)).await;
    for id in [&client, &new, &new_id(&second), &new_id(&third)] {
        is_rotated(&pay(&stack, "/api/joke", json!({"clientId": id})).await);
    }
    left(&new_id(&last)).await;
}

#[tokio::test]
async fn the_api_and_whoever_sends_both_learn_the_new_id() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let new = new_id(&rotate(&stack, json!({"paymentMethodId": card})).await);
    let both = json!({"clientId": client, "paymentMethodId": card});
    let receipt = pay(&stack, "/api/joke", both).await.receipt();
    assert_eq!((&receipt["clientId"], &receipt["creditsRemaining"]), (&json!(new), &json!(49_400)));
    let seen = stack.upstream.recorder().last().unwrap();
    assert_eq!(seen.header("x-stripe402-client-id"), Some(new.as_str()));
    let by_new = json!({"clientId": new});
    assert_eq!(pay(&stack, "/api/joke", by_new).await.receipt()["creditsRemaining"], 49_300);
    let seen = stack.upstream.recorder().last().unwrap();
    assert_eq!(seen.header("x-stripe402-client-id"), Some(new.as_str()));
    // A payer sees no key for it, and manages none by it.
    let listed = keys(&stack, Method::GET, None, json!({"paymentMethodId": card})).await;
    assert_eq!(listed.body, json!({"keys": []}));
    let by_new = json!({"clientId": new, "key": {"label": "x"}});
    assert_eq!(keys(&stack, Method::POST, None, by_new).await.status, 403);
}

#[tokio::test]
async fn a_rotation_is_refused_by_its_cause() {
    let options = StackOptions::new().ledger_env("LEDGER_VERIFY_CARDS", "false");
    let stack = Stack::start(options).await.unwrap();
    let number = stripe402_tests::card::fresh().unwrap();
    let own = stack.sim.payment_method(&number, "123").await.unwrap();
    let first = pay(&stack, "/api/weather", json!({"paymentMethodId": own})).await.receipt();
    let client = first["clientId"].as_str().unwrap();
    let manager = made(&stack, &own, json!({"label": "m", "rights": ["manage"]})).await;
    let stolen = stack.sim.payment_method(&number, "999").await.unwrap();
    let unknown = stack.sim.fresh_card().await.unwrap();
    let name = "x".repeat(65);
    for (payment, status, code) in [
        (json!({"clientId": client}), 403, "not_allowed"),
        (json!({"clientId": manager["key"]}), 403, "not_allowed"),
        (json!({}), 403, "not_allowed"),
        (json!({"paymentMethodId": "x"}), 400, "invalid_payment"),
        (json!({"paymentMethodId": unknown}), 404, "no_account"),
        (json!({"paymentMethodId": own, "graceSeconds": 2_592_001}), 400, "invalid_key"),
        (json!({"paymentMethodId": own, "graceSeconds": -1}), 400, "invalid_payment"),
        (json!({"paymentMethodId": own, "grace": 1}), 400, "invalid_payment"),
        (json!({"paymentMethodId": own, "idempotencyKey": name}), 400, "invalid_payment"),
    ] {
        let answer = rotate(&stack, payment.clone()).await;
        let said = (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default());
        assert_eq!(said, (status, code), "{payment}: {answer:?}");
    }
    // Who merely knows the number must not take the id from its owner.
    let theirs = rotate(&stack, json!({"paymentMethodId": stolen})).await;
    assert_eq!((theirs.status, &theirs.body["errorCode"]), (402, &json!("card_declined")));
    let wrong = keys(&stack, Method::DELETE, Some("rotate"), json!({"paymentMethodId": own})).await;
    assert_eq!((wrong.status, &wrong.body["error"]["code"]), (404, &json!("no_such_key")));
    pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
}

/// Always asks the cardholder (docs.stripe.com/testing#regulatory-cards).
const ALWAYS: &str = "4000002760003184";

#[tokio::test]
async fn a_top_up_that_waits_for_its_cardholder_is_credited_to_the_new_id() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let card = stack.sim.payment_method(ALWAYS, "123").await.unwrap();
    let payment = json!({"paymentMethodId": card});
    let confirmed = async |payment: &Value| {
        let asked = pay(&stack, "/api/weather", payment.clone()).await;
        let intent = asked.body["paymentIntentId"].as_str().unwrap().to_owned();
        stack.sim.authenticate(&intent, true).await.unwrap();
        intent
    };
    let mut retry = payment.clone();
    retry["paymentIntentId"] = json!(confirmed(&payment).await);
    let first = pay(&stack, "/api/weather", retry).await.receipt();
    for _ in 0..99 {
        pay(&stack, "/api/weather", json!({"clientId": first["clientId"]})).await.receipt();
    }
    // Nothing is left: one more is opened, and confirmed after the rotation.
    let asked = pay(&stack, "/api/weather", payment.clone()).await;
    let intent = asked.body["paymentIntentId"].as_str().unwrap().to_owned();
    let new = new_id(&rotate(&stack, payment.clone()).await);
    stack.sim.authenticate(&intent, true).await.unwrap();
    let retry = json!({"paymentMethodId": card, "paymentIntentId": intent});
    let receipt = pay(&stack, "/api/weather", retry).await.receipt();
    assert_eq!((&receipt["clientId"], &receipt["creditsRemaining"]), (&json!(new), &json!(49_500)));
}

/// The text is the same whichever secret comes first; where its secret is gone, the card is told another one.
#[tokio::test]
async fn a_rotated_id_outlives_the_secret_that_it_was_made_with() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let old = stack.secrets.server_secret.clone();
    let (card, client) = payer(&stack, 50_000).await;
    let new = new_id(&rotate(&stack, json!({"paymentMethodId": card})).await);
    let newer = "a newer secret of some length";
    with_secrets(&mut stack, &format!("{newer},{old}")).await;
    let by_card = json!({"paymentMethodId": card});
    let receipt = pay(&stack, "/api/joke", by_card.clone()).await.receipt();
    assert_eq!((&receipt["clientId"], &receipt["creditsRemaining"]), (&json!(new), &json!(49_400)));
    with_secrets(&mut stack, newer).await;
    let receipt = pay(&stack, "/api/joke", by_card.clone()).await.receipt();
    let other = receipt["clientId"].as_str().unwrap().to_owned();
    assert!(other != new && receipt["creditsRemaining"] == 49_300, "{receipt}");
    for (id, left) in [(&new, 49_200), (&other, 49_100)] {
        let receipt = pay(&stack, "/api/joke", json!({"clientId": id})).await.receipt();
        assert_eq!(receipt["creditsRemaining"], left);
    }
    let last = rotate(&stack, by_card).await;
    assert_eq!(last.body["generation"], 2);
    for id in [&client, &new, &other] {
        is_rotated(&pay(&stack, "/api/joke", json!({"clientId": id})).await);
    }
    pay(&stack, "/api/joke", json!({"clientId": new_id(&last)})).await.receipt();
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
}

/// What a lease pays ends with it; the next id has leases of its own.
#[tokio::test]
async fn leases_of_the_old_id_end_in_their_time() {
    let leases = json!({"enabled": true, "ttl": "2s"});
    let stack = StackOptions::new().filter(|filter| filter["leases"] = leases);
    let stack = Stack::start(stack).await.unwrap();
    let (card, client) = payer(&stack, 500_000).await;
    let by_old = json!({"clientId": client});
    for _ in 0..100 {
        pay(&stack, "/api/joke", by_old.clone()).await.receipt();
    }
    let leased = crate::metrics::wait_for(&stack, "wasmcustom.stripe402_leased", 1).await;
    let new = new_id(&rotate(&stack, json!({"paymentMethodId": card})).await);
    let ends = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < ends {
        pay(&stack, "/api/joke", by_old.clone()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    is_rotated(&pay(&stack, "/api/joke", by_old).await);
    for _ in 0..300 {
        pay(&stack, "/api/joke", json!({"clientId": new})).await.receipt();
    }
    crate::metrics::wait_for(&stack, "wasmcustom.stripe402_leased", leased + 1).await;
}

#[tokio::test]
async fn an_operator_rotates_an_id_on_record() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let name = subject(&client);
    let reason = json!({"reason": "seen in a log"});
    let rotated = post(&stack, &format!("/clients/{name}/rotate"), reason.clone()).await;
    assert_eq!(rotated.body, json!({"subject": name, "generation": 1}), "{rotated:?}");
    is_rotated(&pay(&stack, "/api/joke", json!({"clientId": client})).await);
    let by_card = json!({"paymentMethodId": card});
    let receipt = pay(&stack, "/api/joke", by_card.clone()).await.receipt();
    let new = receipt["clientId"].as_str().unwrap().to_owned();
    assert!(new != client && receipt["creditsRemaining"] == 49_400, "{receipt}");
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    // By the new id the same client is found, which shows how often it was rotated.
    let command = |arguments: &[&str], code: i32| {
        let said = ledger(&stack, &redis.url(), arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.error);
        said.json
    };
    let shown = command(&["client", "show", &new], 0);
    assert_eq!((&shown["subject"], &shown["accounts"][0]["generation"]), (&json!(name), &json!(1)));
    let again = command(&["client", "rotate", &name, "--reason=again"], 0);
    assert_eq!(again["generation"], 2);
    is_rotated(&pay(&stack, "/api/joke", json!({"clientId": new})).await);
    let listed = get(&stack, &format!("/clients/{name}/keys")).await;
    assert_eq!(listed["keys"][0]["label"], "generation 1", "{listed}");
    assert_eq!(listed["keys"][0]["state"], "expired", "{listed}");
    assert_eq!(listed["keys"][0]["id"], subject(&new), "{listed}");
    let id = subject(&new);
    let revoke = post(&stack, &format!("/clients/{name}/keys/{id}/revoke"), reason.clone()).await;
    assert_eq!(revoke.status, 404, "{revoke:?}");
    let unknown = post(&stack, "/clients/0123456789abcdef/rotate", reason).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    new_id(&rotate(&stack, by_card).await);
    let entries = get(&stack, "/audit").await["entries"].to_string();
    for told in ["\"rotate\"", "seen in a log", "again", "\"card\"", "generation 3"] {
        assert!(entries.contains(told), "{told}: {entries}");
    }
    assert!(!entries.contains("402402402402"), "an id is on record: {entries}");
}
