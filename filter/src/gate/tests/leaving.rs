//! Leaving, stalling and breaking off: what a client can bring about is never free.

use super::{
    metering::{JSON_200, NOW, answer, captured, config, price, served},
    *,
};
use crate::usage::End;

fn unknown_costs_nothing() -> Value {
    json!({
        "most": 1000,
        "unknown": "void",
        "hold_for": "60s",
        "usage": [{"json": {"total": "/usage/total"}, "per_1000": {"total": 500}}],
    })
}

/// A client can have the API break its answer off, by not reading on; it cannot have it for nothing so.
#[test]
fn what_a_client_can_bring_about_is_never_free() {
    for details in [
        "upstream_reset_after_response_started{connection_termination}",
        "upstream_response_timeout",
        "response_timeout",
        "downstream_remote_disconnect",
    ] {
        let end = |stream: &mut Stream| {
            let origin = Origin { details: Some(details.to_owned()), reached: true };
            captured(stream.on_metered_break(&origin, NOW)).0
        };
        let (mut stream, _) = served(&unknown_costs_nothing(), 0);
        answer(&mut stream, &JSON_200, "via_upstream");
        stream.on_metered_body(b"{\"text\": \"all that is worth having");
        assert_eq!(end(&mut stream), 1000, "{details} in the middle of the body");
        let (mut stream, _) = served(&unknown_costs_nothing(), 0);
        answer(&mut stream, &JSON_200, "via_upstream");
        stream.on_metered_body(b"{\"usage\": {\"total\": 40}}");
        assert_eq!(end(&mut stream), 20, "{details} after all of it");
    }
}

#[test]
fn a_client_that_leaves_before_the_answer_pays_at_once() {
    let gone =
        |reached| Origin { details: Some("downstream_remote_disconnect".to_owned()), reached };
    for (price, units) in [(price(), 1000), (unknown_costs_nothing(), 1000)] {
        let (mut stream, _) = served(&price, 0);
        assert!(stream.is_held());
        assert_eq!(captured(stream.on_metered_break(&gone(true), NOW + 500)).0, units);
        assert!(!stream.is_held());
        let (mut stream, _) = served(&price, 0);
        let metered = stream.on_metered_break(&gone(false), NOW);
        assert!(matches!(metered, Some(Metered::Voided { .. })), "it never reached the API");
    }
    let mut seconds = price();
    seconds["usage"] = json!([{"seconds": {"each": 100}}]);
    seconds["least"] = json!(0);
    let mut stream = Stream::new(config(&seconds));
    let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    let mut mint = || Some(DeductionId::mint(NOW, [7; 10]));
    stream.on_request(&head("/api/chat", &payment), &UNSAID, &mut mint);
    stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut mint);
    stream.on_forwarded(NOW);
    assert_eq!(captured(stream.on_metered_break(&gone(true), NOW + 500)).0, 50, "its time");
}

/// A request whose end is nonsense is answered by Envoy, and the API has it all the same.
#[test]
fn a_request_that_the_client_broke_off_is_as_one_that_it_left() {
    for (status, details) in [("400", "http1.codec_error"), ("408", "stream_idle_timeout")] {
        let (mut stream, _) = served(&unknown_costs_nothing(), 0);
        answer(&mut stream, &[(":status", status)], details);
        assert_eq!(captured(stream.on_metered_end(End::Done, NOW)).0, 1000, "{details}");
    }
}
