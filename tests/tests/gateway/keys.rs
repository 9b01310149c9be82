//! Keys that may be lost: limits of their own, made by the payer or by the operator, revoked in a moment.

use std::{sync::Arc, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use stripe402_protocol::ClientId;
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
    operator::{get, post, subject},
};

/// Something done with keys, by who pays so.
pub(crate) async fn keys(
    stack: &Stack,
    method: Method,
    id: Option<&str>,
    payment: Value,
) -> Answer {
    let path = id.map_or_else(String::new, |id| format!("/{id}"));
    let url = stack.url(&format!("/.well-known/stripe402/keys{path}"));
    send(stack.client.request(method, url).header("payment", wire::encode(&payment))).await
}

/// A card, and the client that has topped up with it.
pub(crate) async fn payer(stack: &Stack, top_up: i64) -> (String, String) {
    let card = stack.sim.fresh_card().await.unwrap();
    let first = json!({"paymentMethodId": card, "topUpAmount": top_up});
    let receipt = pay(stack, "/api/weather", first).await.receipt();
    (card, receipt["clientId"].as_str().unwrap().to_owned())
}

pub(crate) async fn made(stack: &Stack, card: &str, terms: Value) -> Value {
    let answer =
        keys(stack, Method::POST, None, json!({"paymentMethodId": card, "key": terms})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

pub(crate) async fn all_at_once(
    stack: &Arc<Stack>,
    path: &'static str,
    payments: Vec<Value>,
) -> Vec<Answer> {
    let tasks = payments.into_iter().map(|payment| {
        let stack = Arc::clone(stack);
        tokio::spawn(async move { pay(&stack, path, payment).await })
    });
    futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

/// 640 requests, 64 of them at a time, of two gateways in turn.
async fn by_two_gateways(stack: &Stack, payment: &Value) -> Vec<Answer> {
    let other = stack.another_gateway(2).await.unwrap();
    let one = async |first: usize| {
        let mut answers = Vec::new();
        for number in first..first + 10 {
            let url =
                if number % 2 == 0 { stack.url("/api/weather") } else { other.url("/api/weather") };
            let request = stack.client.get(url).header(wire::PAYMENT, wire::encode(payment));
            answers.push(send(request).await);
        }
        answers
    };
    futures_util::future::join_all((0..64).map(one)).await.into_iter().flatten().collect()
}

/// A budget of exactly 500 requests, two gateways, 64 at once; then revocation under load.
async fn a_budget_is_exact_and_a_revocation_final(options: StackOptions) {
    let options = options
        .workers(2)
        .ledger_env("LEDGER_STORE_TIMEOUT", "20s")
        .filter(|filter| filter["ledger"]["timeout"] = "20s".into());
    let stack = Arc::new(Stack::start(options).await.unwrap());
    let (card, client) = payer(&stack, 600_000).await;
    let budget = json!({"total": 250_000});
    let key = made(&stack, &card, json!({"label": "agent", "budget": budget})).await;
    let payment = json!({"clientId": key["key"]});
    let answers = by_two_gateways(&stack, &payment).await;
    let (served, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((served.len(), refused.len()), (500, 140));
    for answer in refused {
        let challenge = answer.challenge();
        assert_eq!(challenge["error"], "insufficient_credits");
        assert_eq!(challenge["reason"], "key_budget");
    }
    let mut left: Vec<_> =
        served.iter().map(|of| of.receipt()["creditsRemaining"].as_i64().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, (0..500).map(|n| n * 500).collect::<Vec<_>>(), "of the key's budget");
    // Its owner has the rest.
    let receipt = pay(&stack, "/api/joke", json!({"clientId": client})).await.receipt();
    assert_eq!(receipt["creditsRemaining"], 600_000 - 500 - 250_000 - 100);
    // More budget, and then none: from the answer on, nothing is served.
    let id = key["id"].as_str().unwrap();
    let more = json!({"paymentMethodId": card, "key": {"budget": {"total": 350_000}}});
    assert_eq!(keys(&stack, Method::PATCH, Some(id), more).await.status, 200);
    let running = tokio::spawn({
        let (stack, payment) = (Arc::clone(&stack), payment.clone());
        async move { all_at_once(&stack, "/api/joke", vec![payment; 60]).await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    let revoked = keys(&stack, Method::DELETE, Some(id), json!({"paymentMethodId": card})).await;
    assert_eq!((revoked.status, &revoked.body["state"]), (200, &json!("revoked")));
    let after = all_at_once(&stack, "/api/joke", vec![payment; 20]).await;
    assert!(after.iter().all(|answer| answer.challenge()["reason"] == "key_revoked"));
    let served = running.await.unwrap().iter().filter(|answer| answer.status == 200).count();
    let shown = get(&stack, &format!("/clients/{}/keys", subject(&client))).await;
    let spent = 250_000 + 100 * i64::try_from(served).unwrap();
    assert_eq!(shown["keys"][0]["spent"], spent, "{shown}");
    let verified = post(&stack, "/verify", json!({})).await;
    assert_eq!((verified.status, &verified.body["differ"]), (200, &json!([])), "{verified:?}");
}

#[tokio::test]
async fn a_budget_is_exact_on_redis() {
    let redis = Redis::start().await.unwrap();
    let options = StackOptions::new().replicas(2).store(&redis.url());
    a_budget_is_exact_and_a_revocation_final(options).await;
}

#[tokio::test]
async fn a_budget_is_exact_on_postgresql() {
    let postgres = Postgres::start().await.unwrap();
    let options = StackOptions::new().replicas(2).store(&postgres.url());
    a_budget_is_exact_and_a_revocation_final(options).await;
}

#[tokio::test]
async fn a_budget_is_exact_on_a_cluster() {
    let cluster = RedisCluster::start().await.unwrap();
    let options = StackOptions::new().replicas(2).store(&cluster.url());
    a_budget_is_exact_and_a_revocation_final(options).await;
}

#[tokio::test]
async fn a_budget_is_exact_on_a_file() {
    a_budget_is_exact_and_a_revocation_final(StackOptions::new()).await;
}

#[tokio::test]
async fn a_payer_makes_shows_changes_and_revokes_keys() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let by_card = |key: Value| json!({"paymentMethodId": card, "key": key});
    let terms = json!({"label": "ci", "budget": {"perDay": 700}, "routes": ["jo*"]});
    let key = made(&stack, &card, terms).await;
    let secret = key["key"].as_str().unwrap().to_owned();
    let id = key["id"].as_str().unwrap().to_owned();
    assert!(secret.len() == 64 && secret.starts_with("402402402402"), "{key}");
    assert_eq!(id, subject(&secret));
    for (field, expected) in [
        ("state", json!("active")),
        ("spent", json!(0)),
        ("left", json!(700)),
        ("rights", json!([])),
        ("currency", json!("usd")),
    ] {
        assert_eq!(key[field], expected, "{field}: {key}");
    }
    let by_key = json!({"clientId": secret});
    assert_eq!(pay(&stack, "/api/joke", by_key.clone()).await.receipt()["creditsRemaining"], 600);
    let other = pay(&stack, "/api/weather", by_key.clone()).await.challenge();
    assert_eq!(other["reason"], "key_route");
    // It is a client of its own to the API, and says nothing of its owner.
    let seen = stack.upstream.recorder().last().unwrap();
    assert_eq!(seen.header("x-stripe402-client-id"), Some(secret.as_str()));
    let balance = stack.client.get(stack.url("/.well-known/stripe402/balance"));
    let balance = send(balance.header("payment", wire::encode(&by_key))).await;
    assert_eq!(balance.body, json!({"creditsRemaining": 600, "currency": "usd"}));
    // Without the key itself.
    let listed = keys(&stack, Method::GET, None, json!({"paymentMethodId": card})).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    assert!(!listed.body.to_string().contains(&secret[12..40]), "{listed:?}");
    assert_eq!(listed.body["keys"][0]["id"], id.as_str());
    assert_eq!(listed.header("cache-control"), Some("no-store"));
    let changed = keys(&stack, Method::PATCH, Some(&id), by_card(json!({"routes": []}))).await;
    assert_eq!((changed.status, &changed.body["routes"]), (200, &json!([])), "{changed:?}");
    assert_eq!(
        pay(&stack, "/api/weather", by_key.clone()).await.receipt()["creditsRemaining"],
        100
    );
    assert_eq!(
        pay(&stack, "/api/weather", by_key.clone()).await.challenge()["reason"],
        "key_budget"
    );
    // With a card beside it the card pays, for a client of its own.
    let revoked = keys(&stack, Method::DELETE, Some(&id), json!({"paymentMethodId": card})).await;
    assert_eq!(revoked.body["state"], "revoked", "{revoked:?}");
    assert_eq!(pay(&stack, "/api/joke", by_key).await.challenge()["reason"], "key_revoked");
    let both = json!({"clientId": secret, "paymentMethodId": card});
    let receipt = pay(&stack, "/api/joke", both).await.receipt();
    assert_eq!(receipt["clientId"], client.as_str());
    let list = stack.client.get(stack.url("/.well-known/stripe402"));
    assert_eq!(send(list).await.body["keys"], "/.well-known/stripe402/keys");
}

#[tokio::test]
async fn keys_are_managed_by_who_may() {
    let stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, client) = payer(&stack, 50_000).await;
    let plain = made(&stack, &card, json!({"label": "plain"})).await;
    let manager = made(&stack, &card, json!({"label": "m", "rights": ["manage"]})).await;
    let terms = json!({"label": "by a key"});
    let by = |name: &str, of: &Value| json!({name: of, "key": terms.clone()});
    let made_by = keys(&stack, Method::POST, None, by("clientId", &manager["key"])).await;
    assert_eq!(made_by.status, 201, "{made_by:?}");
    // Neither a key without the right, nor the client id, nor a made-up key, nor somebody else's card.
    for who in [plain["key"].clone(), json!(client), json!(format!("402402402402{:052}", 7))] {
        let refused = keys(&stack, Method::POST, None, by("clientId", &who)).await;
        assert_eq!((refused.status, &refused.body["error"]["code"]), (403, &json!("not_allowed")));
    }
    let (stranger, _) = payer(&stack, 50_000).await;
    let id = plain["id"].as_str().unwrap();
    let theirs = keys(&stack, Method::DELETE, Some(id), json!({"paymentMethodId": stranger})).await;
    assert_eq!((theirs.status, &theirs.body["error"]["code"]), (404, &json!("no_such_key")));
    let id = manager["id"].as_str().unwrap();
    let own = json!({"clientId": manager["key"]});
    assert_eq!(keys(&stack, Method::DELETE, Some(id), own.clone()).await.status, 200);
    assert_eq!(keys(&stack, Method::GET, None, own).await.status, 403, "it is revoked");
    let nobody = stack.client.get(stack.url("/.well-known/stripe402/keys"));
    assert_eq!(send(nobody).await.status, 400);
    let wrong = stack.client.put(stack.url("/.well-known/stripe402/keys"));
    let wrong = send(wrong).await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD, POST, OPTIONS")));
}

/// Who knows a card's number, and not its CVC, must not make keys of its owner's balance.
#[tokio::test]
async fn a_card_that_was_merely_typed_in_manages_nothing() {
    let options = StackOptions::new().ledger_env("LEDGER_VERIFY_CARDS", "false");
    let stack = Stack::start(options).await.unwrap();
    let number = stripe402_tests::card::fresh().unwrap();
    let own = stack.sim.payment_method(&number, "123").await.unwrap();
    pay(&stack, "/api/weather", json!({"paymentMethodId": own})).await.receipt();
    let stolen = stack.sim.payment_method(&number, "999").await.unwrap();
    let refused = json!({"paymentMethodId": stolen, "key": {"label": "x"}});
    let refused = keys(&stack, Method::POST, None, refused).await;
    assert_eq!((refused.status, &refused.body["errorCode"]), (402, &json!("card_declined")));
    // The owner's other PaymentMethod of the card is verified, and charged nothing.
    let other = stack.sim.payment_method(&number, "123").await.unwrap();
    made(&stack, &other, json!({"label": "x"})).await;
    assert_eq!(stack.sim.totals("usd").await.unwrap().charged, 500);
    let shown = keys(&stack, Method::GET, None, json!({"paymentMethodId": own})).await;
    assert_eq!(shown.body["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_terms_are_refused_by_their_field() {
    let stack =
        Stack::start(StackOptions::new().ledger_env("LEDGER_MOST_KEYS", "2")).await.unwrap();
    let (card, _) = payer(&stack, 50_000).await;
    let ask = |key: Value, name: &str| {
        let payment = json!({"paymentMethodId": card, "key": key, "idempotencyKey": name});
        keys(&stack, Method::POST, None, payment)
    };
    for (terms, field) in [
        (json!({}), "label"),
        (json!({"label": "a\u{7}"}), "label"),
        (json!({"label": "a", "budget": {"total": 0}}), "budget"),
        (json!({"label": "a", "budget": {"total": -1}}), "payment header"),
        (json!({"label": "a", "budget": {"perDay": 9_007_199_254_740_992_i64}}), "payment header"),
        (json!({"label": "a", "budget": {"perWeek": 1}}), "payment header"),
        (json!({"label": "a", "currency": "xxx"}), "currency"),
        (json!({"label": "a", "expires": 1}), "expires"),
        (json!({"label": "a", "routes": ["*x"]}), "routes"),
        (json!({"label": "a", "rights": ["own"]}), "payment header"),
    ] {
        let answer = ask(terms.clone(), "").await;
        let message = answer.body["error"]["message"].as_str().unwrap_or_default();
        assert!(answer.status == 400 && message.contains(field), "{terms}: {answer:?}");
    }
    // A budget in the wrong place would make a key without limits.
    let misplaced = json!({"paymentMethodId": card, "key": {"label": "a"}, "budget": {"total": 5}});
    assert_eq!(keys(&stack, Method::POST, None, misplaced).await.status, 400);
    let first = ask(json!({"label": "a"}), "n").await;
    let again = ask(json!({"label": "a"}), "n").await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body["key"], again.body["key"]);
    let other = ask(json!({"label": "b"}), "n").await;
    assert_eq!(other.body["error"]["code"], "idempotency_mismatch");
    assert_eq!(ask(json!({"label": "b"}), "m").await.status, 201);
    let third = ask(json!({"label": "c"}), "o").await;
    assert_eq!((third.status, &third.body["error"]["code"]), (409, &json!("too_many_keys")));
    let currency = json!({"paymentMethodId": card, "key": {"currency": "eur"}});
    let id = first.body["id"].as_str().unwrap();
    assert_eq!(keys(&stack, Method::PATCH, Some(id), currency).await.status, 400);
}

/// Whoever reads a disk, a backup or a log finds nothing that spends.
#[tokio::test]
async fn no_file_has_a_key() {
    let mut stack = Stack::start(StackOptions::new()).await.unwrap();
    let (card, _) = payer(&stack, 50_000).await;
    let label = "kept in the books";
    let key = made(&stack, &card, json!({"label": label, "budget": {"total": 700}})).await;
    let by_key = json!({"clientId": key["key"]});
    pay(&stack, "/api/joke", by_key.clone()).await.receipt();
    pay(&stack, "/api/weather", by_key.clone()).await.receipt();
    pay(&stack, "/api/weather", by_key).await.challenge();
    stack.ledger().unwrap().process().stop();
    let secret = key["key"].as_str().unwrap();
    let bytes = secret.parse::<ClientId>().unwrap();
    let (mut read, mut labelled) = (0, 0);
    let mut folders = vec![stack.dir().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            let has = |what: &[u8]| content.windows(what.len()).any(|part| part == what);
            assert!(!has(secret.as_bytes()) && !has(bytes.as_bytes()), "{}", path.display());
            read += 1;
            labelled += usize::from(has(label.as_bytes()));
        }
    }
    assert!(read > 3 && labelled > 0, "{read} files, {labelled} with its label");
}

#[tokio::test]
async fn an_operator_makes_and_revokes_keys_on_record() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(StackOptions::new().store(&redis.url())).await.unwrap();
    let (_, client) = payer(&stack, 50_000).await;
    let path = format!("/clients/{}/keys", subject(&client));
    let wanted =
        json!({"label": "support", "currency": "usd", "per_month": 900, "reason": "asked"});
    let key = post(&stack, &path, wanted).await;
    assert_eq!(key.status, 201, "{key:?}");
    let by_key = json!({"clientId": key.body["key"]});
    assert_eq!(pay(&stack, "/api/joke", by_key.clone()).await.receipt()["creditsRemaining"], 800);
    let command = |arguments: &[&str], code: i32| {
        let said = ledger(&stack, &redis.url(), arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}", said.error);
        said.json
    };
    let listed = command(&["client", "keys", &client], 0);
    assert_eq!(listed["keys"][0]["spent"], 100, "{listed}");
    assert_eq!(listed, get(&stack, &path).await);
    let id = key.body["id"].as_str().unwrap();
    let revoke = ["client", "revoke-key", &client, "--key", id, "--reason=lost"];
    assert_eq!(command(&revoke, 0)["state"], "revoked");
    assert_eq!(pay(&stack, "/api/joke", by_key).await.challenge()["reason"], "key_revoked");
    let unknown = ["client", "revoke-key", &client, "--key=0123456789abcdef", "--reason=lost"];
    command(&unknown, 3);
    let make = ["client", "make-key", &client, "--label=x", "--total=500", "--reason=y"];
    let second = command(&make, 0);
    assert!(second["key"].as_str().unwrap().starts_with("402402402402"), "{second}");
    command(&["client", "make-key", &client, "--label=x", "--total=0", "--reason=y"], 2);
    let entries = get(&stack, "/audit").await["entries"].to_string();
    for told in ["make_key", "revoke_key", "asked", "lost", id] {
        assert!(entries.contains(told), "{told}: {entries}");
    }
    assert!(!entries.contains("402402402402"), "a key is on record: {entries}");
}
