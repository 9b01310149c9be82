//! A ledger that misbehaves in every way: never a hang, never a request served without a charge,
//! unless the operator prefers that to a refusal and there is no answer at all.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse as _, Response},
    routing,
};
use serde_json::{Value, json};
use stripe402_tests::stack::{Stack, StackOptions};

use crate::{
    answer::{pay, send},
    messages, other_api,
};

const CLIENT: &str = "d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd";

/// What the ledger does next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Hangs,
    Trickles,
    Fails(u16),
    Says(&'static str),
    AnswersForAnother,
    BreaksOff,
    SaysTooMuch,
    Charges,
}

type Shared = Arc<Mutex<(Mood, Vec<Value>)>>;

/// The real one's interface, and nothing behind it.
async fn ledger() -> (SocketAddr, Shared) {
    let shared: Shared = Arc::new(Mutex::new((Mood::Hangs, Vec::new())));
    let router = Router::new()
        .route("/readyz", routing::get(|| async { "ok" }))
        .route("/v1/batch", routing::post(batch))
        .route("/v1/payments", routing::post(batch))
        .with_state(Arc::clone(&shared));
    (other_api::serve(router).await, shared)
}

async fn batch(State(shared): State<Shared>, body: Bytes) -> Response {
    let batch = messages::read(&body);
    let mood = {
        let mut shared = shared.lock().unwrap();
        shared.1.push(batch.clone());
        shared.0
    };
    let ids = |list: &str, outcome: Value| {
        let list = batch[list].as_array().cloned().unwrap_or_default();
        list.iter().map(|entry| json!([entry["id"], outcome])).collect::<Vec<_>>()
    };
    let (voids, charged) = (ids("voids", json!("marked")), ids("charges", json!({"charged": 900})));
    match mood {
        Mood::Hangs => {
            tokio::time::sleep(Duration::from_secs(20)).await;
            ().into_response()
        }
        Mood::Trickles => {
            let drops = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
            });
            Body::from_stream(drops).into_response()
        }
        Mood::Fails(status) => {
            let status = http::StatusCode::from_u16(status).unwrap();
            (status, Json(json!({"error": {"code": "x", "message": "x"}}))).into_response()
        }
        Mood::Says(text) => text.into_response(),
        Mood::AnswersForAnother => {
            let other = json!(["0199f0a1b2c3d4e5f60718293a4b5c6d", {"charged": 900}]);
            messages::batch_answer(json!({"charges": [other], "voids": voids})).into_response()
        }
        Mood::BreaksOff => {
            let mut answer = messages::batch_answer(json!({"charges": charged, "voids": voids}));
            answer.pop();
            answer.into_response()
        }
        Mood::SaysTooMuch => {
            let mut answer = messages::batch_answer(json!({"charges": charged, "voids": voids}));
            answer.push(0);
            answer.into_response()
        }
        Mood::Charges => {
            messages::batch_answer(json!({"charges": charged, "voids": voids})).into_response()
        }
    }
}

async fn stack(unavailable: &'static str) -> (Stack, Shared) {
    let (address, shared) = ledger().await;
    let options = StackOptions::new()
        .filter(move |filter| {
            filter["ledger_unavailable"] = json!(unavailable);
            filter["ledger"]["payment_timeout"] = json!("1s");
        })
        .config(move |config| config.endpoints("stripe402_ledger", &[address]));
    (Stack::start(options).await.unwrap(), shared)
}

/// Each mood, and whether it is no answer at all.
const MOODS: [(Mood, bool); 11] = [
    (Mood::Hangs, true),
    (Mood::Trickles, true),
    (Mood::Fails(500), false),
    (Mood::Fails(503), false),
    (Mood::Fails(401), false),
    (Mood::Says(""), false),
    (Mood::Says("<html>"), false),
    (Mood::Says("{\"charges\":[[\"x\",{\"charged\":-1}]]}"), false),
    (Mood::AnswersForAnother, false),
    (Mood::BreaksOff, false),
    (Mood::SaysTooMuch, false),
];

/// Lets the ledger be well, and waits until the gateway has noticed.
async fn recover(stack: &Stack, ledger: &Shared) {
    ledger.lock().unwrap().0 = Mood::Charges;
    let start = Instant::now();
    let paid = async || {
        let answer = pay(stack, "/api/joke", json!({"clientId": CLIENT})).await;
        answer.header("payment-response").is_some()
    };
    while !paid().await {
        assert!(start.elapsed() < Duration::from_secs(5), "the gateway does not notice");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn ids(seen: &[Value], list: &str) -> Vec<String> {
    let lists = seen.iter().filter_map(|batch| batch[list].as_array());
    lists.flatten().map(|entry| entry["id"].to_string()).collect()
}

#[tokio::test]
async fn whatever_the_ledger_does_the_answer_is_in_time_and_nothing_is_free() {
    let (stack, ledger) = stack("deny").await;
    let (mut charges, mut seen) = (Vec::new(), Vec::new());
    for payment in [json!({"clientId": CLIENT}), json!({"paymentMethodId": "pm_1"})] {
        for (mood, _) in MOODS {
            recover(&stack, &ledger).await;
            stack.upstream.recorder().clear();
            seen.append(&mut std::mem::take(&mut ledger.lock().unwrap().1));
            ledger.lock().unwrap().0 = mood;
            let start = Instant::now();
            let answer = pay(&stack, "/api/joke", payment.clone()).await;
            assert_eq!(answer.status, 503, "{mood:?}: {answer:?}");
            assert_eq!(answer.body["error"]["code"], "ledger_unavailable", "{mood:?}");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert!(start.elapsed() < Duration::from_secs(4), "{mood:?}");
            assert_eq!(stack.upstream.recorder().count(), 0);
            charges.append(&mut ids(&ledger.lock().unwrap().1, "charges"));
        }
    }
    // Every charge that may have been made is taken back, once the ledger is well again.
    recover(&stack, &ledger).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    seen.append(&mut std::mem::take(&mut ledger.lock().unwrap().1));
    let voids = ids(&seen, "voids");
    assert_eq!(charges.len(), MOODS.len());
    for charge in charges {
        assert!(voids.contains(&charge), "{charge} was not taken back");
    }
    let answer = pay(&stack, "/api/joke", json!({"clientId": CLIENT})).await;
    assert_eq!(answer.receipt()["creditsRemaining"], 900);
}

#[tokio::test]
async fn where_silence_is_allowed_requests_pass_and_are_marked() {
    let (stack, ledger) = stack("allow").await;
    for payment in [json!({"clientId": CLIENT}), json!({"paymentMethodId": "pm_1"})] {
        for (mood, silent) in MOODS {
            recover(&stack, &ledger).await;
            ledger.lock().unwrap().0 = mood;
            stack.upstream.recorder().clear();
            let request = stack.pay("/api/joke", &payment).header("x-stripe402-unpaid", "no");
            let answer = send(request).await;
            assert_eq!(answer.status, if silent { 200 } else { 503 }, "{mood:?}: {answer:?}");
            assert!(answer.header("payment-response").is_none(), "nobody has paid");
            let Some(received) = stack.upstream.recorder().last() else { continue };
            assert!(silent);
            assert_eq!(received.header("x-stripe402-unpaid"), Some("ledger_unavailable"));
            assert_eq!(received.header("x-stripe402-client-id"), None);
            assert_eq!(answer.header("cache-control"), Some("private"));
        }
    }
    assert_eq!(send(stack.get("/api/joke")).await.status, 402, "who offers nothing gets nothing");
    recover(&stack, &ledger).await;
    let paid = pay(&stack, "/api/joke", json!({"clientId": CLIENT})).await;
    assert_eq!(paid.receipt()["creditsRemaining"], 900);
    assert_eq!(stack.upstream.recorder().last().unwrap().header("x-stripe402-unpaid"), None);
    // Four moods are silence, and a few passed until the gateway noticed that it was over.
    let counted = crate::metrics::wait_for(&stack, "wasmcustom.stripe402_unpaid", 4).await;
    assert!(counted >= 4, "{counted}");
}

/// Nobody waits for a ledger that let a call time out, until a probe gets through.
#[tokio::test]
async fn a_silent_ledger_is_waited_for_once() {
    let (stack, ledger) = stack("deny").await;
    recover(&stack, &ledger).await;
    ledger.lock().unwrap().0 = Mood::Hangs;
    let start = Instant::now();
    assert_eq!(pay(&stack, "/api/joke", json!({"clientId": CLIENT})).await.status, 503);
    let first = start.elapsed();
    assert!(first > Duration::from_millis(900), "{first:?}");
    ledger.lock().unwrap().1.clear();
    for payment in [json!({"clientId": CLIENT}), json!({"paymentMethodId": "pm_1"})] {
        for _ in 0..20 {
            let start = Instant::now();
            assert_eq!(pay(&stack, "/api/joke", payment.clone()).await.status, 503);
            assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
        }
    }
    assert_eq!(ids(&ledger.lock().unwrap().1, "charges"), Vec::<String>::new());
    // The probe that is under way ends after a second; the next one leaves a quarter later.
    ledger.lock().unwrap().0 = Mood::Charges;
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    assert_eq!(pay(&stack, "/api/joke", json!({"clientId": CLIENT})).await.status, 200);
}

/// A ledger that is not there at all, and a cluster that is misspelt: only the first is silence.
#[tokio::test]
async fn a_ledger_that_is_gone_is_silent_and_a_wrong_cluster_is_a_mistake() {
    for (cluster, status) in [("stripe402_ledger", 200), ("stripe402_ledgers", 503)] {
        let options = StackOptions::new().filter(move |filter| {
            filter["ledger_unavailable"] = json!("allow");
            filter["ledger"]["cluster"] = json!(cluster);
        });
        let mut stack = Stack::start(options).await.unwrap();
        stack.ledger().unwrap().process().kill9();
        for _ in 0..2 {
            let answer = pay(&stack, "/api/joke", json!({"clientId": CLIENT})).await;
            assert_eq!(answer.status, status, "{cluster}: {answer:?}");
        }
        if cluster == "stripe402_ledger" {
            stack.healthy_ledgers(0).await.unwrap();
            let answer = pay(&stack, "/api/joke", json!({"clientId": CLIENT})).await;
            assert_eq!(answer.status, 200, "after the health check has noticed, too");
        }
    }
}

/// Envoy has as many requests for the ledger under way as it may, and asks it for no more: the
/// ledger was not asked, and nobody passes for that.
#[tokio::test]
async fn a_circuit_breaker_that_is_open_is_not_silence() {
    let (address, shared) = ledger().await;
    shared.lock().unwrap().0 = Mood::Hangs;
    let options = StackOptions::new()
        .workers(2)
        .filter(|filter| filter["ledger_unavailable"] = json!("allow"))
        .config(move |config| {
            config.endpoints("stripe402_ledger", &[address])?;
            config.cluster("stripe402_ledger")?["circuit_breakers"] =
                json!({"thresholds": [{"max_requests": 1}]});
            Ok(())
        });
    let stack = Stack::start(options).await.unwrap();
    let card = pay(&stack, "/api/joke", json!({"paymentMethodId": "pm_1"}));
    let others = async {
        // Workers tell each other once a second what they have under way.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        for _ in 0..10 {
            // Connections of their own, which either worker may get.
            let other = reqwest::Client::new().get(stack.url("/api/joke"));
            let payment = stripe402_tests::wire::encode(&json!({"clientId": CLIENT}));
            let answer = send(other.header("payment", payment)).await;
            assert_eq!(answer.status, 503, "{answer:?}");
        }
    };
    tokio::select! {
        () = others => {}
        answer = card => panic!("the one that is under way was answered: {answer:?}"),
    }
    assert_eq!(stack.upstream.recorder().count(), 0);
}

/// A stranger floods the gateway with a client id that is made up. The ledger answers everything; the
/// queue makes requests late, the flood holds the workers up, and nobody is let through for that.
#[tokio::test]
async fn a_flood_is_not_silence() {
    let options = StackOptions::new().workers(2).filter(|filter| {
        filter["ledger_unavailable"] = json!("allow");
        // What the flood does to a slow ledger, at once.
        filter["limits"] = json!({"batch": 2});
        // A busy machine, on which the ledger itself is slow, is another matter.
        filter["ledger"]["timeout"] = json!("3s");
    });
    let stack = Stack::start(options).await.unwrap();
    let burst = || {
        let payment = stripe402_tests::wire::encode(&json!({"clientId": CLIENT}));
        let streams = crate::streams_at_once::Burst { streams: 1_000, payment, reset: false };
        crate::streams_at_once::burst(stack.envoy.address(), streams)
    };
    let all = futures_util::future::join_all((0..40).map(|_| burst())).await;
    let count = |status| all.iter().flatten().filter(|answer| **answer == status).count();
    println!("402: {}, 503: {}, 200: {}", count(402), count(503), count(200));
    assert_eq!(count(200), 0, "served though nobody paid");
    assert_eq!(stack.upstream.recorder().count(), 0);
    // Nor afterwards: the ledger was never silent, and answers.
    let start = Instant::now();
    loop {
        let answer = pay(&stack, "/api/joke", json!({"clientId": CLIENT})).await;
        assert_eq!(stack.upstream.recorder().count(), 0, "{answer:?}");
        if answer.status == 402 {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "the ledger does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
