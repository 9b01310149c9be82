//! Keys that top up by themselves: once when the balance runs low, within the month's most, as the card has agreed.

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use stripe402_tests::{
    postgres::Postgres,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::pay,
    command::ledger,
    keys::{all_at_once, keys, made, payer},
    operator::{get, post, subject},
};

mod cut_off;
mod off;

/// When the balance is below $4.00: $5.00, at most twice a month.
pub(super) fn terms() -> Value {
    json!({"label": "agent", "autoTopUp": {"below": 40_000, "amount": 50_000, "monthlyMost": 100_000}})
}

pub(super) async fn charged(stack: &Stack) -> i64 {
    stack.sim.totals("usd").await.unwrap().charged
}

/// Waits until so many cents are charged; answers how many are.
pub(super) async fn charged_in_time(stack: &Stack, cents: i64) -> i64 {
    for _ in 0..400 {
        if charged(stack).await >= cents {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    charged(stack).await
}

/// The key as its owner is shown it, once its last top-up has ended.
pub(super) async fn shown(stack: &Stack, card: &str) -> Value {
    let listed = keys(stack, Method::GET, None, json!({"paymentMethodId": card})).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.body["keys"][0]["autoTopUp"].clone()
}

async fn left(stack: &Stack, client: &str) -> i64 {
    let found = get(stack, &format!("/clients/{}", subject(client))).await;
    found["accounts"][0]["available"].as_i64().unwrap_or_else(|| panic!("{found}"))
}

/// Many at once, two ledgers: one charge each time that the balance runs low, and none above the month's most.
async fn tops_up_once_and_within_the_month(options: StackOptions) {
    let options = options
        .workers(2)
        .ledger_env("LEDGER_STORE_TIMEOUT", "20s")
        .filter(|filter| filter["ledger"]["timeout"] = "20s".into());
    let stack = Arc::new(Stack::start(options).await.unwrap());
    let (card, client) = payer(&stack, 50_000).await;
    let key = made(&stack, &card, terms()).await;
    let asked = json!({"below": 40_000, "amount": 50_000, "monthlyMost": 100_000, "thisMonth": 0});
    assert_eq!(key["autoTopUp"], asked, "{key}");
    let payments = vec![json!({"clientId": key["key"]}); 64];
    // $3.20 each time: of $4.95, of $6.75, and of $8.55, which leaves enough.
    for cents in [1_000, 1_500, 1_500] {
        let answers = all_at_once(&stack, "/api/weather", payments.clone()).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert_eq!(charged_in_time(&stack, cents).await, cents);
    }
    let answers = all_at_once(&stack, "/api/weather", payments.clone()).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(charged(&stack).await, 1_500, "the month's most");
    // Its holder is told, as it would be if it were off.
    let told = pay(&stack, "/api/joke", json!({"clientId": key["key"]})).await.receipt();
    assert_eq!(told["autoTopUp"], "monthly_most", "{told}");
    assert_eq!(left(&stack, &client).await, 150_000 - 600 - 4 * 32_000);
    let shown = shown(&stack, &card).await;
    assert_eq!((&shown["thisMonth"], shown.get("off")), (&json!(100_000), None), "{shown}");
    // Another agreement counts on.
    let agree = json!({"paymentMethodId": card, "key": {"autoTopUp": terms()["autoTopUp"]}});
    let changed = keys(&stack, Method::PATCH, key["id"].as_str(), agree).await;
    assert_eq!(changed.body["autoTopUp"]["thisMonth"], 100_000, "{changed:?}");
    // Nobody was there: that is what Stripe was told, of each charge but the first.
    let calls = stack.sim.calls("/v1/payment_intents").await.unwrap();
    // Asked again by its key, where a ledger was slow, Stripe answers as before.
    let first = calls.iter().filter(|call| call.status == Some(200) && !call.replayed);
    let alone = first.filter(|call| call.params["off_session"] == "true");
    assert_eq!(alone.count(), 2, "{calls:?}");
    let verified = post(&stack, "/verify", json!({})).await;
    assert_eq!((verified.status, &verified.body["differ"]), (200, &json!([])), "{verified:?}");
}

#[tokio::test]
async fn it_tops_up_once_on_a_file() {
    tops_up_once_and_within_the_month(StackOptions::new()).await;
}

#[tokio::test]
async fn it_tops_up_once_on_redis() {
    let redis = Redis::start().await.unwrap();
    let options = StackOptions::new().replicas(2).store(&redis.url());
    tops_up_once_and_within_the_month(options).await;
}

#[tokio::test]
async fn it_tops_up_once_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    let options = StackOptions::new().replicas(2).store(&postgres.url());
    tops_up_once_and_within_the_month(options).await;
}

/// Whoever has a managing key spends the balance, and must not be able to have the card charged.
#[tokio::test]
async fn only_the_card_can_agree_to_be_charged() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, _) = payer(&stack, 50_000).await;
    let manager = made(&stack, &card, json!({"label": "m", "rights": ["manage"]})).await;
    let by_manager = |key: Value, name: &str| json!({"clientId": manager["key"], "key": key, "idempotencyKey": name});
    let by_card = json!({"paymentMethodId": card, "key": terms(), "idempotencyKey": "n"});
    let key = keys(&stack, Method::POST, None, by_card).await.body;
    let id = key["id"].as_str().unwrap();
    let plain = made(&stack, &card, json!({"label": "plain"})).await;
    let plain = plain["id"].as_str().unwrap();
    let agree = terms()["autoTopUp"].clone();
    for (method, id, payment) in [
        (Method::POST, None, by_manager(terms(), "")),
        // The very key that the card has made, by its name.
        (Method::POST, None, by_manager(json!({"label": "agent"}), "n")),
        (Method::PATCH, Some(plain), by_manager(json!({"autoTopUp": agree}), "")),
        (Method::PATCH, Some(id), by_manager(json!({"expires": 0}), "")),
    ] {
        let refused = keys(&stack, method, id, payment.clone()).await;
        let code = &refused.body["error"]["code"];
        assert_eq!((refused.status, code), (403, &json!("not_allowed")), "{payment}: {refused:?}");
    }
    // It may still revoke it: that charges nobody.
    let revoked = keys(&stack, Method::DELETE, Some(id), by_manager(json!({}), "")).await;
    assert_eq!((revoked.status, &revoked.body["state"]), (200, &json!("revoked")), "{revoked:?}");
    // The card changes what it has agreed to.
    let agree = json!({"below": 1, "amount": 60_000, "monthlyMost": 60_000});
    let by_card = json!({"paymentMethodId": card, "key": {"autoTopUp": agree}});
    let changed = keys(&stack, Method::PATCH, Some(plain), by_card).await;
    assert_eq!(changed.body["autoTopUp"]["amount"], 60_000, "{changed:?}");
    let no_more = json!({"paymentMethodId": card, "key": {"autoTopUp": {"below": 0}}});
    let changed = keys(&stack, Method::PATCH, Some(plain), no_more).await;
    assert_eq!(changed.body["autoTopUp"]["off"]["reason"], "owner", "{changed:?}");
}

#[tokio::test]
async fn bad_terms_are_refused_by_their_field() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, _) = payer(&stack, 50_000).await;
    for (below, amount, most, field) in [
        (0, 50_000, 50_000, "autoTopUp.below: must be from 1"),
        (1, 4_999, 50_000, "autoTopUp.amount: must be from 5000 to 9999999900 units"),
        (1, 9_999_999_901_i64, 9_999_999_999_i64, "autoTopUp.amount"),
        (
            1,
            50_001,
            50_001,
            "autoTopUp.monthlyMost: must be at least the amount of one top-up, 50100",
        ),
        (-1, 50_000, 50_000, "payment header"),
    ] {
        let auto = json!({"below": below, "amount": amount, "monthlyMost": most});
        let key = json!({"label": "a", "autoTopUp": auto});
        let payment = json!({"paymentMethodId": card, "key": key});
        let answer = keys(&stack, Method::POST, None, payment).await;
        let message = answer.body["error"]["message"].as_str().unwrap_or_default();
        assert!(answer.status == 400 && message.contains(field), "{auto}: {answer:?}");
    }
}

/// Revoked, or beyond its end, it tops up nothing; nor does a request that it does not pay for.
#[tokio::test]
async fn a_revoked_key_tops_up_nothing() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let key = made(&stack, &card, terms()).await;
    let id = key["id"].as_str().unwrap();
    let revoked = keys(&stack, Method::DELETE, Some(id), json!({"paymentMethodId": card})).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    for _ in 0..20 {
        pay(&stack, "/api/weather", json!({"clientId": client})).await.receipt();
    }
    let refused = pay(&stack, "/api/weather", json!({"clientId": key["key"]})).await;
    assert_eq!(refused.challenge()["reason"], "key_revoked");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(charged(&stack).await, 500);
}

#[tokio::test]
async fn an_operator_sees_it_and_switches_it_off_on_record() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let key = made(&stack, &card, terms()).await;
    let (id, path) = (key["id"].as_str().unwrap(), format!("/clients/{}/keys", subject(&client)));
    let listed = get(&stack, &path).await;
    assert_eq!(listed["keys"][0]["auto_top_up"]["monthly_most"], 100_000, "{listed}");
    let stop = ["client", "stop-auto-top-up", &client, "--key", id, "--reason=asked by phone"];
    let said = ledger(&stack, &redis.url(), &stop);
    assert_eq!(
        (said.code, &said.json["auto_top_up"]["off"]),
        (0, &json!("operator")),
        "{}",
        said.error
    );
    let again =
        post(&stack, &format!("{path}/{id}/stop-auto-top-up"), json!({"reason": "x"})).await;
    assert_eq!((again.status, &again.body["auto_top_up"]["off"]), (200, &json!("operator")));
    let receipt = pay(&stack, "/api/joke", json!({"clientId": key["key"]})).await.receipt();
    assert_eq!(receipt["autoTopUp"], "operator");
    let entries = get(&stack, "/audit").await["entries"].to_string();
    assert!(
        entries.contains("stop_auto_top_up") && entries.contains("asked by phone"),
        "{entries}"
    );
    let plain = made(&stack, &card, json!({"label": "plain"})).await;
    let plain = plain["id"].as_str().unwrap();
    let none =
        post(&stack, &format!("{path}/{plain}/stop-auto-top-up"), json!({"reason": "x"})).await;
    let code = &none.body["error"]["code"];
    assert_eq!((none.status, code), (409, &json!("no_auto_top_up")), "{none:?}");
}
