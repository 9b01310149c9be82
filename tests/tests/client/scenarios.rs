//! What every adapter does, whatever it is written in.

use serde_json::{Value, json};
use stripe402_tests::{card, wire};

use crate::{
    matrix,
    payer::{Kind, Payer},
    world::World,
};

/// Always asks the cardholder (docs.stripe.com/testing#regulatory-cards).
const THREE_D_SECURE: &str = "4000002760003184";
const DECLINED: &str = "4000000000000002";

/// Runs all scenarios with an adapter, and keeps what it passed for the matrix.
pub(crate) async fn all(adapter: &'static str, kind: &Kind) {
    let world = World::start().await;
    let mut passed = Vec::new();
    macro_rules! run {
        ($($scenario:ident),* $(,)?) => {$(
            $scenario(&world, kind).await;
            passed.push(stringify!($scenario));
        )*};
    }
    run![
        first_payment_spend_and_one_round_trip,
        empty_is_topped_up,
        a_trial_then_a_charge,
        emptied_by_others_is_topped_up,
        declined,
        three_d_secure,
        stale_client_id,
        parallel_first_calls,
        budgets_and_limits,
        another_origin,
        same_origin_redirect,
        bodies,
    ];
    if kind.streams_bodies() {
        run![a_body_that_is_gone];
    }
    run![version_one, nothing_to_pay_with, free_and_failing];
    matrix::passed(adapter, passed);
}

async fn fresh(world: &World) -> String {
    world.stack.sim.payment_method(&card::fresh().unwrap(), "123").await.unwrap()
}

fn left(answer: &Value) -> i64 {
    assert_eq!(answer["status"], 200, "{answer}");
    answer["paid"]["creditsRemaining"].as_i64().unwrap_or_else(|| panic!("{answer}"))
}

fn refused<'a>(answer: &'a Value, code: &str) -> &'a Value {
    assert_eq!(answer["error"]["code"], code, "{answer}");
    &answer["error"]
}

async fn first_payment_spend_and_one_round_trip(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let first = payer.call(world.weather()).await;
    assert_eq!(left(&first), 49_500);
    assert_eq!(first["paid"]["charged"], 50_000);
    assert!(first["body"].as_str().unwrap().contains("Sunny"), "{first}");
    let before = world.requests().await;
    for spent in [49_000, 48_500, 48_000] {
        let answer = payer.call(world.weather()).await;
        assert_eq!(left(&answer), spent);
        assert_eq!(answer["paid"]["charged"], Value::Null);
    }
    assert_eq!(world.requests().await - before, 3, "one round trip per call");
    assert_eq!(world.deductions(&card).await, 1);
}

async fn empty_is_topped_up(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let settings = json!({"paymentMethodId": card, "maxPrice": 50_000});
    let payer = Payer::new(kind, settings);
    assert_eq!(left(&payer.call(world.weather()).await), 49_500);
    let dear = json!({"method": "PUT", "url": world.stack.url("/api/echo"), "body": "x"});
    assert_eq!(left(&payer.call(dear).await), 100);
    let before = world.requests().await;
    let again = payer.call(world.weather()).await;
    assert_eq!((left(&again), &again["paid"]["charged"]), (49_600, &json!(50_000)));
    assert_eq!(world.requests().await - before, 1, "known to be short: the card goes along");
    assert_eq!(world.deductions(&card).await, 2);
}

/// A client that knows nothing of trials has one; and is charged when it is used up.
async fn a_trial_then_a_charge(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let call = json!({"method": "DELETE", "url": world.stack.url("/api/echo")});
    for (left_over, charged, charges) in
        [(300, json!(null), 0), (100, json!(null), 0), (49_900, json!(50_000), 1)]
    {
        let answer = payer.call(call.clone()).await;
        assert_eq!((left(&answer), &answer["paid"]["charged"]), (left_over, &charged), "{answer}");
        assert_eq!(world.deductions(&card).await, charges);
    }
}

async fn emptied_by_others_is_topped_up(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let first = payer.call(world.weather()).await;
    let payment = wire::encode(&json!({"clientId": first["paid"]["clientId"]}));
    let url = world.stack.url("/api/echo");
    let spent = world.stack.client.put(url).header(wire::PAYMENT, payment).send().await.unwrap();
    assert_eq!(spent.status(), 200);
    assert_eq!(left(&payer.call(world.weather()).await), 49_600);
    assert_eq!(world.deductions(&card).await, 2);
}

async fn declined(world: &World, kind: &Kind) {
    let card = world.stack.sim.payment_method(DECLINED, "123").await.unwrap();
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let answer = payer.call(world.weather()).await;
    assert_eq!(
        refused(&answer, "card_declined")["message"],
        "the card was declined (card_declined)"
    );
    assert_eq!(world.deductions(&card).await, 1, "the bank is asked once");
}

async fn three_d_secure(world: &World, kind: &Kind) {
    let card = world.stack.sim.payment_method(THREE_D_SECURE, "123").await.unwrap();
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let answer = payer.call(world.weather()).await;
    let error = refused(&answer, "payment_failed");
    assert_eq!(error["reason"], "authentication_required");
    let intent = error["paymentIntentId"].as_str().unwrap();
    if kind.hears_client_secrets() {
        assert!(error["clientSecret"].as_str().unwrap().starts_with(intent));
        assert_eq!(error["publishableKey"], "pk_test_standin");
    } else {
        let said = error["message"].as_str().unwrap();
        assert!(said.starts_with("the cardholder must confirm this payment"), "{said}");
    }
    world.stack.sim.authenticate(intent, true).await.unwrap();
    let served = payer.call(world.weather()).await;
    // Whether others have paid with this card's number before does not matter here.
    assert!(left(&served) >= 49_500, "{served}");
    assert_eq!(world.deductions(&card).await, 1);
}

async fn stale_client_id(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let settings = json!({"paymentMethodId": card, "clientId": "a".repeat(64)});
    let payer = Payer::new(kind, settings);
    assert_eq!(left(&payer.call(world.weather()).await), 49_500);
    let before = world.requests().await;
    assert_eq!(left(&payer.call(world.weather()).await), 49_000);
    assert_eq!(world.requests().await - before, 1, "the stale id is not tried again");

    let payer = Payer::new(kind, json!({"clientId": "b".repeat(64)}));
    refused(&payer.call(world.weather()).await, "insufficient_credits");
}

async fn parallel_first_calls(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    // Were two of them to pay, the second would be over the budget.
    let settings = json!({"paymentMethodId": card, "budgetTotal": 50_000});
    let payer = Payer::new(kind, settings);
    let mut lefts: Vec<i64> =
        payer.calls(&vec![world.weather(); 50]).await.iter().map(left).collect();
    lefts.sort_unstable();
    let expected: Vec<i64> = (0..50).map(|number| 25_000 + number * 500).collect();
    assert_eq!(lefts, expected, "each was served once");
    assert_eq!(world.deductions(&card).await, 1);
}

async fn budgets_and_limits(world: &World, kind: &Kind) {
    let rows = [
        (json!({"budgetTotal": 49_999}), "budget_exceeded"),
        (json!({"budgetPerDay": 49_999}), "budget_exceeded"),
        (json!({"maxPrice": 499}), "price_too_high"),
        (json!({"maxCharge": 49_999}), "charge_too_high"),
        (json!({"currency": "eur"}), "currency_not_allowed"),
        (json!({"topUp": 10_000}), "top_up_below_minimum"),
        (json!({"origins": ["https://api.example"]}), "origin_not_allowed"),
    ];
    let card = fresh(world).await;
    for (limit, code) in rows {
        let mut settings = json!({"paymentMethodId": card});
        settings.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
        let payer = Payer::new(kind, settings);
        refused(&payer.call(world.weather()).await, code);
    }
    assert_eq!(world.deductions(&card).await, 0);

    let settings = json!({"paymentMethodId": card, "budgetTotal": 50_000, "maxPrice": 50_000});
    let payer = Payer::new(kind, settings);
    assert_eq!(left(&payer.call(world.weather()).await), 49_500);
    let dear = json!({"method": "PUT", "url": world.stack.url("/api/echo")});
    assert_eq!(left(&payer.call(dear.clone()).await), 100);
    let error = payer.call(dear).await;
    assert_eq!(refused(&error, "budget_exceeded")["left"], 0);
    assert_eq!(world.deductions(&card).await, 1);
}

async fn another_origin(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let id = payer.call(world.weather()).await["paid"]["clientId"].clone();
    world.elsewhere.seen();
    let away = json!({
        "url": world.stack.url("/away"), "headers": {"authorization": "Bearer of-mine"},
    });
    refused(&payer.call(away).await, "origin_not_allowed");
    let straight = json!({"url": format!("http://{}/", world.elsewhere.address)});
    refused(&payer.call(straight).await, "origin_not_allowed");
    let seen = world.elsewhere.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    for headers in seen {
        for secret in ["payment:", "of-mine", card.as_str(), id.as_str().unwrap()] {
            assert!(!headers.contains(secret), "{secret} went to another origin: {headers}");
        }
    }

    // Not even where both origins may be paid: the caller did not choose this address.
    let gateway = world.stack.url("").trim_end_matches('/').to_owned();
    let origins = json!([gateway, format!("http://{}", world.elsewhere.address)]);
    let payer = Payer::new(kind, json!({"paymentMethodId": card, "origins": origins}));
    left(&payer.call(world.weather()).await);
    refused(&payer.call(json!({"url": world.stack.url("/away")})).await, "origin_not_allowed");
    assert!(world.elsewhere.seen().iter().all(|headers| !headers.contains("payment:")));
}

async fn same_origin_redirect(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let moved = json!({"url": world.stack.url("/moved")});
    assert_eq!(left(&payer.call(moved.clone()).await), 49_500);
    assert_eq!(left(&payer.call(moved).await), 49_000);
}

async fn bodies(world: &World, kind: &Kind) {
    for stream in [false, true] {
        let card = fresh(world).await;
        let payer = Payer::new(kind, json!({"paymentMethodId": card}));
        let post = json!({
            "method": "POST", "url": world.stack.url("/api/echo"),
            "headers": {"content-type": "text/plain", "x-mine": "kept"},
            "body": "forty-two bytes, in chunks or all at once.", "stream": stream,
        });
        for expected in [49_800, 49_600] {
            let before = world.stack.upstream.recorder().count();
            let answer = payer.call(post.clone()).await;
            assert_eq!(left(&answer), expected, "stream: {stream}");
            let echo: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            assert_eq!(echo["bodyLength"], 42);
            let headers = echo["headers"].as_array().unwrap();
            assert!(headers.contains(&json!(["x-mine", "kept"])), "{echo}");
            assert!(headers.contains(&json!(["content-type", "text/plain"])), "{echo}");
            assert_eq!(world.stack.upstream.recorder().count() - before, 1, "sent to the API once");
        }
        assert_eq!(world.deductions(&card).await, 1);
    }
}

/// Free when it is asked for without its body, and priced with it: what is gone is not sent again.
async fn a_body_that_is_gone(world: &World, kind: &Kind) {
    let payer = Payer::new(kind, json!({"paymentMethodId": fresh(world).await}));
    let url = format!("http://{}/free-without-a-body", world.elsewhere.address);
    let post = json!({"method": "POST", "url": url, "body": "in chunks", "stream": true});
    world.elsewhere.seen();
    let answer = payer.call(post).await;
    assert_eq!(refused(&answer, "body_consumed")["terms"]["price"], 1);
    let seen = world.elsewhere.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen.iter().all(|headers| !headers.contains("payment:")), "{seen:?}");
}

async fn version_one(world: &World, kind: &Kind) {
    let server = &world.version_one;
    let payer = Payer::new(kind, json!({"paymentMethodId": "pm_old"}));
    let joke = json!({"url": server.url()});
    let first = left(&payer.call(joke.clone()).await);
    let second = left(&payer.call(joke.clone()).await);
    assert_eq!(first - second, 100);
    let (charges, requests) = server.counts();
    assert!(charges <= 1, "{charges}");
    assert_eq!(requests, 4, "asked for the price before each payment");
    // It knows no keys, so only taking turns keeps these from charging twice.
    let many = Payer::new(kind, json!({"paymentMethodId": "pm_many"}));
    many.calls(&vec![joke.clone(); 10]).await.iter().for_each(|answer| assert!(left(answer) > 0));
    assert_eq!(server.counts().0, 1);
    let careful = Payer::new(kind, json!({"paymentMethodId": "pm_old", "maxPrice": 99}));
    refused(&careful.call(joke).await, "price_too_high");
    assert_eq!(server.counts(), (0, 1), "nothing was sent to be paid");
}

async fn nothing_to_pay_with(world: &World, kind: &Kind) {
    let payer = Payer::new(kind, json!({}));
    let answer = payer.call(world.weather()).await;
    assert_eq!(refused(&answer, "payment_required")["terms"]["price"], 500);
}

async fn free_and_failing(world: &World, kind: &Kind) {
    let card = fresh(world).await;
    let payer = Payer::new(kind, json!({"paymentMethodId": card}));
    let health = payer.call(json!({"url": world.stack.url("/api/health")})).await;
    assert_eq!((&health["status"], &health["paid"]), (&json!(200), &Value::Null));
    assert_eq!(world.deductions(&card).await, 0);
    // The API fails: its answer is the caller's, the price is given back, the credit stays.
    let failed = payer.call(json!({"url": world.stack.url("/api/fail")})).await;
    assert_eq!((&failed["status"], &failed["paid"]), (&json!(500), &Value::Null), "{failed}");
    assert_eq!(left(&payer.call(world.weather()).await), 49_500);
    assert_eq!(world.deductions(&card).await, 1);
}
