//! What a payer is told of a price that is known afterwards, and what its request says of it.

use super::{
    metering::{JSON_200, NOW, answer, captured, config, price, raw, served},
    *,
};
use crate::usage::End;

#[test]
fn trailers_tell_a_client_that_takes_them_what_it_cost() {
    for takes_trailers in [true, false] {
        let mut stream = Stream::new(config(&price()));
        let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
        let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
        let head = Head { takes_trailers, ..head("/api/chat", &payment) };
        stream.on_request(&head, &UNSAID, &mut mint);
        let left = Units::from_u32(5_000);
        stream.on_deduction(Ok(DeductionOutcome::Deducted(left)), &mut mint);
        stream.on_forwarded(NOW);
        answer(&mut stream, &JSON_200, "via_upstream");
        let trailers = [("x-cost", "70")];
        let said = ResponseHead::read(raw(&trailers));
        let metered = stream.on_metered_trailers(&said, raw(&trailers), NOW);
        // The header was not there, so that only the body counts, which there was none of.
        let Some(Metered::Captured { captures, receipt, .. }) = metered else { panic!() };
        assert_eq!(receipt.is_some(), takes_trailers);
        let Some(receipt) = receipt else { continue };
        let receipt: Value = stripe402_protocol::decode(receipt.as_bytes()).unwrap();
        let captured = captures[0].amount.get();
        assert_eq!(receipt["hold"]["captured"], captured);
        assert_eq!(receipt["creditsRemaining"], 5_000 + 1_000 - captured);
    }
}

fn by_model(other: &str) -> Value {
    json!({
        "most": 1000,
        "hold_for": "60s",
        "usage": [{"json": {"total": "/usage/total"}}],
        "by": {"json": "/model", "other": other, "table": {
            "small": {"total": 1000},
            "large": {"total": 10_000},
        }},
    })
}

/// The body of the request chooses the unit prices, and nothing of it passes before it has.
#[test]
fn the_requests_body_chooses_the_unit_prices() {
    let run = |other: &str, pieces: &[&str]| {
        let (mut stream, _) = served(&by_model(other), 0);
        assert_eq!(stream.request_body_use(), RequestBodyUse::Read);
        let mut held = 0;
        for (at, piece) in pieces.iter().enumerate() {
            match stream.on_request_body(piece.as_bytes(), at + 1 == pieces.len(), &mut || None) {
                BodyStep::Pass => {}
                BodyStep::Hold => held += 1,
                BodyStep::Decided(decided) => panic!("{decided:?}"),
                BodyStep::Refuse(step, void) => {
                    let Step::Reply(reply) = *step else { panic!() };
                    assert_eq!(void.id, DeductionId::mint(NOW, [7; 10]));
                    assert_eq!(reply.status, 400);
                    assert!(!stream.is_held(), "its hold is released");
                    return (held, None);
                }
            }
        }
        answer(&mut stream, &JSON_200, "via_upstream");
        stream.on_metered_body(b"{\"usage\": {\"total\": 7}}");
        (held, Some(captured(stream.on_metered_end(End::Done, NOW)).0))
    };
    assert_eq!(run("refuse", &[r#"{"model": "small"}"#]), (0, Some(7)));
    assert_eq!(run("refuse", &[r#"{"mod"#, r#"el": "large""#, "}"]), (2, Some(70)));
    assert_eq!(run("refuse", &[r#"{"model": "#, r#""huge"}"#]), (1, None));
    assert_eq!(run("refuse", &["{}"]), (0, None));
    assert_eq!(run("large", &[r#"{"model": "#, r#""huge"}"#]), (0, Some(70)), "nothing waits");
    let twice = r#"{"model": "small", "model": "large"}"#;
    assert_eq!(run("large", &[twice]), (0, Some(70)), "ambiguous");
}

#[test]
fn a_request_without_a_body_that_would_choose_is_not_paid_for() {
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
    for (ends, payment, expected) in
        [(true, &*payment, 400), (false, &*payment, 0), (true, "", 402)]
    {
        let mut stream = Stream::new(config(&by_model("refuse")));
        let head = Head { ends, ..head("/api/chat", payment) };
        let head = Head { payment: head.payment.filter(|payment| !payment.is_empty()), ..head };
        let status = match stream.on_request(&head, &UNSAID, &mut mint) {
            Step::Reply(reply) => reply.status,
            Step::Deduct(_) => 0,
            step => panic!("{step:?}"),
        };
        assert_eq!(status, expected);
    }
}

/// A host that shows the body before the request is paid for must not take its passing for the request's.
#[test]
fn no_body_passes_before_it_is_paid_for() {
    let mut stream = Stream::new(config(&price()));
    assert_eq!(stream.request_body_use(), RequestBodyUse::Wait);
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
    stream.on_request(&head("/api/chat", &payment), &UNSAID, &mut mint);
    assert_eq!(stream.request_body_use(), RequestBodyUse::Wait);
    stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut mint);
    assert_eq!(stream.request_body_use(), RequestBodyUse::Nothing);
    let mut stream = Stream::new(config(&price()));
    stream.on_request(&head("/api/chat", ""), &UNSAID, &mut mint);
    assert_eq!(stream.request_body_use(), RequestBodyUse::Wait, "it was answered here");
}

#[test]
fn the_challenge_tells_the_unit_prices() {
    let mut stream = Stream::new(config(&by_model("refuse")));
    let mut mint = || None;
    let Step::Reply(reply) = stream.on_request(&head("/api/chat", ""), &UNSAID, &mut mint) else {
        panic!()
    };
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["accepts"][0]["amount"], 1000);
    assert_eq!(
        body["pricing"],
        json!({
            "kind": "upto",
            "most": 1000,
            "least": 0,
            "description": "10000 units per 1000 total (large), 1000 units per 1000 total (small); \
                            at most 1000 units",
            "unitPrices": [
                {"of": "total", "when": "large", "units": 10_000, "per": 1000},
                {"of": "total", "when": "small", "units": 1000, "per": 1000},
            ],
        })
    );
    let mut stream = Stream::new(config(&price()));
    let Step::Reply(reply) = stream.on_request(&head("/api/chat", ""), &UNSAID, &mut mint) else {
        panic!()
    };
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        body["pricing"]["description"],
        "what the API says that a request cost, or else 500 units per 1000 total; at most 1000 units"
    );
}
