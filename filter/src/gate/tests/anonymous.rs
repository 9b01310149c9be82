//! Requests without a payment, where an operator lets some through.

use super::*;

fn begun(payment: &[(&str, &str)]) -> (Stream, Step) {
    let json = json!({
        "publishable_key": "pk_test_x",
        "ledger": {"cluster": "ledger"},
        "anonymous": {"requests": 20},
        "mpp": {"enabled": true, "realm": "r", "network_id": "profile_x"},
        "routes": [{"path": "/api/joke", "price": 100}],
    });
    let config = Config::parse(json.to_string().as_bytes()).unwrap();
    let config =
        Rc::new(config.with_secrets(|_| Some("a secret of 32 bytes at the least".into())).unwrap());
    let headers = [(":method", "GET"), (":path", "/api/joke")];
    let headers =
        headers.iter().chain(payment).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = Head::read(headers, &config.identity, config.credential_header());
    let mut stream = Stream::new(Rc::clone(&config));
    let step = stream.on_request(&head, &UNSAID, &mut minting());
    (stream, step)
}

#[test]
fn only_what_comes_without_any_payment_is_counted() {
    let empty = stripe402_protocol::encode(&json!({}));
    let client = stripe402_protocol::encode(&json!({"clientId": CLIENT}));
    for (payment, expected) in [
        (&[][..], "counted"),
        (&[("payment", "")], "counted"),
        (&[("authorization", "Bearer x")], "counted"),
        (&[("payment", &*empty)], "challenge"),
        (&[("payment", "nonsense")], "invalid_payment"),
        (&[("payment", ""), ("payment", "")], "invalid_payment"),
        (&[("payment", &*client)], "charge"),
    ] {
        assert_eq!(word(&begun(payment).1), expected, "{payment:?}");
    }
    let (_, step) = begun(&[("authorization", "Payment eyJ9")]);
    assert!(matches!(step, Step::Reply(_)), "a credential of MPP that is none: {step:?}");
}

#[test]
fn one_that_is_left_passes_and_the_api_is_told_so() {
    let (mut stream, _) = begun(&[]);
    let step = stream.on_counted(true).unwrap();
    assert_eq!(stream.describe(&step).as_deref(), Some("outcome=anonymous"));
    let Step::Pass(passed) = step else { panic!("{step:?}") };
    assert_eq!(told(passed), [("x-stripe402-unpaid".to_owned(), "anonymous".to_owned())]);
    assert!(stream.on_counted(true).is_none(), "once");
    // A shared cache would give it to everybody, and an API must not write receipts.
    let raw = [(":status", "200"), ("cache-control", "max-age=60"), ("payment-response", "x")];
    let raw = raw.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let step = stream.on_response(&ResponseHead::read(raw), reached);
    assert_eq!(step.set[0], ("cache-control", "private".into()));
    assert!(step.remove.iter().any(|name| name == "payment-response"), "{step:?}");
    assert!(step.void.is_none() && stream.on_end(reached).is_none(), "nothing was deducted");
}

#[test]
fn one_that_is_not_left_is_a_402_that_tells_of_them() {
    let (mut stream, _) = begun(&[]);
    let Some(Step::Reply(reply)) = stream.on_counted(false) else { panic!() };
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &body["anonymous"]), (402, &json!({"requests": 20})));
    // One that could not pay with its client id is not told so.
    let unknown = stripe402_protocol::encode(&json!({"clientId": "none"}));
    let (_, Step::Reply(reply)) = begun(&[("payment", &*unknown)]) else { panic!() };
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((&body["error"], body.get("anonymous")), (&json!("insufficient_credits"), None));
}
