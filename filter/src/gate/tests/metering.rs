//! A price that is known afterwards: held, served, measured, captured.

use stripe402_protocol::message::HoldTerms;

use super::*;
use crate::usage::{End, Wrong};

pub(super) const NOW: u64 = 1_795_000_000_000;

pub(super) fn config(price: &Value) -> Rc<Config> {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "access_log": true,
        "routes": [{"name": "chat", "path": "/api/chat", "price": price}],
    });
    Rc::new(Config::parse(json.to_string().as_bytes()).unwrap())
}

pub(super) fn price() -> Value {
    json!({
        "most": 1000,
        "least": 10,
        "hold_for": "60s",
        "usage": [
            {"header": "x-cost"},
            {"json": {"total": "/usage/total"}, "per_1000": {"total": 500}},
        ],
    })
}

/// A request that was held for and forwarded.
pub(super) fn served(price: &Value, left: u32) -> (Stream, Vec<(String, String)>) {
    let mut stream = Stream::new(config(price));
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
    let step = stream.on_request(&head("/api/chat", &payment), &UNSAID, &mut mint);
    let Step::Deduct(deduction) = step else { panic!("{step:?}") };
    assert_eq!(deduction.amount, Units::from_u32(1000));
    let at_end = Units::from_u32(if price["unknown"] == "void" { 0 } else { 1000 });
    assert_eq!(deduction.hold, Some(HoldTerms { ends_ms: NOW + 60_000, at_end, lease: None }));
    let outcome = Ok(DeductionOutcome::Deducted(Units::from_u32(left)));
    let Some(Step::Pass(passed)) = stream.on_deduction(outcome, &mut mint) else {
        panic!("not served")
    };
    assert!(stream.on_forwarded(NOW), "the body is read");
    (stream, told(passed))
}

pub(super) fn raw<'h>(
    headers: &'h [(&'h str, &'h str)],
) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

pub(super) const JSON_200: [(&str, &str); 2] =
    [(":status", "200"), ("content-type", "application/json")];

/// The head of an answer, by whom the details say.
pub(super) fn answer(stream: &mut Stream, headers: &[(&str, &str)], details: &str) -> ResponseStep {
    let head = ResponseHead::read(raw(headers));
    let origin = || Origin { details: Some(details.to_owned()), reached: true };
    let step = stream.on_response(&head, origin);
    stream.on_metered_head(raw(headers));
    step
}

pub(super) fn captured(metered: Option<Metered>) -> (i64, bool, Option<Wrong>) {
    match metered {
        Some(Metered::Captured { captures, usage, describe, .. }) => {
            let [capture] = &*captures else { panic!("{captures:?}") };
            assert_eq!(capture.client_id, CLIENT.parse().unwrap());
            assert_eq!(capture.id, DeductionId::mint(NOW, [7; 10]));
            let describe = describe.unwrap();
            assert!(describe.ends_with(&format!("captured={}", capture.amount)), "{describe}");
            (capture.amount.get(), usage.known, usage.wrong)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_used_is_captured_and_the_receipt_names_the_hold() {
    let (mut stream, headers) = served(&price(), 5000);
    let price = headers.iter().find(|(name, _)| name == "x-stripe402-price").unwrap();
    assert_eq!(price.1, "1000", "the API hears the most");
    let step = answer(&mut stream, &JSON_200, "via_upstream");
    assert!(step.void.is_none());
    let (_, receipt) = step.set.iter().find(|(name, _)| *name == "payment-response").unwrap();
    let receipt: Value = stripe402_protocol::decode(receipt.as_bytes()).unwrap();
    let id = DeductionId::mint(NOW, [7; 10]).to_string();
    assert_eq!(receipt["hold"], json!({"id": id, "amount": 1000}));
    assert_eq!(receipt["creditsRemaining"], 5000);
    assert!(stream.is_metering());
    stream.on_metered_body(br#"{"usage": {"tot"#);
    stream.on_metered_body(br#"al": 130}}"#);
    assert_eq!(captured(stream.on_metered_end(End::Done, NOW)), (65, true, None));
    assert!(stream.on_metered_end(End::Done, NOW).is_none(), "once");
    assert!(stream.on_end(reached).is_none(), "and nothing is voided");
}

/// (source × ending) → captured units.
#[test]
fn every_source_and_ending_has_its_units() {
    let done = |stream: &mut Stream| stream.on_metered_end(End::Done, NOW);
    let broken = |details: &'static str| {
        move |stream: &mut Stream| {
            let origin = Origin { details: Some(details.to_owned()), reached: true };
            stream.on_metered_break(&origin, NOW)
        }
    };
    let reset = "upstream_reset_after_response_started{connection_termination}";
    type Ending = Box<dyn Fn(&mut Stream) -> Option<Metered>>;
    let cost = [(":status", "200"), ("x-cost", "70")];
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c str, Ending, (i64, bool));
    let cases: [Case<'_>; 9] = [
        ("a header", &cost, "", Box::new(done), (70, true)),
        ("a header before a body", &cost, r#"{"usage":{"total":9}}"#, Box::new(done), (70, true)),
        ("a body", &JSON_200, r#"{"usage":{"total":9}}"#, Box::new(done), (10, true)),
        ("too much", &JSON_200, r#"{"usage":{"total":9000}}"#, Box::new(done), (1000, true)),
        ("no number", &JSON_200, "{}", Box::new(done), (1000, false)),
        (
            "the client leaves",
            &JSON_200,
            r#"{"usage""#,
            Box::new(broken("via_upstream")),
            (1000, false),
        ),
        ("the client leaves late", &cost, "x", Box::new(broken("via_upstream")), (70, true)),
        ("an idle stream", &cost, "x", Box::new(broken("stream_idle_timeout")), (70, true)),
        ("no content", &[(":status", "204")], "", Box::new(done), (10, true)),
    ];
    for (name, head, body, end, (units, known)) in cases {
        let (mut stream, _) = served(&price(), 0);
        answer(&mut stream, head, "via_upstream");
        stream.on_metered_body(body.as_bytes());
        let (captured, is_known, _) = captured(end(&mut stream));
        assert_eq!((captured, is_known), (units, known), "{name}");
    }
    let (mut stream, _) = served(&price(), 0);
    answer(&mut stream, &cost, "via_upstream");
    let voided = broken(reset)(&mut stream);
    assert!(matches!(voided, Some(Metered::Voided { .. })), "the API broke it off: {voided:?}");
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "access_log": true,
        "void_on": [],
        "routes": [{"name": "chat", "path": "/api/chat", "price": price()}],
    });
    let mut stream = Stream::new(Rc::new(Config::parse(json.to_string().as_bytes()).unwrap()));
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
    stream.on_request(&head("/api/chat", &payment), &UNSAID, &mut mint);
    stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut mint);
    stream.on_forwarded(NOW);
    answer(&mut stream, &cost, "via_upstream");
    stream.on_metered_body(b"x");
    assert_eq!(captured(broken(reset)(&mut stream)).0, 70, "void_on is empty: as counted");
}

#[test]
fn a_failure_releases_the_hold_as_it_voids_a_deduction() {
    let (mut stream, _) = served(&price(), 0);
    let step = answer(&mut stream, &[(":status", "503"), ("x-cost", "70")], "via_upstream");
    assert_eq!(step.void.unwrap().id, DeductionId::mint(NOW, [7; 10]));
    assert!(!stream.is_metering());
    let (mut stream, _) = served(&price(), 0);
    let never_came = || Origin { details: None, reached: false };
    assert!(stream.on_end(never_came).is_some(), "it never reached the API");
}

/// A gRPC API says at its end whether it failed, and what it cost.
#[test]
fn trailers_decide() {
    let mut grpc = price();
    grpc["usage"] = json!([{"grpc_trailer": "x-cost"}]);
    let head = [(":status", "200"), ("content-type", "application/grpc")];
    for (answered, status, units) in
        [(true, "0", Some(70)), (true, "13", Some(70)), (false, "0", Some(70)), (false, "13", None)]
    {
        let mut stream = Stream::new(config(&grpc));
        let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
        let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
        stream.on_request(&super::head("/api/chat", &payment), &UNSAID, &mut mint);
        stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut mint);
        assert!(!stream.on_forwarded(NOW), "no body is read");
        answer(&mut stream, &head, "via_upstream");
        if answered {
            stream.on_metered_body(b"message");
        }
        let trailers = [("grpc-status", status), ("x-cost", "70")];
        let said = ResponseHead::read(raw(&trailers));
        let metered = stream.on_metered_trailers(&said, raw(&trailers), NOW);
        match units {
            Some(units) => assert_eq!(captured(metered).0, units, "{answered} {status}"),
            None => assert!(matches!(metered, Some(Metered::Voided { .. })), "{answered} {status}"),
        }
    }
}
