//! Answers that no honest server gives: a typed error, and nothing paid.

use std::sync::Arc;

use serde_json::{Value, json};
use stripe402_client::{Answer, Call, Error, Event, Purse, Step, Terms};
use stripe402_protocol::{Code, Reason, encode};

use crate::{
    server::{Server, challenge, refused},
    talk::{NOW, Payer, policy, request},
};

fn altered(change: impl FnOnce(&mut Value)) -> Answer {
    let mut told = Server::new().challenge();
    change(&mut told);
    challenge(&told)
}

fn price(told: &mut Value, price: Value) {
    told["price"] = price.clone();
    told["accepts"][0]["amount"] = price;
}

/// What a first answer leads to, and that no payment was sent for it.
fn outcome(answer: Answer) -> Result<(), Error> {
    let mut call = Call::new(Arc::new(policy()), request());
    let mut purse = Purse::default();
    let step = call.step(&mut purse, Event::Start, 0);
    assert!(matches!(step, Step::Send { payment: None, .. }));
    match call.step(&mut purse, Event::Answer(answer), 0) {
        Step::Fail { error } => {
            assert_eq!(purse.bound.len() + purse.charges.len(), 0);
            Err(*error)
        }
        _ => Ok(()),
    }
}

#[test]
fn each_is_a_typed_error() {
    let header = |header: &str| Answer {
        status: 402,
        payment_required: Some(header.to_owned()),
        ..Answer::default()
    };
    let good = encode(&Server::new().challenge());
    let rows: Vec<(&str, Answer)> = vec![
        ("challenge_missing", Answer { status: 402, ..Answer::default() }),
        ("challenge_missing", header("")),
        ("challenge_missing", refused_without_header()),
        ("challenge_malformed", header("~~~")),
        ("challenge_malformed", header("bm90IGpzb24=")),
        ("challenge_malformed", header(&encode(&json!([1, 2])))),
        ("challenge_malformed", header(&format!("{good}, {good}"))),
        ("challenge_malformed", altered(|told| price(told, json!(0)))),
        ("challenge_malformed", altered(|told| price(told, json!(-1)))),
        ("challenge_malformed", altered(|told| price(told, json!(1.5)))),
        ("challenge_malformed", altered(|told| price(told, json!("500")))),
        ("challenge_malformed", altered(|told| price(told, json!(9_007_199_254_740_992_i64)))),
        ("challenge_malformed", altered(|told| told["price"] = json!(1))),
        ("challenge_malformed", altered(|told| told["minTopUp"] = json!(1))),
        ("challenge_malformed", header(&encode(&json!({"stripe402Version": 1})))),
        ("challenge_malformed", header(&encode(&json!({"price": 5})))),
        ("price_too_high", altered(|told| price(told, json!(9_007_199_254_740_991_i64)))),
        ("price_too_high", altered(|told| price(told, json!(10_001)))),
        ("unsupported_version", altered(|told| told["stripe402Version"] = json!(2))),
        ("unsupported_version", header(&encode(&json!({"stripe402Version": 0})))),
        ("unsupported_scheme", altered(|told| told["accepts"][0]["scheme"] = json!("exact"))),
        ("unsupported_scheme", header(&encode(&x402()))),
        ("unsupported_scheme", altered(|told| told["accepts"] = x402()["accepts"].clone())),
        ("currency_not_allowed", altered(|told| told["accepts"][0]["currency"] = json!("eur"))),
        ("currency_not_allowed", altered(|told| told["accepts"][0]["currency"] = json!("USD"))),
        ("currency_not_allowed", altered(|told| told["accepts"][0]["currency"] = json!("xxx"))),
    ];
    for (code, answer) in rows {
        let shown = format!("{answer:?}");
        assert_eq!(outcome(answer).unwrap_err().code(), code, "{shown}");
    }
    assert!(outcome(challenge(&Server::new().challenge())).is_ok());
}

/// A challenge of x402, whose header has the same name; its amounts are texts.
fn x402() -> Value {
    json!({
        "x402Version": 2, "resource": {"url": "https://api.example/w"},
        "accepts": [{
            "scheme": "exact", "network": "eip155:8453", "amount": "10000", "asset": "0x8335",
            "payTo": "0x209e", "maxTimeoutSeconds": 60,
        }],
    })
}

/// Who sells by both protocols offers both in one challenge.
#[test]
fn an_offer_of_another_scheme_does_not_hide_ours() {
    let mut told = Server::new().challenge();
    told["x402Version"] = json!(2);
    let other = x402()["accepts"][0].clone();
    told["accepts"].as_array_mut().unwrap().insert(0, other);
    let terms = Terms::read(Some(&encode(&told))).unwrap();
    assert_eq!(terms.price.get(), 500);
    let error = Terms::read(Some(&encode(&x402()))).unwrap_err().to_string();
    assert!(error.starts_with("the server takes payment by exact, "), "{error}");
}

fn refused_without_header() -> Answer {
    Answer { payment_required: None, ..refused("card_declined", None) }
}

#[test]
fn both_spellings_of_version_1_are_read() {
    let short = encode(&json!({"price": 100, "minTopUp": 50_000}));
    let terms = Terms::read(Some(&short)).unwrap();
    assert_eq!((terms.price.get(), terms.currency.as_str()), (100, "usd"));
    assert!(!terms.knows_max_price);
    // What the packages write, without the sums at the top.
    let mut long = Server::new().challenge();
    long.as_object_mut().unwrap().retain(|name, _| !["price", "minTopUp"].contains(&name.as_str()));
    let terms = Terms::read(Some(&encode(&long))).unwrap();
    assert_eq!((terms.price.get(), terms.min_top_up.get()), (500, 50_000));
}

#[test]
fn what_a_server_says_cannot_move_a_terminals_cursor() {
    let mut told = Server::new().challenge();
    told["accepts"][0]["description"] = json!(format!("\x1b[2J\r{}", "x".repeat(5_000)));
    let terms = Terms::read(Some(&encode(&told))).unwrap();
    let description = terms.description.unwrap();
    assert!(description.starts_with("[2Jxxx") && description.len() == 300, "{description}");
}

/// Whatever is answered, however often, a call ends, and sends a card once.
#[test]
fn a_server_that_always_wants_more_gets_one_payment() {
    let endless: [fn() -> Answer; 3] = [
        || challenge(&Server::new().challenge()),
        || altered(|told| told["error"] = json!("insufficient_credits")),
        || crate::server::unavailable(),
    ];
    for (number, answer) in endless.iter().enumerate() {
        let mut call = Call::new(Arc::new(policy()), request());
        let mut purse = Purse::default();
        let (mut event, mut cards, mut keys) = (Event::Start, 0, Vec::new());
        let mut first = true;
        for _ in 0..40 {
            event = match call.step(&mut purse, event, 0) {
                Step::Send { card, payment } => {
                    cards += usize::from(card);
                    if let Some(header) = payment {
                        let sent: Value =
                            stripe402_protocol::decode(header.expose().as_bytes()).unwrap();
                        keys.push(sent["idempotencyKey"].clone());
                    }
                    let told = if first { challenge(&Server::new().challenge()) } else { answer() };
                    first = false;
                    Event::Answer(told)
                }
                Step::TakeTurn => Event::Turn,
                Step::Pause { .. } => Event::Resumed,
                Step::Fail { error } => {
                    let code = error.code();
                    assert!(["payment_loop", "outcome_unknown"].contains(&code), "{code}");
                    break;
                }
                step => panic!("{step:?}"),
            };
        }
        keys.dedup();
        assert_eq!(keys.len(), 1, "{number}: one top-up, whatever is answered");
        assert!((1..=4).contains(&cards), "{number}: {cards}");
        assert_eq!(
            purse.spent(policy().currency, NOW).get(),
            50_000,
            "{number}: counted in any case"
        );
    }
}

/// A call that has just sent a card, and its purse.
fn charging() -> (Call, Purse) {
    let mut call = Call::new(Arc::new(policy()), request());
    let mut purse = Purse::default();
    call.step(&mut purse, Event::Start, 0);
    call.step(&mut purse, Event::Answer(challenge(&Server::new().challenge())), 0);
    let step = call.step(&mut purse, Event::Turn, 0);
    assert!(matches!(step, Step::Send { card: true, .. }), "{step:?}");
    (call, purse)
}

#[test]
fn every_code_and_reason_is_told_as_it_came() {
    let reasons = Reason::ALL.iter().map(|reason| Some(reason.as_str())).chain([None]);
    for (reason, code) in
        reasons.flat_map(|reason| Code::ALL.iter().map(move |code| (reason, code)))
    {
        let code = code.as_str();
        let (mut call, mut purse) = charging();
        let step = call.step(&mut purse, Event::Answer(refused(code, reason)), 0);
        let Step::Fail { error } = step else { panic!("{step:?}") };
        assert_eq!((error.code(), error.reason().as_deref()), (code, reason));
        let json = error.to_json();
        assert_eq!((&json["code"], &json["publishableKey"]), (&json!(code), &json!("pk_test_1")));
        // Nothing was charged; only what a cardholder may still confirm is counted.
        let counted = if reason == Some("authentication_required") { 50_000 } else { 0 };
        assert_eq!(purse.spent(policy().currency, NOW).get(), counted, "{code} {reason:?}");
    }
}

#[test]
fn a_reason_of_a_later_version_hides_no_code_and_settles_no_earlier_attempt() {
    for (reason, tried_before, counted) in [
        (Some("moon_phase"), false, 0),
        (Some("moon_phase"), true, 50_000),
        (Some("frozen"), true, 50_000),
        (None, true, 0),
    ] {
        let (mut call, mut purse) = charging();
        if tried_before {
            call.step(&mut purse, Event::Answer(crate::server::unavailable()), 0);
            let step = call.step(&mut purse, Event::Resumed, 0);
            assert!(matches!(step, Step::Send { card: true, .. }), "{step:?}");
        }
        let step = call.step(&mut purse, Event::Answer(refused("payment_failed", reason)), 0);
        let Step::Fail { error } = step else { panic!("{step:?}") };
        assert_eq!(error.code(), "payment_failed");
        assert_eq!(error.reason().as_deref(), reason.filter(|reason| *reason == "frozen"));
        assert_eq!(purse.spent(policy().currency, NOW).get(), counted, "{reason:?} {tried_before}");
    }
}

#[test]
fn the_cardholders_part_is_surfaced_and_the_next_call_brings_it_to_its_end() {
    let mut body: Value = serde_json::from_str(
        &refused("payment_failed", Some("authentication_required")).body.unwrap(),
    )
    .unwrap();
    body["paymentIntentId"] = json!("pi_3ds");
    body["clientSecret"] = json!("pi_3ds_secret_1");
    let answer = Answer {
        body: Some(body.to_string()),
        ..refused("payment_failed", Some("authentication_required"))
    };
    let mut call = Call::new(Arc::new(policy()), request());
    let mut payer = Payer::default();
    call.step(&mut payer.purse, Event::Start, 0);
    let told = challenge(&Server::new().challenge());
    call.step(&mut payer.purse, Event::Answer(told), 0);
    call.step(&mut payer.purse, Event::Turn, 0);
    let Step::Fail { error } = call.step(&mut payer.purse, Event::Answer(answer), 0) else {
        panic!()
    };
    let json = error.to_json();
    assert_eq!(json["clientSecret"], "pi_3ds_secret_1");
    assert_eq!(json["paymentIntentId"], "pi_3ds");
    let mut server = Server::new();
    let mut next = Call::new(Arc::new(policy()), request());
    next.step(&mut payer.purse, Event::Start, 1);
    next.step(&mut payer.purse, Event::Answer(challenge(&server.challenge())), 1);
    let Step::Send { payment: Some(payment), card: true } =
        next.step(&mut payer.purse, Event::Turn, 1)
    else {
        panic!()
    };
    let sent: Value = stripe402_protocol::decode(payment.expose().as_bytes()).unwrap();
    assert_eq!(
        (&sent["paymentIntentId"], &sent["topUpAmount"]),
        (&json!("pi_3ds"), &json!(50_000))
    );
    let answer = server.answer(1, Some(payment.expose()), None).unwrap();
    let step = next.step(&mut payer.purse, Event::Answer(answer), 1);
    assert!(matches!(step, Step::Done { .. }));
    assert_eq!(payer.purse.spent(policy().currency, NOW).get(), 50_000, "confirmed is charged");
    assert!(payer.purse.origins.values().all(|known| known.pending.is_none()));
}
