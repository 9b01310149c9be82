#![expect(clippy::arithmetic_side_effects, reason = "an overflow must fail the test")]

mod anonymous;
mod answers;
mod audience;
mod extending;
mod leaving;
mod mcp;
mod metering;
mod mpp;
mod places;
mod told;

use serde_json::{Value, json};
use stripe402_protocol::{
    ClientId, DeductionId, Refusal, Units,
    message::{CardAnswer, DeductionOutcome},
};

use super::*;
use crate::config::Identity;

const UNSAID: RouteOverride = RouteOverride::None(None);
const CLIENT: &str = "d1782dadaf1e757e6bb8a043678e581adc10990a279c80bc58ddbd50caa6fffd";

fn config() -> Rc<Config> {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"name": "joke", "path": "/api/joke", "price": 100}],
        "limits": {"payment_header_bytes": 400},
    });
    Rc::new(Config::parse(json.to_string().as_bytes()).unwrap())
}

fn head<'h>(path: &'h str, payment: &'h str) -> Head<'h> {
    let headers = [(":method", "GET"), (":path", path), ("payment", payment)];
    let headers = headers.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    Head::read(headers, &Identity::default(), None)
}

fn start(path: &str, payment: &Value) -> (Stream, Step) {
    let mut stream = Stream::new(config());
    let payment =
        if payment.is_null() { String::new() } else { stripe402_protocol::encode(payment) };
    let step = stream.on_request(&head(path, &payment), &UNSAID, &mut minting());
    (stream, step)
}

fn minting() -> impl FnMut() -> Option<DeductionId> {
    let mut number = 0;
    move || {
        number += 1;
        Some(DeductionId::mint(number, [7; 10]))
    }
}

/// A stream that ended after the API had the request.
fn reached() -> Origin {
    Origin { details: None, reached: true }
}

/// What the API is told.
fn told(passed: Passed) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    passed.tell(&Identity::default(), |name, value| {
        headers.push((name.to_owned(), value.to_owned()));
    });
    headers
}

/// What a step is, in a word.
fn word(step: &Step) -> String {
    match step {
        Step::Pass(Passed::Free) => "free".to_owned(),
        Step::Pass(Passed::Paid(_)) => "served".to_owned(),
        Step::Pass(Passed::Unpaid) => "unpaid".to_owned(),
        Step::Pass(Passed::Anonymous) => "anonymous".to_owned(),
        Step::Count(_) => "counted".to_owned(),
        Step::Ask(_) => "asked".to_owned(),
        Step::Deduct(_) => "charge".to_owned(),
        Step::Pay(_) => "card".to_owned(),
        Step::Read => "read".to_owned(),
        Step::Reply(reply) => {
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            let code = [&body["errorCode"], &body["error"]["code"], &body["error"]];
            let code = code.iter().find_map(|code| code.as_str()).unwrap_or("challenge");
            assert_eq!(reply.status, if code == "ledger_unavailable" { 503 } else { 402 });
            code.to_owned()
        }
    }
}

#[test]
fn the_request_decides_in_order_of_precedence() {
    let long = "k".repeat(400);
    for (payment, expected) in [
        (Value::Null, "challenge"),
        (json!({}), "challenge"),
        (json!({"clientId": "", "paymentMethodId": null}), "challenge"),
        (json!({"paymentIntentId": "pi_1"}), "challenge"),
        (json!({"clientId": 7}), "invalid_payment"),
        (json!({"description": long, "clientId": CLIENT}), "invalid_payment"),
        (json!({"clientId": CLIENT, "maxPrice": 99}), "challenge"),
        (json!({"clientId": CLIENT, "maxPrice": 100}), "charge"),
        (json!({"clientId": CLIENT}), "charge"),
        (json!({"clientId": "c8a2e"}), "insufficient_credits"),
        (json!({"clientId": CLIENT.to_uppercase()}), "insufficient_credits"),
        (json!({"clientId": "c8a2e", "paymentMethodId": "pm_1"}), "card"),
        (json!({"clientId": CLIENT, "paymentMethodId": "pm_1"}), "charge"),
        (json!({"paymentMethodId": "pm_1"}), "card"),
        (json!({"paymentMethodId": "card_1"}), "payment_failed"),
        (json!({"paymentMethodId": "pm_1/../x"}), "payment_failed"),
        (json!({"paymentMethodId": "pm_1", "paymentIntentId": "pi-1"}), "payment_failed"),
    ] {
        let (_, step) = start("/api/joke", &payment);
        assert_eq!(word(&step), expected, "{payment}");
    }
    assert_eq!(word(&start("/api/free", &json!({"clientId": 7})).1), "free");
}

/// docs/ARCHITECTURE.md, "What reaches the ledger of a request".
#[test]
fn whatever_a_client_writes_the_message_to_the_ledger_is_short() {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"name": "n".repeat(256), "path": "/api/joke", "price": 100}],
    });
    let config = Rc::new(Config::parse(json.to_string().as_bytes()).unwrap());
    let payment = |id: usize, key: usize| {
        json!({
            "paymentMethodId": format!("pm_{}", "a".repeat(id)),
            "paymentIntentId": format!("pi_{}", "a".repeat(id)),
            "idempotencyKey": "\"".repeat(key),
            "topUpAmount": i64::MIN,
            "unknown": "x".repeat(4_000),
        })
    };
    let ask = |payment: &Value| {
        let header = stripe402_protocol::encode(payment);
        let step = Stream::new(Rc::clone(&config)).on_request(
            &head("/api/joke", &header),
            &UNSAID,
            &mut minting(),
        );
        match step {
            Step::Pay(mut message) => {
                message.source = Some("[2001:db8:1111:2222:3333:4444:5555:6666]".to_owned());
                Some(serde_json::to_vec(&message).unwrap().len())
            }
            _ => None,
        }
    };
    let longest = ask(&payment(255, 64)).unwrap();
    assert!(longest <= 2_048, "{longest}");
    assert_eq!((ask(&payment(256, 64)), ask(&payment(255, 65))), (None, None));
}

#[test]
fn two_payment_headers_are_one_too_many() {
    let good = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    for (one, other) in [(good.as_str(), good.as_str()), (&good, ""), ("", &good)] {
        let headers =
            [(":method", "GET"), (":path", "/api/joke"), ("payment", one), ("payment", other)];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers.into_iter(), &Identity::default(), None);
        let step = Stream::new(config()).on_request(&head, &UNSAID, &mut minting());
        assert_eq!(word(&step), "invalid_payment");
    }
}

#[test]
fn without_random_bytes_nothing_is_charged_and_nothing_served() {
    for payment in [json!({"clientId": CLIENT}), json!({"paymentMethodId": "pm_1"})] {
        let header = stripe402_protocol::encode(&payment);
        let step =
            Stream::new(config()).on_request(&head("/api/joke", &header), &UNSAID, &mut || None);
        assert_eq!(word(&step), "ledger_unavailable");
    }
}

#[test]
fn what_the_client_sends_in_our_name_is_removed_on_every_route() {
    let names = [
        "payment",
        "x-stripe402-client-id",
        "x-stripe402_client-id",
        "x_stripe402_price",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-stream-duration-ms",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-retry-on",
        "x-envoy-max-retries",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names",
        "x-envoy-whatever-comes-next",
        "x.stripe402.client.id",
        "X-STRIPE402-UNPAID",
        "x-original-url",
        "x_rewrite_url",
        "payment-required",
        "payment-response",
    ];
    let kept = [
        "x-request-id",
        "x-envoy-external-address",
        "x-envoy-internal",
        "x-envoy-original-path",
        "x-envoy-downstream-service-cluster",
        "x-envoy-peer-metadata-id",
        "x-stripe402",
        "accept",
    ];
    let headers = names.iter().chain(&kept).map(|name| (name.as_bytes(), &b"1"[..]));
    assert_eq!(Head::read(headers, &Identity::default(), None).remove, names);
}

#[test]
fn the_ledgers_word_on_a_charge() {
    let left = Units::from_u32(900);
    let with_card = json!({"clientId": CLIENT, "paymentMethodId": "pm_1"});
    let without = json!({"clientId": CLIENT});
    for (outcome, alone, expected_with_card) in [
        (Ok(DeductionOutcome::Deducted(left)), "served", "served"),
        (Ok(DeductionOutcome::Insufficient), "insufficient_credits", "card"),
        (Ok(DeductionOutcome::Frozen), "payment_failed", "payment_failed"),
        (Ok(DeductionOutcome::Voided), "ledger_unavailable", "ledger_unavailable"),
        (Ok(DeductionOutcome::Conflict), "ledger_unavailable", "ledger_unavailable"),
        (Ok(DeductionOutcome::Stale), "ledger_unavailable", "ledger_unavailable"),
        (Err(LedgerError::InvalidResponse), "ledger_unavailable", "ledger_unavailable"),
        (Err(LedgerError::Unreachable), "ledger_unavailable", "ledger_unavailable"),
    ] {
        for (payment, expected) in [(&without, alone), (&with_card, expected_with_card)] {
            let (mut stream, _) = start("/api/joke", payment);
            let step = stream.on_deduction(outcome, &mut minting()).unwrap();
            assert_eq!(word(&step), expected, "{outcome:?}");
            let again = stream.on_deduction(outcome, &mut minting());
            assert!(again.is_none(), "a second answer decides nothing");
        }
    }
}

#[test]
fn the_ledgers_word_on_a_card() {
    let deduction_id = DeductionId::mint(1, [7; 10]);
    let refusal = Refusal::new(stripe402_protocol::Code::CardDeclined, "no");
    let paid = CardAnswer::Paid {
        deduction_id,
        client_id: CLIENT.parse().unwrap(),
        credits_remaining: Units::from_u32(1),
        payment_intent_id: None,
    };
    for (answer, expected) in [
        (Ok(paid), "served"),
        (Ok(CardAnswer::Insufficient { deduction_id }), "insufficient_credits"),
        (Ok(CardAnswer::Refused { deduction_id, refusal, retry_after: None }), "card_declined"),
        (Err(LedgerError::InvalidResponse), "ledger_unavailable"),
        (Err(LedgerError::Unreachable), "ledger_unavailable"),
    ] {
        let (mut stream, _) = start("/api/joke", &json!({"paymentMethodId": "pm_1"}));
        assert_eq!(stream.waits_for(), Some(deduction_id));
        assert_eq!(word(&stream.on_card(answer.clone()).unwrap()), expected);
        assert!(stream.on_card(answer).is_none());
    }
}

#[test]
fn the_api_learns_who_paid_and_the_client_what_is_left() {
    let (mut stream, _) = start("/api/joke", &json!({"clientId": CLIENT}));
    let deducted = Ok(DeductionOutcome::Deducted(Units::from_u32(900)));
    let Some(Step::Pass(passed)) = stream.on_deduction(deducted, &mut minting()) else { panic!() };
    let headers = told(passed);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let deduction = DeductionId::mint(1, [7; 10]).to_string();
    let expected = [
        ("x-stripe402-client-id", CLIENT),
        ("x-stripe402-credits-remaining", "900"),
        ("x-stripe402-price", "100"),
        ("x-stripe402-charge-id", &deduction),
    ];
    assert_eq!(headers, expected);
    let step = stream
        .on_response(&ResponseHead { status: 200, ..ResponseHead::default() }, Origin::default);
    let receipt = &step.set[0];
    assert_eq!(receipt.0, "payment-response");
    let receipt: Value = stripe402_protocol::decode(receipt.1.as_bytes()).unwrap();
    let left = json!({
        "success": true, "creditsRemaining": 900, "clientId": CLIENT, "currency": "usd",
    });
    assert_eq!(receipt, left);
}

#[test]
fn options_reach_nobody_who_could_take_them_for_a_priced_method() {
    for (path, expected) in [("/api/joke", "204"), ("/API/joke/", "204"), ("/api/free", "free")] {
        let headers = [(":method", "OPTIONS"), (":path", path)];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers.into_iter(), &Identity::default(), None);
        let step = Stream::new(config()).on_request(&head, &UNSAID, &mut minting());
        let got = match &step {
            Step::Reply(reply) => reply.status.to_string(),
            _ => "free".to_owned(),
        };
        assert_eq!(got, expected, "{path}");
    }
}

#[test]
fn a_challenge_names_the_path_that_was_asked_for() {
    for (asked, url) in [("/api/joke?x=1", "/api/joke"), ("/API/Joke/?x", "/API/Joke/")] {
        let (_, step) = start(asked, &Value::Null);
        let Step::Reply(reply) = step else { panic!() };
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["resource"]["url"], url);
        let header = reply.headers.iter().find(|(name, _)| *name == "payment-required").unwrap();
        let header: Value = stripe402_protocol::decode(header.1.as_bytes()).unwrap();
        assert_eq!(header, body);
    }
}

#[test]
fn a_charge_is_for_the_client_the_price_and_the_route() {
    let (_, step) = start("/api/joke", &json!({"clientId": CLIENT}));
    let Step::Deduct(deduction) = step else { panic!() };
    let client: ClientId = CLIENT.parse().unwrap();
    assert_eq!(
        (deduction.client_id, deduction.amount.get(), &*deduction.route),
        (client, 100, "joke")
    );
}

#[test]
fn a_silent_ledger_may_be_allowed_and_a_useless_one_may_not() {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"path": "/api/joke", "price": 100}],
        "ledger_unavailable": "allow",
    });
    let config = Rc::new(Config::parse(json.to_string().as_bytes()).unwrap());
    for payment in [json!({"clientId": CLIENT}), json!({"paymentMethodId": "pm_1"})] {
        for (trouble, expected) in [
            (LedgerError::Unreachable, "unpaid"),
            (LedgerError::InvalidResponse, "ledger_unavailable"),
        ] {
            let mut stream = Stream::new(Rc::clone(&config));
            let header = stripe402_protocol::encode(&payment);
            stream.on_request(&head("/api/joke", &header), &UNSAID, &mut minting());
            let step = stream
                .on_deduction(Err(trouble), &mut minting())
                .or_else(|| stream.on_card(Err(trouble)))
                .unwrap();
            assert_eq!(word(&step), expected, "{payment} {trouble:?}");
            let Step::Pass(passed) = step else { continue };
            let marked = ("x-stripe402-unpaid".to_owned(), "ledger_unavailable".to_owned());
            assert_eq!(told(passed), [marked], "and nobody is named");
            let head = ResponseHead { status: 500, ..ResponseHead::default() };
            let step = stream.on_response(&head, Origin::default);
            assert!(step.void.is_none(), "there is nothing to give back");
            let set: Vec<_> = step.set.iter().map(|(name, _)| *name).collect();
            assert_eq!(set, ["cache-control", "vary"]);
        }
    }
    let mut stream = Stream::new(config);
    let step = stream.on_request(&head("/api/joke", ""), &UNSAID, &mut minting());
    assert_eq!(word(&step), "challenge", "who does not try to pay is told to");
}
