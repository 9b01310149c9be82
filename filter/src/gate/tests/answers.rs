//! What the API answers, and whether the deduction stands.

use super::*;

#[test]
fn whether_the_charge_stands() {
    let usual = ["upstream_5xx", "upstream_reset", "upstream_timeout"];
    let every = ["upstream_4xx", "not_modified", "client_gone"];
    let cases: [(u16, Option<&str>, bool, bool); 10] = [
        (200, Some("via_upstream"), false, false),
        (304, Some("via_upstream"), false, true),
        (404, Some("via_upstream"), false, true),
        (500, Some("via_upstream"), true, false),
        (599, None, true, false),
        (503, Some("upstream_reset_before_response_started{connection_failure}"), true, false),
        (503, Some("no_healthy_upstream"), true, false),
        (504, Some("response_timeout"), true, false),
        (504, Some("upstream_response_timeout"), true, false),
        (302, Some("via_upstream"), false, false),
    ];
    for (status, details, by_usual, by_every) in cases {
        for (void_on, expected) in [(&usual, by_usual), (&every, by_every)] {
            let json = json!({
                "publishable_key": "pk_test_x",
                "ledger": {"cluster": "ledger"},
                "routes": [{"path": "/api/joke", "price": 100}],
                "void_on": void_on,
            });
            let config = Rc::new(Config::parse(json.to_string().as_bytes()).unwrap());
            let mut stream = Stream::new(config);
            let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
            stream.on_request(&head("/api/joke", &payment), &UNSAID, &mut minting());
            stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
            let head = ResponseHead { status, ..ResponseHead::default() };
            let step = stream.on_response(&head, || Origin {
                details: details.map(ToOwned::to_owned),
                reached: true,
            });
            assert_eq!(step.void.is_some(), expected, "{status} {details:?} {void_on:?}");
            let receipt = step.set.iter().any(|(name, _)| *name == "payment-response");
            assert_eq!(receipt, !expected, "a receipt for what was given back");
            assert!(stream.on_end(reached).is_none(), "it is decided once");
        }
    }
}

#[test]
fn a_request_that_never_reached_the_api_costs_nothing_whatever_is_configured() {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "routes": [{"path": "/api/joke", "price": 100}],
        "void_on": [],
    });
    let config = Rc::new(Config::parse(json.to_string().as_bytes()).unwrap());
    let served = || {
        let mut stream = Stream::new(Rc::clone(&config));
        let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
        stream.on_request(&head("/api/joke", &payment), &UNSAID, &mut minting());
        stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
        stream
    };
    for (status, details, reached, void) in [
        (404, "route_not_found", false, true),
        (301, "direct_response", false, true),
        (503, "no_healthy_upstream", false, true),
        (503, "upstream_reset_before_response_started", true, false),
        (400, "http1.codec_error", true, false),
        (408, "stream_idle_timeout", true, false),
        (413, "request_payload_too_large", true, false),
        (413, "request_payload_too_large", false, true),
        (200, "direct_response", false, false),
    ] {
        let head = ResponseHead { status, ..ResponseHead::default() };
        let origin = || Origin { details: Some(details.to_owned()), reached };
        let step = served().on_response(&head, origin);
        assert_eq!(step.void.is_some(), void, "{status} {details} {reached}");
    }
    assert!(served().on_end(Origin::default).is_some());
    assert!(served().on_end(reached).is_none());
}

/// Envoy's own answers to gRPC calls are all 200: the client's doing is told by its name.
#[test]
fn who_calls_a_request_grpc_does_not_end_it_for_free() {
    for (details, void) in [
        ("http1.codec_error", false),
        ("stream_idle_timeout", false),
        ("max_duration_timeout", false),
        ("request_overall_timeout", false),
        ("request_payload_too_large", false),
        ("response_timeout", true),
        ("upstream_response_timeout", true),
        ("upstream_per_try_timeout", true),
        ("upstream_reset_before_response_started{connection_termination}", true),
    ] {
        let payment = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
        let headers = [
            (":method", "POST"),
            (":path", "/api/joke"),
            ("content-type", "application/grpc"),
            ("payment", &payment),
        ];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = Head::read(headers.into_iter(), &Identity::default(), None);
        let mut stream = Stream::new(config());
        stream.on_request(&head, &UNSAID, &mut minting());
        stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
        let answer = ResponseHead {
            status: 200,
            grpc: true,
            grpc_status: Some(14),
            ..ResponseHead::default()
        };
        let origin = || Origin { details: Some(details.to_owned()), reached: true };
        assert_eq!(stream.on_response(&answer, origin).void.is_some(), void, "{details}");
    }
}

#[test]
fn a_client_that_leaves_after_the_request_went_on_has_paid() {
    let (mut stream, _) = start("/api/joke", &json!({"clientId": CLIENT}));
    stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
    assert!(stream.on_end(reached).is_none());
}

/// A gRPC API says what became of a call at its head or in its trailers, and only its own word
/// counts: what the client calls its request does not make a failure of an answer.
#[test]
fn a_grpc_api_that_fails_is_given_back() {
    let grpc_head = |status: Option<u8>| ResponseHead {
        status: 200,
        grpc: true,
        grpc_status: status,
        ..ResponseHead::default()
    };
    let via_upstream = || Origin { details: Some("via_upstream".to_owned()), reached: true };
    let served = || {
        let (mut stream, _) = start("/api/joke", &json!({"clientId": CLIENT}));
        stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
        stream
    };
    for status in 0..=16 {
        let failed = [2, 4, 8, 13, 14].contains(&status);
        let mut at_once = served();
        let step = at_once.on_response(&grpc_head(Some(status)), via_upstream);
        assert_eq!(step.void.is_some(), failed, "{status}");
        assert!(!at_once.wants_trailers());
        let mut later = served();
        let step = later.on_response(&grpc_head(None), via_upstream);
        assert!(step.void.is_none() && step.set[0].0 == "payment-response");
        assert!(later.wants_trailers());
        let trailers = ResponseHead { grpc_status: Some(status), ..ResponseHead::default() };
        let step = later.on_trailers(&trailers);
        assert_eq!(step.void.is_some(), failed, "{status}");
        assert_eq!(step.describe.is_some(), failed);
        assert!(later.on_trailers(&trailers).void.is_none() && later.on_end(reached).is_none());
    }
    let lie = ResponseHead { grpc: false, ..grpc_head(Some(13)) };
    assert!(served().on_response(&lie, via_upstream).void.is_none(), "no gRPC API");
    for (details, void) in [
        ("upstream_reset_after_response_started{connection_termination}", true),
        ("via_upstream", false),
        ("downstream_remote_disconnect", false),
        ("http2.remote_reset", false),
        ("stream_idle_timeout", false),
    ] {
        let mut stream = served();
        stream.on_response(&grpc_head(None), via_upstream);
        let end = || Origin { details: Some(details.to_owned()), reached: true };
        assert_eq!(stream.on_end(end).is_some(), void, "{details}");
    }
}

#[test]
fn caches_keep_paid_answers_apart() {
    for (cache_control, vary, expected) in [
        (None, None, vec![("cache-control", "private"), ("vary", "payment")]),
        (Some("no-store"), Some("Payment"), vec![]),
        (Some("max-age=5, PRIVATE"), Some("*"), vec![]),
        (
            Some("public"),
            Some("accept"),
            vec![("cache-control", "private"), ("vary", "accept, payment")],
        ),
    ] {
        let (mut stream, _) = start("/api/joke", &json!({"clientId": CLIENT}));
        stream.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
        let head = ResponseHead {
            status: 200,
            cache_control: cache_control.map(Into::into),
            vary: vary.map(Into::into),
            targeted: vec!["cdn-cache-control"],
            ..ResponseHead::default()
        };
        let step = stream.on_response(&head, Origin::default);
        assert_eq!(step.remove, ["cdn-cache-control"], "for shared caches only");
        let set: Vec<_> = step.set.iter().skip(1).map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(set, expected);
    }
}

#[test]
fn headers_that_only_the_gate_gives_are_taken_from_the_api() {
    let forged = ResponseHead { status: 200, forged: true, ..ResponseHead::default() };
    let (mut paid, _) = start("/api/joke", &json!({"clientId": CLIENT}));
    paid.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
    let step = paid.on_response(&forged, Origin::default);
    assert_eq!(step.remove, ["payment-required"]);
    assert!(step.set.iter().any(|(name, _)| *name == "payment-response"), "it is replaced");
    let (mut voided, _) = start("/api/joke", &json!({"clientId": CLIENT}));
    voided.on_deduction(Ok(DeductionOutcome::Deducted(Units::ZERO)), &mut minting());
    let failed = ResponseHead { status: 500, ..forged };
    let step = voided.on_response(&failed, Origin::default);
    assert_eq!(step.remove, ["payment-required", "payment-response"]);
    let forged = ResponseHead { status: 200, forged: true, ours: true, ..ResponseHead::default() };
    let (mut free, _) = start("/api/free", &Value::Null);
    let step = free.on_response(&forged, Origin::default);
    assert_eq!(step.remove, ["payment-required", "payment-response"]);
    let (mut free, _) = start("/api/free", &Value::Null);
    let theirs = ResponseHead { status: 200, forged: true, ..ResponseHead::default() };
    assert!(free.on_response(&theirs, Origin::default).remove.is_empty(), "x402's pass");
    let (mut refused, _) = start("/api/joke", &Value::Null);
    assert!(
        refused.on_response(&forged, Origin::default).remove.is_empty(),
        "our own challenge stays"
    );
}
