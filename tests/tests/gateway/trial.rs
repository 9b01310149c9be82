//! Trial credit: a card that never paid here is verified, not charged, and gets credit once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use stripe402_tests::{
    card,
    redis::Redis,
    stack::{Stack, StackOptions},
};

use crate::{
    answer::{Answer, pay},
    command::ledger,
    operator::{get, post, subject},
};

/// So much for a new card, a joke costing 100.
fn trial(units: u32) -> StackOptions {
    with(json!({"units": units, "per": "card", "expires": "30d"}))
}

fn with(trial: Value) -> StackOptions {
    StackOptions::new().filter(|filter| filter["trial"] = trial)
}

async fn charged(stack: &Stack) -> i64 {
    stack.sim.totals("usd").await.unwrap().charged
}

async fn verified(stack: &Stack) -> usize {
    stack.sim.calls("/v1/setup_intents").await.unwrap().len()
}

async fn joke(stack: &Stack, card: &str) -> Answer {
    pay(stack, "/api/joke", json!({"paymentMethodId": card})).await
}

/// The receipt of a request that no card was charged for.
fn free(answer: &Answer) -> Value {
    let receipt = answer.receipt();
    assert_eq!(receipt.get("chargeId"), None, "{receipt}");
    receipt
}

fn left(answer: &Answer) -> i64 {
    answer.receipt()["creditsRemaining"].as_i64().unwrap()
}

/// The number of a card that its owner has used elsewhere: its bank knows that the CVC is 123.
async fn used_elsewhere(stack: &Stack) -> String {
    let number = card::fresh().unwrap();
    let method = stack.sim.payment_method(&number, "123").await.unwrap();
    let form = [
        ("amount", "5000"),
        ("currency", "eur"),
        ("payment_method", &*method),
        ("confirm", "true"),
        ("allowed_payment_method_types[0]", "card"),
    ];
    stack.sim.api_post("/v1/payment_intents", &form).await.unwrap();
    number
}

async fn movements(stack: &Stack, client: &str) -> Vec<String> {
    let found = get(stack, &format!("/clients/{}/movements", subject(client))).await;
    let of = |of: &Value| format!("{} {}", of["kind"].as_str().unwrap(), of["amount"]);
    found["movements"].as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn a_new_card_is_told_of_a_trial_and_gets_it_without_a_charge() {
    let stack = Stack::start(trial(250)).await.unwrap();
    let challenge = pay(&stack, "/api/joke", json!({})).await.challenge();
    assert_eq!(challenge["trial"], json!({"units": 250}));
    let dear = pay(&stack, "/api/weather", json!({})).await.challenge();
    assert_eq!(dear.get("trial"), None, "a request costs more than that");

    let card = stack.sim.fresh_card().await.unwrap();
    let first = free(&joke(&stack, &card).await);
    assert_eq!(first["creditsRemaining"], 150);
    assert_eq!((charged(&stack).await, verified(&stack).await), (0, 1));
    // From now on it is spent as any credit, by the client id or the card.
    let client = first["clientId"].as_str().unwrap();
    let short = pay(&stack, "/api/weather", json!({"clientId": client})).await.challenge();
    assert_eq!((&short["error"], short.get("trial")), (&json!("insufficient_credits"), None));
    assert_eq!(free(&joke(&stack, &card).await)["creditsRemaining"], 50);
    // It is used up: the card is charged as any other.
    let third = joke(&stack, &card).await.receipt();
    assert!(third["chargeId"].as_str().unwrap().starts_with("pi_"), "{third}");
    assert_eq!(third["creditsRemaining"], 49_950);
    assert_eq!((charged(&stack).await, verified(&stack).await), (500, 1));
    assert_eq!(movements(&stack, client).await, ["top_up 50000", "grant 250"], "newest first");
    let shown = get(&stack, &format!("/clients/{}", subject(client))).await;
    let note = get(&stack, &format!("/clients/{}/movements", subject(client))).await;
    assert!(note.to_string().contains("trial credit"), "{note}");
    assert_eq!(shown["accounts"][0]["paid"], 49_950, "{shown}");
    let metrics = stack.ledgers[0].admin_url("/metrics");
    let metrics = stack.client.get(metrics).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stripe402_trials_total 1"), "{metrics}");
}

/// Which end the trial has, and that nothing of it goes to a card.
#[tokio::test]
async fn what_is_left_of_a_trial_expires_and_is_never_refunded() {
    let redis = Redis::start().await.unwrap();
    let stack = Stack::start(trial(250).store(&redis.url())).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let before_ms = crate::operator::now_ms();
    let client = free(&joke(&stack, &card).await)["clientId"].as_str().unwrap().to_owned();
    let shown = get(&stack, &format!("/clients/{}", subject(&client))).await;
    let lot = &shown["accounts"][0]["grants"][0];
    assert_eq!((&lot["reference"], &lot["left"]), (&json!("trial"), &json!(150)), "{shown}");
    let month = 30 * 24 * 3_600_000;
    let after = lot["expires_ms"].as_u64().unwrap_or_else(|| panic!("{lot}")) - before_ms;
    assert!((month..month + 60_000).contains(&after), "{after}");
    let refund = ["client", "refund", &client, "--all", "--reference=all"];
    let said = ledger(&stack, &redis.url(), &refund);
    assert!(said.code == 4 && said.error.contains("nothing can be refunded"), "{}", said.error);
    let more = ["client", "refund", &client, "--amount=1", "--reference=more"];
    assert_eq!(ledger(&stack, &redis.url(), &more).code, 4);
    assert_eq!(ledger(&stack, &redis.url(), &["verify"]).code, 0);
}

/// A hundred first requests of one card, on two ledgers and in two currencies: one grant, no charge.
async fn a_hundred_at_once(store: &str) {
    let options = trial(10_000).workers(2).replicas(2).store(store);
    let stack = Stack::start(options.ledger_env("LEDGER_STORE_TIMEOUT", "20s")).await.unwrap();
    let card = stack.sim.fresh_card().await.unwrap();
    let answers = join_all((0..100).map(|_| joke(&stack, &card))).await;
    let mut seen: Vec<_> = answers.iter().map(left).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..100).map(|number| number * 100).collect::<Vec<_>>());
    answers.iter().for_each(|answer| drop(free(answer)));
    assert_eq!(charged(&stack).await, 0);
    assert!(verified(&stack).await <= 2, "once by each ledger at the most");
    let client = answers[0].receipt()["clientId"].as_str().unwrap().to_owned();
    assert_eq!(movements(&stack, &client).await, ["grant 10000"]);
    assert!(joke(&stack, &card).await.receipt().get("chargeId").is_some(), "it is used up");
}

#[tokio::test]
async fn a_hundred_first_requests_get_one_trial_on_redis() {
    let redis = Redis::start().await.unwrap();
    a_hundred_at_once(&redis.url()).await;
}

#[tokio::test]
async fn a_hundred_first_requests_get_one_trial_on_postgresql() {
    let postgres = stripe402_tests::postgres::Postgres::start().await.unwrap();
    a_hundred_at_once(&postgres.url()).await;
}

/// Cards that are good, with all that is printed on them: from one address few are verified.
#[tokio::test]
async fn fifty_stolen_numbers_get_few_trials() {
    let stack = Stack::start(trial(10_000)).await.unwrap();
    let number = card::fresh().unwrap();
    let regular = stack.sim.payment_method(&number, "123").await.unwrap();
    let more = json!({"paymentMethodId": regular, "topUpAmount": 60_000});
    assert_eq!(left(&pay(&stack, "/api/joke", more).await), 59_900);
    let mut served = 0;
    for _ in 0..50 {
        let card = stack.sim.fresh_card().await.unwrap();
        let answer = joke(&stack, &card).await;
        match answer.status {
            200 => served += 1,
            _ => assert_eq!(answer.reason(), Some("rate_limited"), "{answer:?}"),
        }
    }
    assert_eq!((served, verified(&stack).await, charged(&stack).await), (10, 10, 600));
    // What is proven is not held up; whether a card is known is not told to who merely has its number.
    assert_eq!(left(&joke(&stack, &regular).await), 59_800);
    let known = stack.sim.payment_method(&number, "999").await.unwrap();
    assert_eq!(joke(&stack, &known).await.reason(), Some("rate_limited"));
    // Who wants to pay at once can.
    let card = stack.sim.fresh_card().await.unwrap();
    let more = json!({"paymentMethodId": card, "topUpAmount": 60_000});
    assert_eq!(left(&pay(&stack, "/api/joke", more).await), 59_900);
    let metrics = stack.ledgers[0].admin_url("/metrics");
    let metrics = stack.client.get(metrics).send().await.unwrap().text().await.unwrap();
    let line = "stripe402_card_limited_total{limit=\"trials\"} 41";
    assert!(metrics.contains(line), "{metrics}");
}

/// A verification that fails is a decline as any other, in all counts.
#[tokio::test]
async fn a_card_that_is_declined_gets_none_and_is_counted() {
    let options = trial(10_000).ledger_env("LEDGER_LIMIT_CARD_DECLINES", "2");
    let stack = Stack::start(options).await.unwrap();
    let number = used_elsewhere(&stack).await;
    for expected in [None, None, Some("rate_limited")] {
        let stolen = stack.sim.payment_method(&number, "999").await.unwrap();
        let answer = joke(&stack, &stolen).await;
        assert_eq!(answer.reason(), expected, "{answer:?}");
        let code = if expected.is_some() { "payment_failed" } else { "card_declined" };
        assert_eq!(answer.refused(), code);
    }
    assert_eq!((verified(&stack).await, charged(&stack).await), (2, 0));
    assert_eq!(stack.upstream.recorder().count(), 0);
    let metrics = stack.ledgers[0].admin_url("/metrics");
    let metrics = stack.client.get(metrics).send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains("\nstripe402_trials_total "), "{metrics}");
}

/// The thief's attempt does not use the owner's trial up, nor does the name of a request.
#[tokio::test]
async fn a_declined_request_has_the_same_answer_again_and_its_card_a_trial_later() {
    let stack = Stack::start(trial(250)).await.unwrap();
    let number = used_elsewhere(&stack).await;
    let stolen = stack.sim.payment_method(&number, "999").await.unwrap();
    let named = json!({"paymentMethodId": stolen, "idempotencyKey": "k"});
    for _ in 0..3 {
        let answer = pay(&stack, "/api/joke", named.clone()).await;
        assert_eq!(answer.refused(), "card_declined");
    }
    assert_eq!((verified(&stack).await, charged(&stack).await), (1, 0), "Stripe is asked once");
    let own = stack.sim.payment_method(&number, "123").await.unwrap();
    let named = json!({"paymentMethodId": own, "idempotencyKey": "own"});
    for left in [150, 50] {
        let receipt = free(&pay(&stack, "/api/joke", named.clone()).await);
        assert_eq!(receipt["creditsRemaining"], left);
    }
    // A trial is no top-up: the name is that of the first charge, and of no other.
    let charge = pay(&stack, "/api/joke", named.clone()).await.receipt();
    assert_eq!(
        (charge.get("chargeId").is_some(), &charge["creditsRemaining"]),
        (true, &json!(49_950))
    );
    let mut spent = named;
    for left in (0..99).rev() {
        let receipt = free(&pay(&stack, "/api/weather", spent.clone()).await);
        assert_eq!(receipt["creditsRemaining"], 450 + left * 500);
    }
    spent["maxPrice"] = json!(500);
    let short = pay(&stack, "/api/weather", spent).await.challenge();
    assert_eq!(short["error"], "insufficient_credits");
    assert_eq!(charged(&stack).await, 500);
}

#[tokio::test]
async fn the_cardholder_confirms_first_where_the_bank_wants_that() {
    let stack = Stack::start(trial(250)).await.unwrap();
    let card = stack.sim.payment_method("4000002760003184", "123").await.unwrap();
    let payment = json!({"paymentMethodId": card, "idempotencyKey": "k"});
    let asked = pay(&stack, "/api/joke", payment.clone()).await;
    assert_eq!(
        (asked.refused(), asked.reason()),
        ("payment_failed", Some("authentication_required"))
    );
    assert_eq!(asked.body.get("paymentIntentId"), None, "{asked:?}");
    let secret = asked.body["clientSecret"].as_str().unwrap();
    let (setup, _) = secret.split_once("_secret").unwrap();
    let confirmed = json!({"setup_intent": setup, "outcome": "succeed"});
    stack.sim.control("authenticate", &confirmed).await.unwrap();
    let receipt = free(&pay(&stack, "/api/joke", payment).await);
    assert_eq!(receipt["creditsRemaining"], 150);
    assert_eq!((charged(&stack).await, verified(&stack).await), (0, 1));
}

/// Nobody gets one who has had anything here.
#[tokio::test]
async fn who_has_paid_gets_no_trial() {
    let stack = Stack::start(trial(600)).await.unwrap();
    let number = card::fresh().unwrap();
    let card = stack.sim.payment_method(&number, "123").await.unwrap();
    // Who wants to pay at once does.
    let more = json!({"paymentMethodId": card, "topUpAmount": 60_000});
    let paid = pay(&stack, "/api/joke", more).await.receipt();
    assert!(paid.get("chargeId").is_some(), "{paid}");
    let client = paid["clientId"].as_str().unwrap();
    let all = json!({"units": "all", "currency": "usd", "reference": "all"});
    let refunded = post(&stack, &format!("/clients/{}/refunds", subject(client)), all).await;
    assert_eq!(refunded.body["refunded"], 59_900, "{refunded:?}");
    // Nothing is left, and another PaymentMethod of the card is as little new.
    let other = stack.sim.payment_method(&number, "123").await.unwrap();
    let again = joke(&stack, &other).await.receipt();
    assert!(again.get("chargeId").is_some(), "{again}");
    assert_eq!((charged(&stack).await, verified(&stack).await), (1_100, 0));
    assert!(movements(&stack, client).await.iter().all(|of| !of.starts_with("grant")));
    // Nor has a frozen one.
    let frozen = stack.sim.fresh_card().await.unwrap();
    let first = free(&joke(&stack, &frozen).await);
    let client = first["clientId"].as_str().unwrap();
    let order = json!({"reason": "a test"});
    let done = post(&stack, &format!("/clients/{}/freeze", subject(client)), order).await;
    assert_eq!(done.status, 200, "{done:?}");
    for _ in 0..2 {
        assert_eq!(joke(&stack, &frozen).await.reason(), Some("frozen"));
    }
}

/// The card's number is known, whatever ids the ledger derives of it.
#[tokio::test]
async fn a_lost_server_secret_is_no_second_trial() {
    let mut stack = Stack::start(trial(100)).await.unwrap();
    let number = card::fresh().unwrap();
    let first = stack.sim.payment_method(&number, "123").await.unwrap();
    let known = free(&joke(&stack, &first).await);
    crate::rotation::with_secrets(&mut stack, "another secret of some length").await;
    let other = stack.sim.payment_method(&number, "123").await.unwrap();
    let again = joke(&stack, &other).await.receipt();
    assert_ne!(again["clientId"], known["clientId"]);
    assert!(again.get("chargeId").is_some(), "{again}");
    assert_eq!(charged(&stack).await, 500);
}

/// Also where cards need no proof to spend a balance.
#[tokio::test]
async fn a_trial_is_never_given_unverified() {
    let stack = Stack::start(trial(250).ledger_env("LEDGER_VERIFY_CARDS", "false")).await.unwrap();
    let number = used_elsewhere(&stack).await;
    let stolen = stack.sim.payment_method(&number, "999").await.unwrap();
    assert_eq!(joke(&stack, &stolen).await.refused(), "card_declined");
    let good = stack.sim.fresh_card().await.unwrap();
    assert_eq!(free(&joke(&stack, &good).await)["creditsRemaining"], 150);
    assert_eq!((charged(&stack).await, verified(&stack).await), (0, 2));
}

/// A trial in one of two routes, for what it is for.
#[tokio::test]
async fn a_trial_is_of_the_routes_that_are_named() {
    let stack = Stack::start(with(json!({"units": 5_000, "routes": ["weather"]}))).await.unwrap();
    let told = pay(&stack, "/api/joke", json!({})).await.challenge();
    assert_eq!(told.get("trial"), None);
    let told = pay(&stack, "/api/weather", json!({})).await.challenge();
    assert_eq!(told["trial"], json!({"units": 5_000}));
    let [one, other] = [(); 2].map(|()| stack.sim.fresh_card());
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    assert!(joke(&stack, &one).await.receipt().get("chargeId").is_some());
    let weather = pay(&stack, "/api/weather", json!({"paymentMethodId": other})).await;
    assert_eq!(free(&weather)["creditsRemaining"], 4_500);
    // What is left pays for other routes, too.
    assert_eq!(free(&joke(&stack, &other).await)["creditsRemaining"], 4_400);
}
