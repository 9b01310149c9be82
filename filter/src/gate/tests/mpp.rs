//! MPP: challenges, credentials, and how both are told.

mod any;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use stripe402_protocol::{Code, Reason, message::CardPayment, mpp::DESCRIPTION};

use super::*;

const TOKEN: &str = "spt_1RgaZcFPC5QUO6ZCDVZuVA8q";

fn config_with(change: impl FnOnce(&mut Value)) -> Rc<Config> {
    let mut json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "trial": {"units": 2_000},
        "routes": [
            {"name": "joke", "path": "/api/joke", "price": 100},
            {"name": "dear", "path": "/api/dear", "price": 100, "min_top_up": 70_000},
        ],
        "mpp": {
            "enabled": true,
            "realm": "api.example.com",
            "network_id": "profile_test_61",
            "secret": "a secret of the gate of 32 bytes at least",
        },
    });
    change(&mut json);
    Rc::new(Config::parse(json.to_string().as_bytes()).unwrap())
}

fn config() -> Rc<Config> {
    config_with(|_| {})
}

/// Ids of one moment, each another.
fn minting_at(ms: u64) -> impl FnMut() -> Option<DeductionId> {
    let mut number = 0;
    move || {
        number += 1;
        Some(DeductionId::mint(ms, [number; 10]))
    }
}

fn ask_at(
    config: &Rc<Config>,
    path: &str,
    headers: &[(&str, &str)],
    ms: u64,
) -> (Stream, Step, Vec<String>) {
    let usual = [(":method", "GET"), (":path", path)];
    let all = usual.iter().chain(headers);
    let all = all.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = Head::read(all, &Identity::default(), config.credential_header());
    let mut stream = Stream::new(Rc::clone(config));
    let step = stream.on_request(&head, &UNSAID, &mut minting_at(ms));
    let removed = head.remove.iter().map(|name| (*name).to_owned()).collect();
    (stream, step, removed)
}

fn ask(config: &Rc<Config>, headers: &[(&str, &str)]) -> Step {
    ask_at(config, "/api/joke", headers, 0).1
}

fn reply(step: Step) -> EncodedReply {
    match step {
        Step::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn header(reply: &EncodedReply, name: &str) -> Option<String> {
    let mut found = reply.headers.iter().filter(|(of, _)| *of == name);
    let value = found.next().map(|(_, value)| value.to_string());
    assert!(found.next().is_none(), "{name} twice");
    value
}

fn parameter(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// What a client makes of a challenge.
fn credential(challenge: &str) -> Value {
    let mut echo = serde_json::Map::new();
    for name in ["id", "realm", "method", "intent", "request", "expires", "opaque"] {
        echo.insert(name.to_owned(), parameter(challenge, name).unwrap().into());
    }
    json!({"challenge": echo, "payload": {"spt": TOKEN}})
}

fn encoded(credential: &Value) -> String {
    format!("Payment {}", URL_SAFE_NO_PAD.encode(credential.to_string()))
}

fn challenge_of(config: &Rc<Config>, path: &str) -> String {
    header(&reply(ask_at(config, path, &[], 0).1), "www-authenticate").unwrap()
}

fn paid(step: Step) -> CardPayment {
    match step {
        Step::Pay(request) => {
            assert_eq!(request.trial, None, "a token cannot be verified without a charge");
            *request
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_402_asks_in_both_ways_and_a_credential_for_it_is_taken() {
    let config = config();
    let asked = reply(ask(&config, &[]));
    let challenge = header(&asked, "www-authenticate").unwrap();
    assert!(header(&asked, "payment-required").is_some());
    for (name, value) in [
        ("realm", "api.example.com"),
        ("method", "stripe"),
        ("intent", "charge"),
        ("description", DESCRIPTION),
        ("expires", "1970-01-01T00:05:00Z"),
    ] {
        assert_eq!(parameter(&challenge, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(parameter(&challenge, "header"), None);
    let request = URL_SAFE_NO_PAD.decode(parameter(&challenge, "request").unwrap()).unwrap();
    let request: Value = serde_json::from_slice(&request).unwrap();
    assert_eq!((&request["amount"], &request["currency"]), (&json!("500"), &json!("usd")));
    let details = json!({"networkId": "profile_test_61", "paymentMethodTypes": ["card"]});
    assert_eq!(request["methodDetails"], details);

    let value = encoded(&credential(&challenge));
    let (_, step, removed) = ask_at(&config, "/api/joke", &[("authorization", &value)], 299_000);
    let request = paid(step);
    assert_eq!(removed, ["authorization"]);
    assert_eq!(request.instrument.as_str(), TOKEN);
    assert_eq!(request.idempotency_key, parameter(&challenge, "id"));
    assert_eq!(request.top_up_amount, None, "the least");
}

#[test]
fn an_empty_header_of_its_own_is_no_credential() {
    let config = config_with(|config| config["mpp"]["header"] = json!("Payment-Authorization"));
    let (_, step, removed) = ask_at(&config, "/api/joke", &[("payment-authorization", "")], 0);
    assert_eq!((reply(step).status, removed), (402, vec!["payment-authorization".to_owned()]));
}

#[test]
fn without_mpp_nothing_of_it_is_seen() {
    let off = config_with(|config| config["mpp"]["enabled"] = json!(false));
    let value = encoded(&credential(&challenge_of(&config(), "/api/joke")));
    let headers = [("authorization", value.as_str()), ("accept-payment", "stripe/charge")];
    let (_, step, removed) = ask_at(&off, "/api/joke", &headers, 0);
    let asked = reply(step);
    assert_eq!(header(&asked, "www-authenticate"), None);
    assert!(header(&asked, "payment-required").is_some());
    assert!(removed.is_empty(), "{removed:?}");
}

#[test]
fn a_client_that_names_itself_gets_no_payment_required_header() {
    for mode in [None, Some("application/grpc")] {
        let mut headers = vec![("accept-payment", "stripe/charge")];
        headers.extend(mode.map(|mode| ("content-type", mode)));
        let asked = reply(ask(&config(), &headers));
        assert!(header(&asked, "www-authenticate").is_some());
        assert_eq!(header(&asked, "payment-required").is_some(), mode.is_some());
    }
}

#[test]
fn every_challenge_has_another_id() {
    let config = config();
    let of = |number: u8| {
        let head = head("/api/joke", "");
        let mut mint = || Some(DeductionId::mint(0, [number; 10]));
        let step = Stream::new(Rc::clone(&config)).on_request(&head, &UNSAID, &mut mint);
        parameter(&header(&reply(step), "www-authenticate").unwrap(), "id").unwrap()
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

/// The status, MPP's name for it, and whether it carries a challenge.
fn told(reply: &EncodedReply) -> (u16, String, bool) {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let kind = body["type"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    assert_eq!(body["status"], reply.status);
    assert_eq!(body["detail"], body["error"]);
    let fresh = header(reply, "www-authenticate");
    let id = fresh.as_deref().and_then(|fresh| parameter(fresh, "id"));
    assert_eq!(body["challengeId"].as_str(), id.as_deref());
    assert_eq!(fresh.is_some(), reply.status == 402, "{kind}");
    assert_eq!(header(reply, "cache-control").as_deref(), Some("no-store"));
    (reply.status, kind, fresh.is_some())
}

#[test]
fn credentials_are_refused_in_order_of_precedence() {
    let config = config();
    let challenge = challenge_of(&config, "/api/joke");
    let sound = credential(&challenge);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = sound.clone();
        change(&mut changed);
        encoded(&changed)
    };
    let other = config_with(|config| {
        config["mpp"]["secret"] = json!("another secret of the gate of 32 bytes at least");
    });
    let foreign = encoded(&credential(&challenge_of(&other, "/api/joke")));
    let dearer = encoded(&credential(&challenge_of(&config, "/api/dear")));
    let long = format!("Payment {}", "A".repeat(16 * 1_024));
    let twice = format!("{}, {}", encoded(&sound), encoded(&sound));
    let beside = format!("Bearer x, {}", encoded(&sound));
    let in_time = 299_999;
    for (name, value, ms, expected) in [
        ("garbage", "Payment dGhpcyBpcyBnYXJiYWdl".to_owned(), 0, "malformed-credential"),
        ("nothing", "Payment".to_owned(), 0, "malformed-credential"),
        ("16 KB", long, 0, "malformed-credential"),
        ("another gate's", foreign, 0, "invalid-challenge"),
        ("no expiry", with(&|c| c["challenge"]["expires"] = Value::Null), 0, "invalid-challenge"),
        ("another route's", dearer, in_time, "invalid-challenge"),
        ("too late", encoded(&sound), 300_000, "payment-expired"),
        ("no token", with(&|c| c["payload"] = json!({})), in_time, "invalid-payload"),
        ("no payload", with(&|c| c["payload"] = json!({"spt": "pm_1"})), 0, "invalid-payload"),
        ("two", twice, 0, "bad-request"),
        ("beside another", beside, 0, "bad-request"),
    ] {
        let refused = reply(ask_at(&config, "/api/joke", &[("authorization", &value)], ms).1);
        let status = if expected == "bad-request" { 400 } else { 402 };
        assert_eq!(told(&refused), (status, expected.to_owned(), status == 402), "{name}");
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!(body["errorCode"], "invalid_payment", "{name}");
        assert_eq!(header(&refused, "content-type").as_deref(), Some("application/json"));
        let headers = [("authorization", value.as_str()), ("accept-payment", "stripe/charge")];
        let typed = reply(ask_at(&config, "/api/joke", &headers, ms).1);
        let kind = header(&typed, "content-type");
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{name}");
        assert_eq!(header(&typed, "payment-required"), None, "{name}");
    }
    let both = encoded(&sound);
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let headers = [("authorization", both.as_str()), ("payment", payment.as_str())];
    assert_eq!(told(&reply(ask(&config, &headers))), (400, "bad-request".to_owned(), false));
    paid(ask_at(&config, "/api/joke", &[("authorization", &both)], in_time).1);
}

/// (status, MPP's name) of what the ledger refuses.
#[test]
fn paying_again_is_offered_only_where_it_helps() {
    let refusal = |code, reason: Option<Reason>| {
        let refusal = Refusal::new(code, "no");
        reason.map_or(refusal.clone(), |reason| refusal.because(reason))
    };
    use Code::{CardDeclined, InvalidPayment, PaymentFailed, TopUpBelowMinimum};
    for (code, reason, status, kind) in [
        (CardDeclined, None, 402, "verification-failed"),
        (PaymentFailed, None, 402, "verification-failed"),
        (PaymentFailed, Some(Reason::AuthenticationRequired), 403, "payment-action-required"),
        (PaymentFailed, Some(Reason::RateLimited), 503, "verification-failed"),
        (PaymentFailed, Some(Reason::Frozen), 403, "verification-failed"),
        (TopUpBelowMinimum, Some(Reason::Debt), 403, "verification-failed"),
        (InvalidPayment, Some(Reason::IdempotencyMismatch), 403, "verification-failed"),
        (InvalidPayment, None, 403, "verification-failed"),
    ] {
        let config = config();
        let value = encoded(&credential(&challenge_of(&config, "/api/joke")));
        let (mut stream, step, _) =
            ask_at(&config, "/api/joke", &[("authorization", &value)], 1_000);
        let deduction_id = paid(step).deduction_id;
        let refusal = refusal(code, reason);
        let answer = CardAnswer::Refused { deduction_id, refusal, retry_after: Some(7) };
        let refused = reply(stream.on_card(Ok(answer)).unwrap());
        assert_eq!(told(&refused), (status, kind.to_owned(), status == 402), "{code:?} {reason:?}");
        assert_eq!(header(&refused, "retry-after").as_deref(), Some("7"));
        assert_eq!(header(&refused, "payment-required").is_some(), status == 402);
    }
    let config = config();
    let value = encoded(&credential(&challenge_of(&config, "/api/joke")));
    let (mut stream, step, _) = ask_at(&config, "/api/joke", &[("authorization", &value)], 0);
    paid(step);
    let unknown = reply(stream.on_card(Err(LedgerError::InvalidResponse)).unwrap());
    assert_eq!((unknown.status, header(&unknown, "www-authenticate")), (503, None));
}

#[test]
fn a_paid_answer_has_a_receipt_if_it_succeeds() {
    let config = config();
    let value = encoded(&credential(&challenge_of(&config, "/api/joke")));
    for (status, charged, receipt) in
        [(200, Some("pi_1"), true), (204, None, true), (404, Some("pi_1"), false)]
    {
        let (mut stream, step, _) =
            ask_at(&config, "/api/joke", &[("authorization", &value)], 60_000);
        let deduction_id = paid(step).deduction_id;
        let answer = CardAnswer::Paid {
            deduction_id,
            client_id: CLIENT.parse().unwrap(),
            credits_remaining: Units::from_u32(49_900),
            payment_intent_id: charged.map(ToOwned::to_owned),
        };
        assert_eq!(word(&stream.on_card(Ok(answer)).unwrap()), "served");
        let head = ResponseHead { status, receipt: true, ..ResponseHead::default() };
        let step = stream.on_response(&head, || Origin {
            details: Some("via_upstream".to_owned()),
            reached: true,
        });
        assert!(step.remove.iter().any(|name| name == "payment-receipt"), "the API's own");
        let set = |name: &str| step.set.iter().find(|(of, _)| *of == name).map(|(_, value)| value);
        assert!(set("payment-response").is_some());
        assert_eq!(set("cache-control").unwrap(), "private");
        let found = set("payment-receipt");
        assert_eq!(found.is_some(), receipt, "{status}");
        if let Some(found) = found {
            let json = URL_SAFE_NO_PAD.decode(found.as_bytes()).unwrap();
            let json: Value = serde_json::from_slice(&json).unwrap();
            let reference = charged.map_or(deduction_id.to_string(), ToOwned::to_owned);
            assert_eq!(json["reference"], reference);
            assert_eq!(json["timestamp"], "1970-01-01T00:01:00Z");
            assert_eq!(
                (&json["creditsRemaining"], &json["clientId"]),
                (&json!(49_900), &json!(CLIENT))
            );
        }
    }
}

#[test]
fn other_schemes_stay_and_ours_never_reaches_the_api() {
    let config = config();
    for value in ["Bearer Payment", "Basic UGF5bWVudA==", "Digest a=\", Payment b\"", "Negotiate x"]
    {
        for path in ["/api/joke", "/api/free"] {
            let (_, _, removed) = ask_at(&config, path, &[("authorization", value)], 0);
            assert!(removed.is_empty(), "{value}");
        }
    }
    let value = encoded(&credential(&challenge_of(&config, "/api/joke")));
    for path in ["/api/joke", "/api/free"] {
        let (_, _, removed) = ask_at(&config, path, &[("authorization", &value)], 0);
        assert_eq!(removed, ["authorization"], "{path}");
    }
    // Two headers: an API could take either.
    for headers in [
        [("authorization", "Bearer x"), ("authorization", value.as_str())],
        [("authorization", value.as_str()), ("authorization", "Bearer x")],
        [("authorization", value.as_str()), ("authorization", value.as_str())],
    ] {
        let (_, step, removed) = ask_at(&config, "/api/joke", &headers, 0);
        assert_eq!(told(&reply(step)).0, 400);
        assert!(removed.contains(&"authorization".to_owned()));
    }
}

#[test]
fn with_a_header_of_its_own_authorization_is_never_touched() {
    let config = config_with(|config| config["mpp"]["header"] = json!("Payment-Authorization"));
    let challenge = challenge_of(&config, "/api/joke");
    assert_eq!(parameter(&challenge, "header").as_deref(), Some("Payment-Authorization"));
    let value = encoded(&credential(&challenge));
    let (_, step, removed) = ask_at(&config, "/api/joke", &[("authorization", &value)], 0);
    assert_eq!(reply(step).status, 402, "it is the API's");
    assert!(removed.is_empty());
    let headers = [("payment-authorization", value.as_str()), ("authorization", "Bearer x")];
    let (_, step, removed) = ask_at(&config, "/api/joke", &headers, 0);
    paid(step);
    assert_eq!(removed, ["payment-authorization"]);
    let (_, _, removed) = ask_at(&config, "/api/free", &[("payment_authorization", &value)], 0);
    assert_eq!(removed, ["payment_authorization"], "in every spelling");
    let (_, step, _) = ask_at(&config, "/api/joke", &[("payment-authorization", "Bearer x")], 0);
    assert_eq!(told(&reply(step)).0, 400);
}

#[test]
fn an_older_secret_is_honoured() {
    let old = config();
    let rotated = config_with(|config| {
        let secret = config["mpp"]["secret"].as_str().unwrap().to_owned();
        let both = format!("a newer secret of the gate of 32 bytes, {secret}");
        config["mpp"]["secret"] = json!(both);
    });
    assert_ne!(challenge_of(&old, "/api/joke"), challenge_of(&rotated, "/api/joke"));
    for made in [&old, &rotated] {
        let value = encoded(&credential(&challenge_of(made, "/api/joke")));
        paid(ask(&rotated, &[("authorization", &value)]));
    }
}
